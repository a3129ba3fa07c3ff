/** A plot, what its lines mean, and the same numbers as a table. */
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { clock, hourUtc, short } from "./words";

export type Tone = "accent" | "tail" | "head" | "warning" | "soft";

export interface Line {
  name: string;
  tone: Tone;
  values: (number | null)[];
  /** Apart from its colour, so that lines can be told apart without it. */
  dash?: number[];
  dots?: boolean;
}

interface Props {
  title: string;
  unit: string;
  xs: number[];
  /** What `xs` are called in the table; they are times, in seconds since 1970, if it is left out. */
  x?: string;
  /** Times are written by UTC, with the day. */
  isUtc?: boolean;
  lines: Line[];
  /** Positions of the lines between which the plane is tinted. */
  band?: [number, number];
  /** Stretches of `xs` that are tinted, from and to. */
  marks?: [number, number][];
  least?: number;
  most?: number;
  height?: number;
  /** Draw the values at each of `xs` as bars side by side. */
  bars?: boolean;
}

const ROWS = 20;
/** Steps between two numbers of an axis, be they ranks or percent. */
const WHOLE = [1, 2, 5, 10, 25, 50];

export function Plot(props: Props) {
  const { title, unit, xs, x, isUtc = false, lines, band } = props;
  const isKnown = lines.some((line) => line.values.some((value) => value !== null));
  return (
    <figure class="plot">
      <figcaption>
        {title} <span class="soft">({unit})</span>
      </figcaption>
      {isKnown ? <Canvas {...props} /> : <p class="soft">Nothing yet.</p>}
      {isKnown && (lines.length > 1 || x !== undefined) && !band && (
        <ul class="legend" aria-hidden="true">
          {lines.map((line) => (
            <li key={line.name} class={`tone-${line.tone}${line.dash ? " dashed" : ""}`}>
              {line.name}
            </li>
          ))}
        </ul>
      )}
      {isKnown && <Table title={title} xs={xs} x={x} isUtc={isUtc} lines={lines} />}
    </figure>
  );
}

