import { useEffect, useState } from "preact/hooks";
import { Refusal, ask } from "../shared/api";
import { keep } from "./cards";
import { click } from "./events";
import { Mark } from "./mark";
import { about } from "./rankings";
import type { Card } from "./types";

const SHOWN = 6;
const PAUSE = 120;

/** Finds items by their words; without any, those that are well known. */
export function Finder() {
  const [query, setQuery] = useState("");
  const [found, setFound] = useState<Card[]>([]);
  const [said, say] = useState("");
  const ready = about.value !== null;
  useEffect(() => {
    if (!ready) return;
    let late = false;
    const timer = setTimeout(async () => {
      try {
        const { items } = await ask<{ items: Card[] }>("/v1/page/items", { query, k: SHOWN });
        if (late) return;
        keep(items);
        setFound(items);
        say(items.length ? "" : "No item is like that.");
      } catch (why) {
        if (!late) say(why instanceof Refusal ? why.message : String(why));
      }
    }, query ? PAUSE : 0);
    return () => {
      late = true;
      clearTimeout(timer);
    };
  }, [query, ready]);
  return (
    <search>
      <label for="query">Add an item</label>
      <input id="query" type="search" value={query} onInput={(event) => setQuery(event.currentTarget.value)} />
      <p role="status" class={said ? undefined : "unseen"}>
        {said}
      </p>
      <ul class="found" aria-label={query ? "Found" : "Well known"}>
        {found.map((card) => (
          <li key={card.id}>
            <button class="item" onClick={() => click(card.id)} title={card.text}>
              <span class="title">{card.title || card.id}</span>
              <Mark tail={card.tail} />
            </button>
          </li>
        ))}
      </ul>
    </search>
  );
}
