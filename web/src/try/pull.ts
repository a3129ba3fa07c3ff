/** What single events of the history give an item. */
import type { Explained } from "./chosen";
import { counting, type Past } from "./history";

export interface Pull {
  event: Past;
  by: number;
}

/** Add up what each event gave the item over the signals, the strongest first; empty if nothing is known of that. */
export function pulls({ item, ranking }: Explained): Pull[] {
  const byEvent = Object.values(item.explanation?.by_event ?? {});
  const names = ranking.events ?? [];
  const found: Pull[] = [];
  // The ranking lists the events that the signals saw: the latest, without those that the model doesn't know.
  let left = counting.value.length;
  for (let at = names.length - 1; at >= 0; at--) {
    while (left > 0 && !isNamed(counting.value[left - 1]!, names[at]!)) left--;
    if (left === 0) break;
    const by = byEvent.reduce((sum, values) => sum + (values[at] ?? 0), 0);
    found.push({ event: counting.value[--left]!, by });
  }
  return found.sort((a, b) => Math.abs(b.by) - Math.abs(a.by));
}

function isNamed({ item, text }: Past, name: string): boolean {
  return name === (item ?? `“${text}”`);
}
