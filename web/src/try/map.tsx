/** The catalogue by what items mean, as a map. */
import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { ask } from "../shared/api";
import { fetchCards, titleOf } from "./cards";
import { click } from "./events";
import { items, past } from "./history";
import { Chart, type Lit } from "./chart";
import { views } from "./rankings";
import { mayTryAgain } from "./reach";
import type { Points } from "./types";

const FIRST = 10;

const points = signal<Points | null>(null);
const said = signal("");

async function load(): Promise<void> {
  try {
    points.value = await ask<Points>("/v1/page/map");
  } catch (why) {
    if (await mayTryAgain(why, said)) await load();
  }
}

export function CatalogueMap() {
  useEffect(() => void load(), []);
  const map = points.value;
  return (
    <section class="card map" aria-labelledby="map-title">
      <h2 id="map-title">The catalogue as a map</h2>
      {said.value && <p role="alert">{said}</p>}
      {map && <Drawn map={map} />}
    </section>
  );
}

function Drawn({ map }: { map: Points }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const chart = useRef<Chart | null>(null);
  const [under, hover] = useState<{ id: string; x: number; y: number } | null>(null);
  const list = views.value?.[1];
  const lit: Lit = { history: items(), first: list?.items.slice(0, FIRST).map(({ id }) => id) ?? [] };
  useEffect(() => {
    chart.current = new Chart(canvas.current!, map);
    const redraw = () => chart.current!.draw();
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", redraw);
    const size = new ResizeObserver(redraw);
    size.observe(canvas.current!);
    return () => {
      scheme.removeEventListener("change", redraw);
      size.disconnect();
    };
  }, [map]);
  useEffect(() => chart.current!.show(lit), [map, past.value, list]);
  const point = (event: PointerEvent) => {
    const id = chart.current!.near(event.offsetX, event.offsetY);
    hover(id === null ? null : { id, x: event.offsetX, y: event.offsetY });
    if (id !== null) void fetchCards([id]).catch(() => undefined); // a name that stays away is an id
  };
  return (
    <>
      <p class="soft">
        {map.ids.length.toLocaleString("en")} items; those that read alike are near each other ({map.by}).
      </p>
      <div class="chart">
        <canvas
          ref={canvas}
          role="img"
          aria-label="Map of the catalogue; the table below it says where the history and the first ten are"
          onPointerMove={point}
          onPointerLeave={() => hover(null)}
          onClick={() => under && click(under.id)}
        />
        {under && (
          <span class="tip" style={{ left: `${under.x}px`, top: `${under.y}px` }}>
            {titleOf(under.id)}
          </span>
        )}
      </div>
      <p class="legend soft">
        <span class="mark tail">tail</span> <span class="mark head">head</span> ○ history, ● first ten of the right list
      </p>
      <Table map={map} lit={lit} />
    </>
  );
}

/** The same in words. */
function Table({ map, lit }: { map: Points; lit: Lit }) {
  const at = new Map(map.ids.map((id, index) => [id, index]));
  const rows = [...lit.history.map((id) => ["history", id] as const), ...lit.first.map((id) => ["first ten", id] as const)];
  return (
    <details>
      <summary>The map as a table</summary>
      <table>
        <thead>
          <tr>
            <th>item</th>
            <th>lit as</th>
            <th>from the left</th>
            <th>from the top</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([as, id]) => (
            <tr key={as + id}>
              <td>{titleOf(id)}</td>
              <td>{as}</td>
              <td>{percent(map.x[at.get(id) ?? -1])}</td>
              <td>{percent(map.y[at.get(id) ?? -1])}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}

function percent(share: number | undefined): string {
  return share === undefined ? "not on the map" : `${Math.round(100 * share)}%`;
}