function Canvas(props: Props) {
  const { title, unit, xs, lines, band, marks, least = 0, most, height = 170 } = props;
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shape = JSON.stringify([lines.map((line) => [line.name, line.tone]), band, marks, least, most]);
  const data = [xs, ...lines.map((line) => line.values)] as uPlot.AlignedData;
  const latest = useRef(data);
  latest.current = data;

  useEffect(() => {
    const on = place.current!;
    const size = () => ({ width: Math.max(on.clientWidth, 120), height });
    const draw = () => {
      plot.current?.destroy();
      const how = options(on, { ...props, least });
      plot.current = new uPlot({ ...size(), ...how }, latest.current, on);
    };
    draw();
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", draw);
    const resized = new ResizeObserver(() => plot.current?.setSize(size()));
    resized.observe(on);
    return () => {
      dark.removeEventListener("change", draw);
      resized.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape, height]);
  useEffect(() => plot.current?.setData(data), [data]);
  return <div class="canvas" ref={place} role="img" aria-label={summary(title, unit, lines)} />;
}

function Table({ title, xs, x, isUtc, lines }: Pick<Props, "title" | "xs" | "lines"> & { x: string | undefined; isUtc: boolean }) {
  const [open, setOpen] = useState(false);
  const first = Math.max(0, xs.length - ROWS);
  const rows = xs.slice(first).map((at, row) => ({ at, values: lines.map((line) => line.values[first + row]) }));
  if (x === undefined) rows.reverse();
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary aria-label={`${title}, as a table`}>As a table</summary>
      {open && (
        <div class="wide" tabIndex={0} role="group" aria-label={`${title}, as a table`}>
          <table>
            <thead>
              <tr>
                <th scope="col">{x ?? (isUtc ? "Time (UTC)" : "Time")}</th>
                {lines.map((line) => (
                  <th scope="col" key={line.name}>
                    {line.name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map(({ at, values }) => (
                <tr key={at}>
                  <th scope="row">{x !== undefined ? short(at) : isUtc ? hourUtc(at) : clock(at)}</th>
                  {values.map((value, column) => (
                    <td key={column}>{short(value)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}

function summary(title: string, unit: string, lines: Line[]): string {
  const last = lines.map((line) => {
    const known = line.values.filter((value) => value !== null);
    return `${line.name}: ${known.length ? short(known[known.length - 1]) : "nothing yet"}`;
  });
  return `${title}, in ${unit}; the latest: ${last.join("; ")}`;
}

function options(on: HTMLElement, props: Props & { least: number }): Omit<uPlot.Options, "width" | "height"> {
  const { lines, x, isUtc, band, marks = [], least, most, bars = false } = props;
  const isTime = x === undefined;
  const axis = { stroke: colour(on, "soft"), grid: { stroke: colour(on, "line"), width: 1 }, ticks: { show: false } };
  const tinted = band && lines[band[0]]!.tone;
  return {
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 32, 0, 0],
    ...(isUtc ? { tzDate: (seconds: number) => uPlot.tzDate(new Date(1_000 * seconds), "Etc/UTC") } : {}),
    hooks: { drawClear: [(plot) => tint(plot, marks, colour(on, "warning-tint"))] },
    scales: {
      x: { time: isTime, ...(bars && { range: aroundBars }) },
      y: { range: (_, low, high) => range(low, high, least, most) },
    },
    axes: [
      { ...axis, size: 30, ...(isTime ? { space: isUtc ? 120 : 80, values: isUtc ? timesUtc : times } : { incrs: WHOLE }) },
      { ...axis, size: 48, values: (_, ticks) => ticks.map((tick) => short(tick)) },
    ],
    series: [
      {},
      ...lines.map((line, at) => ({
        label: line.name,
        stroke: colour(on, line.tone),
        width: 2,
        spanGaps: false,
        points: { show: line.dots ?? false },
        ...(line.dash ? { dash: line.dash } : {}),
        ...(bars && barsOf(line, at, on)),
      })),
    ],
    ...(band && tinted
      ? { bands: [{ series: [band[0] + 1, band[1] + 1], fill: colour(on, `${tinted}-tint`) }] }
      : {}),
  };
}

/** Limits of an axis whose numbers have bars to both sides. */
function aroundBars(_: uPlot, low: number, high: number): [number, number] {
  return [low - 0.5, high + 0.5];
}

/** Bars to the left of each number, for the first line, or to the right; dashed ones are empty. */
function barsOf({ dash, tone }: Line, at: number, on: HTMLElement): Partial<uPlot.Series> {
  const paths = uPlot.paths.bars!({ size: [0.36, 40], align: at ? 1 : -1 });
  return { paths, points: { show: false }, ...(dash ? {} : { fill: colour(on, tone) }) };
}

function times(_: uPlot, ticks: number[]): string[] {
  return ticks.map(clock);
}

function timesUtc(_: uPlot, ticks: number[]): string[] {
  return ticks.map(hourUtc);
}

/** Tint stretches of the plane, each at least a line wide. */
function tint(plot: uPlot, marks: [number, number][], fill: string): void {
  const { left, top, width, height } = plot.bbox;
  plot.ctx.save();
  plot.ctx.beginPath();
  plot.ctx.rect(left, top, width, height);
  plot.ctx.clip();
  plot.ctx.fillStyle = fill;
  for (const [from, to] of marks) {
    const start = plot.valToPos(from, "x", true);
    plot.ctx.fillRect(start, top, Math.max(plot.valToPos(to, "x", true) - start, 4), height);
  }
  plot.ctx.restore();
}

/** Limits of an axis: from the least that is wanted, or below, to a bit above the highest value. */
function range(low: number | null, high: number | null, least: number, most: number | undefined): [number, number] {
  const bottom = Math.min(least, low ?? least);
  const top = most ?? Math.max(high ?? 0, bottom) + 0.08 * Math.abs((high ?? 0) - bottom);
  return top > bottom ? [bottom, top] : [bottom, bottom + 1];
}

/** A colour of the theme as canvases know it. */
function colour(on: HTMLElement, name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  on.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
