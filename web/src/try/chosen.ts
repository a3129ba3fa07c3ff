/** The item that is explained, and the one that is pointed at. */
import { computed, signal } from "@preact/signals";
import { views, type Side, type View } from "./rankings";
import type { RankedItem, Ranking } from "./types";

export interface Pointed {
  side: Side;
  id: string;
}

/** The item that the reader asked about; null: none yet. */
export const asked = signal<Pointed | null>(null);

/** The row under the pointer, or with the focus. */
export const lit = signal<Pointed | null>(null);

/** An item and where it stands in a list that says why. */
export interface Explained {
  item: RankedItem;
  ranking: Ranking;
  view: View;
}

/** Find why an item is where it is: in its own list or, as the upstream order has no reasons, in the other one. */
export function explained({ side, id }: Pointed): Explained | null {
  if (views.value === null) return null;
  for (const view of [views.value[side], views.value[side === 0 ? 1 : 0]]) {
    const item = view.items.find((each) => each.id === id);
    if (view.ranking && item?.contributions) return { item, ranking: view.ranking, view };
  }
  return null;
}

/** What is explained: the item asked about or, if it is in no list, the first of one that has reasons. */
export const why = computed<Explained | null>(() => {
  if (views.value === null) return null;
  const found = asked.value && explained(asked.value);
  if (found) return found;
  for (const side of [1, 0] as const) {
    const first = views.value[side].ranking?.items[0];
    if (first) return explained({ side, id: first.id });
  }
  return null;
});
