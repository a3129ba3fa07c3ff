/** The two lists: what each shows, and how they follow the history and the sliders. */
import { computed, signal } from "@preact/signals";
import { ask } from "../shared/api";
import { cards, fetchCards } from "./cards";
import { turns } from "./conversation";
import { dials, dragged, policy } from "./dials";
import { beginAs, items, onTheWire, past, whose } from "./history";
import { mayTryAgain, trouble, wantsKey } from "./reach";
import type { About, Candidates, RankedItem, Ranking } from "./types";
import { waysOf } from "./ways";

export type Side = 0 | 1;

/** A list as it stands; `request` is the body that asked `path` for it, `trip` the milliseconds until the answer. */
export interface View {
  way: string;
  items: RankedItem[];
  by: string;
  ranking?: Ranking;
  request?: object;
  path?: string;
  trip?: number;
}

type Made = Required<Pick<View, "ranking" | "request" | "path">>;

const CANDIDATES = 100;

/** Ranks that are shown: at first, and if more are wanted. */
export const [FEW, MANY] = [10, 20];

export const about = signal<About | null>(null);
export const possible = computed(() => waysOf(about.value));
export const ways = signal<[string, string]>(["upstream", "tailrank"]);
export const views = signal<[View, View] | null>(null);

/** Whether the lists don't follow yet. */
export const busy = signal(false);

let following = Promise.resolve();
let wanted = false;
let found: (Candidates & { of: string }) | null = null;

/** Ask what there is to show: the lists don't wait for it. */
async function learn(): Promise<void> {
  try {
    about.value = await ask<About>("/v1/page");
  } catch (why) {
    if (await mayTryAgain(why, trouble)) await learn();
  }
}

/** Begin with the first user of the story, if there is one. */
export async function start(): Promise<void> {
  await learn();
  if (wantsKey.value) return; // a request without it, answered late, would ask for the key again
  const first = about.value?.story?.users[0];
  if (first && !past.value.length) beginAs(first);
  refresh();
}

/** Bring the lists up to date. One request is under way at a time; what changes meanwhile is in the next one. */
export function refresh(): void {
  wanted = true;
  if (!busy.value) following = follow();
}

/** Wait until the lists follow. */
export function settled(): Promise<void> {
  return following;
}

async function follow(): Promise<void> {
  busy.value = true;
  try {
    while (wanted) {
      wanted = false;
      try {
        await update();
        trouble.value = "";
      } catch (why) {
        if (await mayTryAgain(why, trouble)) wanted = true;
      }
    }
  } finally {
    busy.value = false;
  }
}

async function update(): Promise<void> {
  const of = JSON.stringify(items());
  if (found?.of !== of) {
    const fresh = ask<Candidates>("/v1/page/candidates", { history: items(), k: CANDIDATES });
    fresh.catch(() => undefined); // it is waited for below, but for something worse
    if (found) await show(without(found, items()), true); // what is there moves at once
    found = { ...(await fresh), of };
  }
  await show(found);
}

/** Leave out what the history has by now. */
function without({ by, candidates }: Candidates, had: string[]): Candidates {
  return { by, candidates: candidates.filter(({ id }) => !had.includes(id)) };
}

async function show(found: Candidates, soon = dragged.value): Promise<void> {
  const named = [...past.value.flatMap(({ item }) => item ?? []), ...(whose.value.story ? [whose.value.story.target] : [])];
  const titles = fetchCards([...found.candidates.map(({ id }) => id), ...named]);
  titles.catch(() => undefined); // unless they are waited for, the next update asks again
  const [left, right] = await Promise.all([look(ways.value[0], found, soon), look(ways.value[1], found, soon)]);
  const seen = [left, right].flatMap((view) => view.items.slice(0, MANY));
  if (!seen.every(({ id }) => cards.value.has(id))) await titles;
  views.value = [left, right];
}

async function look(way: string, { by, candidates }: Candidates, soon: boolean): Promise<View> {
  const { body } = possible.value[way]!;
  if (body === null) {
    const items = candidates.map(({ id, score }, at) => ({ id, score, rank: at + 1, previous_rank: at + 1 }));
    return { way, by, items };
  }
  const chosen = dials.value === null ? {} : { policy: policy(dials.value, about.value!.explore_moves) };
  // Without scores: what was learned of histories and texts alone decides.
  const ids = candidates.map(({ id }) => id);
  const explain = soon || "en"; // sentences take longer than all the rest
  const request = { candidates: ids, history: onTheWire(), explain, ...chosen, ...body };
  const started = performance.now();
  const made = turns.value.length ? await talked(request) : await ranked(request);
  return { way, by, items: made.ranking.items, ...made, trip: performance.now() - started };
}

async function ranked(request: object): Promise<Made> {
  const path = "/v1/rank";
  return { ranking: await ask<Ranking>(path, request), request, path };
}

/** Rank by what was said, too. */
async function talked(asked: object): Promise<Made> {
  const path = "/v1/conversation";
  const request = { request: asked, conversation: { turns: turns.value } };
  const { ranking } = await ask<{ ranking: Ranking }>(path, request);
  return { ranking, request, path };
}

/** Count the tail among the first items of a list. */
export function tailOf(view: View, places: number): number {
  return view.items.slice(0, places).filter(({ id }) => cards.value.get(id)?.tail).length;
}
