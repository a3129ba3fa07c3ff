/** Clicks: real events, sent in their order, and again after the server was away. */
import { signal } from "@preact/signals";
import { Refusal, ask } from "../shared/api";
import { add, past } from "./history";
import { refresh, settled } from "./rankings";
import { AGAIN, done, mayTryAgain } from "./reach";
import { titleOf } from "./cards";

/** This tab's user: kept in memory, so that two tabs are two users. */
export const me = `page-${hex(8)}`;

/** Why the latest event wasn't stored; empty if it was. */
export const refused = signal("");

/** How many events the server stored. */
export const stored = signal(0);

interface Event {
  event_id: string;
  user_id: string;
  item_id: string;
  event: string;
  timestamp: number;
  ranking_id?: string;
}

/** Statuses of a server that may take the same event later. */
const BUSY = [429, 502, 503];

const unsent: Event[] = [];
let sending = false;

function hex(bytes: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Click on an item, wherever it stands: an event, the next of the history, and new lists. */
export function click(item: string, ranking?: string): void {
  const found = ranking === undefined ? {} : { ranking_id: ranking };
  unsent.push({
    ...{ event_id: hex(16), user_id: me, item_id: item, event: "click", timestamp: Date.now() / 1000 },
    ...found,
  });
  add({ item, event: "click" });
  done.value = `Added: ${titleOf(item)}. The history has ${past.value.length} events.`;
  refresh(); // the lists first
  if (!sending) void send();
}

async function send(): Promise<void> {
  sending = true;
  for (let event = unsent[0]; event; event = unsent[0]) {
    try {
      await settled();
      stored.value += (await ask<{ new: number }>("/v1/events", event)).new;
      refused.value = "";
      unsent.shift();
    } catch (why) {
      if (why instanceof Refusal && BUSY.includes(why.status)) {
        refused.value = `${why.message}; it is sent again.`;
        await new Promise((resolve) => setTimeout(resolve, AGAIN));
      } else if (!(await mayTryAgain(why, refused))) unsent.shift();
    }
  }
  sending = false;
}
