/** Whether the server can be reached and wants a key, and what went wrong last. */
import { type Signal, signal } from "@preact/signals";
import { Refusal, ask } from "../shared/api";

export const down = signal(false);
export const wantsKey = signal(false);
export const hasKey = signal(false);

/** What went wrong with the lists, in words; empty if all is well. */
export const trouble = signal("");

/** What was done, for those who don't see it. */
export const done = signal("");

/** Milliseconds until what failed is tried again. */
export const AGAIN = 1_000;

/** Note what went wrong; returns true once asking again may help, or false if it won't. */
export async function mayTryAgain(why: unknown, said: Signal<string>): Promise<boolean> {
  if (!(why instanceof Refusal)) throw why;
  if (why.status === 0) {
    await untilBack();
    return true;
  }
  if (why.status === 401) wantsKey.value = true;
  else said.value = why.message;
  return false;
}

let waiting: Promise<void> | null = null;

/** Ask every second until there is an answer; whoever else waits is told by the same one. */
function untilBack(): Promise<void> {
  waiting ??= (async () => {
    down.value = true;
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, AGAIN));
      try {
        await ask("/healthz");
        break;
      } catch {
        // still away
      }
    }
    down.value = false;
    waiting = null;
  })();
  return waiting;
}
