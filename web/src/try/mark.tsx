/** Says whether an item is head or tail, in a word and a shape, not by colour alone. */
export function Mark({ tail }: { tail: boolean | undefined }) {
  if (tail === undefined) return null;
  return <span class={tail ? "mark tail" : "mark head"}>{tail ? "tail" : "head"}</span>;
}
