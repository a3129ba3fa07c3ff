/** What the server has, asked again and again, so that the page sees when it is away and what it has then. */
import { signal } from "@preact/signals";
import { Refusal, ask, authorization } from "../shared/api";
import type { Reach } from "../shared/polled";
import type { TasksPage } from "./types";

export const page = signal<TasksPage | null>(null);
export const reach = signal<Reach>("connecting");
/** What the server said instead. */
export const refusal = signal("");
/** The first time a key is wanted, none was given. */
export const keyWasWrong = signal(false);
/** The reader wants to give another key, which allows more. */
export const wantsKey = signal(false);

const EVERY = 5_000;
const AGAIN = 1_000;

let wake = () => {};

/** Go on at once, as after a key was given. */
export function goOn(): void {
  wantsKey.value = false;
  wake();
}

/** Look for ever. */
export async function follow(): Promise<never> {
  for (;;) {
    await look();
    await new Promise<void>((resolve) => {
      wake = resolve;
      if (reach.value !== "key") setTimeout(resolve, reach.value === "live" ? EVERY : AGAIN);
    });
  }
}

async function look(): Promise<void> {
  try {
    page.value = await ask<TasksPage>("/v1/page/tasks");
    reach.value = "live";
  } catch (why) {
    if (!(why instanceof Refusal)) throw why;
    keyWasWrong.value = "authorization" in authorization();
    refusal.value = why.message;
    reach.value = why.status === 0 ? "down" : why.status === 401 ? "key" : "refused";
  }
}
