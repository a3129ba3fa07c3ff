/** Rows that glide to their new ranks from wherever they are seen (FLIP), and keep the focus. */

export interface Places {
  tops: Map<string, number>;
  focus: { id: string; at: number; button: number } | null;
}

const MILLISECONDS = 180;

/** What moves each row now. Asking a row itself would have all styles worked out anew, row by row. */
const gliding = new WeakMap<HTMLElement, Animation>();

/** See where the rows of a list are, those under way included, and which has the focus. */
export function places(list: HTMLElement | null): Places | null {
  if (list === null) return null;
  const { top } = list.getBoundingClientRect();
  const rows = [...list.children] as HTMLElement[];
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const button = at < 0 ? -1 : [...rows[at]!.querySelectorAll("button")].indexOf(document.activeElement as never);
  return {
    tops: new Map(rows.map((row) => [row.dataset["id"]!, row.getBoundingClientRect().top - top])),
    focus: at < 0 ? null : { id: rows[at]!.dataset["id"]!, at, button },
  };
}

/** Let each row come from where it was; new ones appear. */
export function glide(list: HTMLElement | null, before: Places | null): void {
  if (list === null || before === null) return;
  const rows = [...list.children] as HTMLElement[];
  refocus(list, rows, before.focus);
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const tops = rows.map((row) => row.offsetTop);
  rows.forEach((row, at) => {
    const from = before.tops.get(row.dataset["id"]!);
    const by = from === undefined ? 0 : from - tops[at]!;
    if (from !== undefined && Math.abs(by) < 1) return;
    gliding.get(row)?.cancel();
    const frames = from === undefined ? { opacity: [0, 1] } : { transform: [`translateY(${by}px)`, "none"] };
    gliding.set(row, row.animate(frames, { duration: MILLISECONDS, easing: "ease-out" }));
  });
}

/** A row that moves or leaves loses the focus: give it back, or to the row that took its rank. */
function refocus(list: HTMLElement, rows: HTMLElement[], focus: Places["focus"]): void {
  if (focus === null || list.contains(document.activeElement)) return;
  const row = rows.find(({ dataset }) => dataset["id"] === focus.id) ?? rows[Math.min(focus.at, rows.length - 1)];
  row?.querySelectorAll("button")[focus.button]?.focus({ preventScroll: true });
}
