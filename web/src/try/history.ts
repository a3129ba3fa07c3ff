/** The history that lists are made for: what the user did, oldest first, and what the page does to it. */
import { computed, signal } from "@preact/signals";
import { forget } from "./conversation";
import type { StoryUser } from "./types";

/** One event of the history: of an item, or a text. An erased one stays in sight, and counts for nothing. */
export interface Past {
  key: number;
  item?: string;
  text?: string;
  event?: string;
  erased?: boolean;
}

export type WireEvent = string | { item_id: string; event: string } | { text: string };

export const past = signal<Past[]>([]);

/** Whose history it was at first: a user of the story, one that the server knows, or nobody. */
export const whose = signal<{ story?: StoryUser; id?: string }>({});

/** The events that count. */
export const counting = computed(() => past.value.filter((event) => !event.erased));

let keys = 0;

/** Begin anew with the events of somebody. */
export function begin(events: Omit<Past, "key">[], of: { story?: StoryUser; id?: string } = {}): void {
  whose.value = of;
  forget();
  past.value = events.map((event) => ({ ...event, key: ++keys }));
}

/** Begin anew with a user of the story. */
export function beginAs(story: StoryUser): void {
  begin(story.history.map((item) => ({ item })), { story });
}

export function add(event: Omit<Past, "key">): void {
  past.value = [...past.value, { ...event, key: ++keys }];
}

/** Erase an event, or put it back. */
export function toggle(key: number): void {
  past.value = past.value.map((event) => (event.key === key ? { ...event, erased: !event.erased } : event));
}

/** The events that count, as requests have them. */
export function onTheWire(): WireEvent[] {
  return counting.value.map(({ item, text, event }) => {
    if (item === undefined) return { text: text! };
    return event === undefined ? item : { item_id: item, event };
  });
}

/** The items of the events that count, each once. */
export function items(): string[] {
  return [...new Set(counting.value.flatMap(({ item }) => item ?? []))];
}
