/** What is known of items, asked for once. */
import { signal } from "@preact/signals";
import { ask } from "../shared/api";
import type { Card } from "./types";

export const cards = signal<ReadonlyMap<string, Card>>(new Map());

const AT_ONCE = 500;

/** Ids that were asked for, of which the server may not know all. */
const looked = signal<ReadonlySet<string>>(new Set());

export function keep(found: Card[]): void {
  if (found.length) cards.value = new Map([...cards.value, ...found.map((card) => [card.id, card] as const)]);
}

/** Ask for the cards that aren't there yet. */
export async function fetchCards(ids: Iterable<string>): Promise<void> {
  const missing = [...new Set(ids)].filter((id) => !cards.value.has(id) && !looked.value.has(id)).slice(0, AT_ONCE);
  if (!missing.length) return;
  keep((await ask<{ items: Card[] }>("/v1/page/cards", { ids: missing })).items);
  looked.value = new Set([...looked.value, ...missing]);
}

/** Whether the server doesn't know an item, such as one that was deleted. */
export function isGone(id: string): boolean {
  return looked.value.has(id) && !cards.value.has(id);
}

/** The title of an item; its id, if it has none. */
export function titleOf(id: string): string {
  return cards.value.get(id)?.title || id;
}
