import { useState } from "preact/hooks";
import { Refusal, ask } from "../shared/api";
import { RowError, cells, readItems } from "./csv";
import type { OwnItem } from "./types";

const EXAMPLE = `item_id,title
t1,Two-person tent
t2,Down sleeping bag
p1,Espresso coffee cups
p2,Teapot of cast iron
n1,Titanium camping stove`;

/** Ranks a pasted catalogue by its texts alone; the server keeps nothing of it. */
export function Own() {
  const [found, show] = useState<OwnItem[]>([]);
  const [said, say] = useState("");
  const rank = async (event: SubmitEvent) => {
    event.preventDefault();
    const typed = new FormData(event.currentTarget as HTMLFormElement);
    try {
      const items = readItems(typed.get("items") as string);
      const history = cells(typed.get("own-history") as string).flatMap((row) => row.cells.filter(Boolean));
      const known = new Set(items.map((item) => item["item_id"]));
      const unknown = history.find((id) => !known.has(id));
      if (unknown !== undefined) throw new RowError(`History: ${unknown} is none of the items.`);
      if (!history.length) throw new RowError("History: name at least one of the items.");
      if (items.every((item) => history.includes(item["item_id"]!))) {
        throw new RowError("History: all items are in it, so none is left to rank.");
      }
      show((await ask<{ items: OwnItem[] }>("/v1/page/own", { items, history, k: 10 })).items);
      say("");
    } catch (why) {
      if (!(why instanceof RowError || why instanceof Refusal)) throw why;
      show([]);
      say(why.message);
    }
  };
  return (
    <section class="card own" aria-labelledby="own-title">
      <h2 id="own-title">Your own items</h2>
      <p class="soft">Paste up to 500, with a history. They are ranked by their texts alone, and nothing is stored.</p>
      <form onSubmit={rank}>
        <label for="items">Items (CSV: item_id, title)</label>
        <textarea id="items" name="items" rows={6} spellcheck={false} required defaultValue={EXAMPLE} />
        <label for="own-history">History: their ids, the latest last</label>
        <div class="line">
          <input id="own-history" name="own-history" defaultValue="t1, t2" required />
          <button>Rank</button>
        </div>
      </form>
      {said && <p role="alert">{said}</p>}
      <ol class="own-list" aria-label="Your items, ranked">
        {found.map(({ id, title, score }) => (
          <li key={id}>
            <span class="title">{title || id}</span>
            <span class="number">{score.toFixed(2)}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
