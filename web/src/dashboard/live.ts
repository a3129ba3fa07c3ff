/** The stream of what goes on: read for ever, and opened again when the server is back. */
import { signal } from "@preact/signals";
import { Refusal, authorization } from "../shared/api";
import type { Reach } from "../shared/polled";
import type { Live } from "./types";

export const now = signal<Live | null>(null);
export const reach = signal<Reach>("connecting");
/** What the server said instead of a stream. */
export const refusal = signal("");

const KEPT = 600;
const AGAIN = 1_000;
/** Milliseconds without a word, not even a heartbeat, after which the server counts as gone. */
const SILENCE = 6_000;

/** One column of numbers for each line of the plots; `null` where nothing is known. */
export const past = signal<Record<string, (number | null)[]>>({});

/** The first time a key is wanted, none was given. */
export const keyWasWrong = signal(false);

let wake = () => {};

/** Open the stream at once, as after a key was given. */
export function openNow(): void {
  wake();
}

/** Read the stream for ever. */
export async function follow(): Promise<never> {
  for (;;) {
    await readStream();
    await new Promise<void>((resolve) => {
      wake = resolve;
      if (reach.value !== "key") setTimeout(resolve, AGAIN);
    });
  }
}

async function readStream(): Promise<void> {
  const stop = new AbortController();
  let silence = setTimeout(() => stop.abort(), SILENCE);
  try {
    const response = await fetch("/v1/page/live", { headers: authorization(), signal: stop.signal });
    if (!response.ok || response.body === null) throw await refused(response);
    let rest = "";
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      clearTimeout(silence);
      silence = setTimeout(() => stop.abort(), SILENCE);
      const events = (rest + value).split("\n\n");
      rest = events.pop() ?? "";
      for (const event of events) if (event.startsWith("data: ")) take(JSON.parse(event.slice(6)) as Live);
    }
    reach.value = "down";
  } catch (why) {
    note(why);
  } finally {
    clearTimeout(silence);
  }
}

async function refused(response: Response): Promise<Refusal> {
  const { error } = (await response.json().catch(() => ({}))) as { error?: string };
  return new Refusal(response.status, error ?? `The server answered ${response.status}.`);
}

function note(why: unknown): void {
  if (!(why instanceof Refusal)) {
    reach.value = "down";
    return;
  }
  keyWasWrong.value = "authorization" in authorization();
  refusal.value = why.message;
  reach.value = why.status === 401 ? "key" : "refused";
}

function take(live: Live): void {
  const added = column(live, now.value);
  const kept: Record<string, (number | null)[]> = {};
  for (const [name, value] of Object.entries(added)) {
    kept[name] = [...(past.value[name] ?? []), value].slice(-KEPT);
  }
  now.value = live;
  past.value = kept;
  reach.value = "live";
}

function column(live: Live, before: Live | null): Record<string, number | null> {
  const { rankings, events, exposure } = live;
  return {
    time: live.time,
    rankings: rankings.per_second,
    p50: rankings.p50_ms,
    p99: rankings.p99_ms,
    degraded: before && sinceBefore(total(live.degraded), total(before.degraded)),
    shed: before && sinceBefore(live.shed, before.shed),
    events: events.per_second,
    lag50: events.lag_p50,
    lag99: events.lag_p99,
    tail: exposure.tail_share === null ? null : 100 * exposure.tail_share,
  };
}

export function total(counts: Record<string, number>): number {
  return Object.values(counts).reduce((sum, n) => sum + n, 0);
}

/** How much was added; unknown if the server began anew. */
function sinceBefore(count: number, before: number): number | null {
  return count >= before ? count - before : null;
}
