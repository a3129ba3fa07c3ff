/** The two lists, side by side. */
import { signal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { cards, isGone, titleOf } from "./cards";
import { asked, lit, why } from "./chosen";
import { click } from "./events";
import { glide, places, type Places } from "./glide";
import { whose } from "./history";
import { Mark } from "./mark";
import { FEW, MANY, about, busy, possible, refresh, tailOf, views, ways, type Side, type View } from "./rankings";
import type { RankedItem } from "./types";

const shown = signal(FEW);

export function Lists() {
  if (views.value === null) return <p class="empty">Asking for the first lists …</p>;
  return (
    <>
      <Target />
      <div class="lists" aria-busy={busy}>
        <List side={0} />
        <List side={1} />
      </div>
      <button class="quiet" onClick={() => (shown.value = shown.value === FEW ? MANY : FEW)}>
        {shown.value === FEW ? `Show ${MANY}` : `Show ${FEW}`}
      </button>
    </>
  );
}

/** What a user of the story chose next, and where the lists have it. */
function Target() {
  const { story } = whose.value;
  if (!story || views.value === null) return null;
  if (isGone(story.target)) {
    return (
      <p class="target">
        ★ {story.name} chose the item {story.target} next, which the catalogue no longer has: no list can show it.
      </p>
    );
  }
  const at = (view: View) => view.items.find(({ id }) => id === story.target)?.rank;
  const ranks = views.value.map((view) => `${possible.value[view.way]!.name}: ${at(view) ?? "not among the candidates"}`);
  return (
    <p class="target">
      ★ {story.name} chose <b>{titleOf(story.target)}</b> next. Its rank by {ranks.join("; by ")}.
    </p>
  );
}

function List({ side }: { side: Side }) {
  const view = views.value![side];
  const list = useRef<HTMLOListElement>(null);
  const before = places(list.current);
  useLayoutEffect(() => glide(list.current, before as Places | null));
  const name = side === 0 ? "Left list" : "Right list";
  return (
    <section class="list" aria-label={name}>
      <Menu side={side} name={name} />
      <Summary view={view} />
      <ol ref={list} onPointerLeave={() => (lit.value = null)} data-side={side}>
        {view.items.slice(0, shown.value).map((item) => (
          <Row key={item.id} item={item} side={side} view={view} />
        ))}
      </ol>
    </section>
  );
}

function Menu({ side, name }: { side: Side; name: string }) {
  const choose = (way: string) => {
    ways.value = side === 0 ? [way, ways.value[1]] : [ways.value[0], way];
    refresh();
  };
  return (
    <select
      aria-label={`${name}: how it is made`}
      value={ways.value[side]}
      onChange={(event) => choose(event.currentTarget.value)}
    >
      {Object.entries(possible.value).map(([key, way]) => (
        <option key={key} value={key}>
          {way.name}
        </option>
      ))}
    </select>
  );
}

function Summary({ view }: { view: View }) {
  const { ranking, trip, by } = view;
  const took = ranking
    ? `${ranking.took_ms.toFixed(1)} ms in the server, ${trip!.toFixed(1)} ms round trip`
    : `as ${by} found them`;
  return (
    <p class="summary">
      {view.items.length > 0 ? (
        <b>
          {tailOf(view, FEW)} of the first {FEW} are tail
        </b>
      ) : (
        <span class="warning">No candidate is left. Take a wish back, or ask for less.</span>
      )}
      <span class="soft">{took}</span>
      {ranking && Object.keys(about.value!.beside).length > 0 && <span class="soft">by {ranking.model}</span>}
      {ranking?.degraded && <span class="warning">degraded ({ranking.reason}): this is the upstream order</span>}
    </p>
  );
}

function Row({ item, side, view }: { item: RankedItem; side: Side; view: View }) {
  const { id, rank, previous_rank } = item;
  const card = cards.value.get(id);
  const point = () => (lit.value = { side, id });
  const isTarget = whose.value.story?.target === id;
  return (
    <li data-id={id} onPointerEnter={point} onFocusIn={point} onFocusOut={() => (lit.value = null)}>
      <span class="rank">{rank}</span>
      <button class="item" title={card?.text} onClick={() => click(id, view.ranking?.ranking_id)}>
        <span class="title">
          {isTarget && "★ "}
          {titleOf(id)}
        </span>
        <Mark tail={card?.tail} />
      </button>
      {view.ranking && <Gain by={previous_rank - rank} />}
      <button
        class="quiet"
        aria-label={`Why is ${titleOf(id)} here?`}
        aria-pressed={why.value?.item.id === id}
        onClick={() => (asked.value = { side, id })}
      >
        why
      </button>
    </li>
  );
}

function Gain({ by }: { by: number }) {
  if (by === 0) return <span class="gain" />;
  return (
    <span class={by > 0 ? "gain up" : "gain"}>
      <span aria-hidden="true">{by > 0 ? "↑" : "↓"}</span>
      <span class="unseen">{by > 0 ? "up" : "down"} </span>
      {Math.abs(by)}
    </span>
  );
}
