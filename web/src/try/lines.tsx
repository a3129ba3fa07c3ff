/** Lines from the events of the history to the row that is pointed at, as thick as what each gives it. */
import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { explained, lit, type Pointed } from "./chosen";
import { past } from "./history";
import { pulls } from "./pull";
import { views } from "./rankings";

interface Line {
  key: number;
  path: string;
  width: number;
  against: boolean;
}

const THICKEST = 6;
const LEAST_SHARE = 0.04;

/** Counts scrolls and changes of size, after which everything is elsewhere. */
const moved = signal(0);

export function Lines() {
  const [lines, draw] = useState<Line[]>([]);
  const [pointed, lists, events, moves] = [lit.value, views.value, past.value, moved.value];
  useEffect(() => {
    const again = () => (moved.value += 1);
    for (const name of ["scroll", "resize"]) addEventListener(name, again, { capture: true, passive: true });
    return () => {
      for (const name of ["scroll", "resize"]) removeEventListener(name, again, { capture: true });
    };
  }, []);
  useLayoutEffect(() => draw(pointed ? linesTo(pointed) : []), [pointed, lists, events, moves]);
  return (
    <svg class="lines" aria-hidden="true">
      {lines.map(({ key, path, width, against }) => (
        <path key={key} d={path} stroke-width={width} class={against ? "against" : "for"} />
      ))}
    </svg>
  );
}

function linesTo(pointed: Pointed): Line[] {
  const found = explained(pointed);
  const list = document.querySelector<HTMLElement>(`ol[data-side="${pointed.side}"]`);
  const row = [...(list?.children ?? [])].find((each) => (each as HTMLElement).dataset["id"] === pointed.id);
  if (!found || !list || !row) return [];
  const strongest = pulls(found);
  const most = Math.abs(strongest[0]?.by ?? 0);
  const window = document.querySelector(".events")!.getBoundingClientRect();
  const to = { x: list.getBoundingClientRect().left, y: list.getBoundingClientRect().top + middle(row as HTMLElement) };
  return strongest
    .filter(({ by }) => Math.abs(by) > LEAST_SHARE * most)
    .flatMap(({ event, by }) => {
      const box = document.querySelector(`[data-event="${event.key}"]`)?.getBoundingClientRect();
      if (!box || box.right > to.x) return []; // one column: there is no room between the two
      const y = Math.min(Math.max(box.top + box.height / 2, window.top), window.bottom); // some are scrolled out
      const x = box.right;
      const bend = (to.x - x) / 2;
      const path = `M${x},${y} C${x + bend},${y} ${to.x - bend},${to.y} ${to.x},${to.y}`;
      return { key: event.key, path, width: (THICKEST * Math.abs(by)) / most, against: by < 0 };
    });
}

/** Where a row comes to rest, however far it has come: animations don't count. */
function middle(row: HTMLElement): number {
  return row.offsetTop + row.offsetHeight / 2;
}
