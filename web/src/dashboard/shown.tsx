/** What is shown: head and tail, how much of the catalogue, and what is clicked. */
import { Card, Facts, Missing } from "../shared/card";
import { now, past } from "./live";
import { type Line, Plot, type Tone } from "../shared/plot";
import type { ClicksAt, ShownOfLog } from "./types";
import { clock, number, percent } from "../shared/words";

/** From the items that were most popular in training on. */
const BUCKETS = [">20", "6-20", "1-5", "0"];
const TONES: Record<string, Tone> = { ">20": "head", "6-20": "accent", "1-5": "tail", "0": "warning", unknown: "soft" };
const DASHES: Record<string, number[]> = { "6-20": [8, 4], "1-5": [3, 3], "0": [10, 3, 2, 3], unknown: [1, 4] };

export function Shown() {
  const live = now.value!;
  const { head, tail, tail_share } = live.exposure;
  const xs = (past.value["time"] ?? []) as number[];
  return (
    <Card title="What is shown">
      <Facts
        facts={[
          ["Head: items ranked in the first ten", number(head)],
          ["Tail: items ranked in the first ten", number(tail)],
          ["Share of the tail, over the last minute", percent(tail_share)],
        ]}
      />
      {live.logs?.map((log) => <Today key={log.log} log={log} of={live.logs!.length} items={live.items} />)}
      {live.logs?.length === 0 && <p>No list of today is logged yet.</p>}
      <div class="plots">
        <Plot
          title="Share of the tail"
          unit="% of the items ranked in the first ten"
          xs={xs}
          lines={[{ name: "tail", tone: "tail", values: past.value["tail"] ?? [] }]}
          most={100}
        />
        {live.logs?.some((log) => log.exposure.length) && <Exposure logs={live.logs} />}
        {live.logs?.some((log) => log.deciles.length) && <Deciles logs={live.logs} events={live.deciles} />}
        {live.logs?.some((log) => log.settled) && (
          <>
            <Popularity logs={live.logs} catalogue={live.catalogue} />
            <Clicks logs={live.logs} />
          </>
        )}
      </div>
      {live.logs && !live.logs.some((log) => log.settled) && (
        <p>Exposure by popularity and click rates follow two minutes after a list was shown.</p>
      )}
      <Missing why={live.missing["logs"]} />
    </Card>
  );
}

function Today({ log, of, items }: { log: ShownOfLog; of: number; items: number }) {
  return (
    <p>
      Today, since {clock(log.since)}, {of === 1 ? "this server" : log.machine} showed {number(log.items)} of {number(items)} items (
      {percent(log.items / items)}) in the first ten of {number(log.lists)} lists
      {log.gini !== null && `; Gini of exposure over the catalogue ${number(log.gini, 3)}, from 0, all alike, to 1, one gets all`}.
    </p>
  );
}

/** How unequally items were shown, whatever they did in training: a Lorenz curve of each log. */
function Exposure({ logs }: { logs: ShownOfLog[] }) {
  const shown = logs.filter((log) => log.exposure.length);
  const xs = shown[0]!.exposure.map(([items]) => 100 * items);
  return (
    <Plot
      title="Exposure by item, today"
      unit="% of what was shown"
      x="% of the catalogue, the most shown first"
      xs={xs}
      lines={[
        ...shown.map((log, at) => ({
          name: shown.length === 1 ? "shown" : `shown by ${log.machine}, ${log.log}`,
          tone: "head" as const,
          values: log.exposure.map(([, share]) => 100 * share),
          dots: true,
          ...(at ? { dash: [3 * at, 3] } : {}),
        })),
        { name: "if all items were shown alike", tone: "soft", values: xs, dash: [4, 4] },
      ]}
      most={100}
    />
  );
}

/** What each tenth of the catalogue got of the first ten places, beside what it had of the events. */
function Deciles({ logs, events }: { logs: ShownOfLog[]; events: number[] }) {
  const xs = Array.from({ length: 10 }, (_, at) => at + 1);
  const shown = xs.map((x) => logs.reduce((so_far, { deciles }) => so_far + (deciles[x - 1] ?? 0), 0));
  const total = shown.reduce((a, b) => a + b, 0);
  const lines: Line[] = [{ name: "of what was shown", tone: "head", values: shown.map((n) => (100 * n) / total) }];
  const had = events.map((share) => 100 * share);
  if (had.length) lines.push({ name: "of the events in training", tone: "soft", values: had, dash: [4, 4] });
  return (
    <Plot
      title="Exposure by decile of popularity, today"
      unit="%"
      x="Tenth of the catalogue, the most popular first"
      xs={xs}
      lines={lines}
      bars
    />
  );
}

/** Which share of all that was shown the most popular items got. */
function Popularity({ logs, catalogue }: { logs: ShownOfLog[]; catalogue: Record<string, number> }) {
  const clicks = logs.flatMap((log) => log.clicks);
  const shown = BUCKETS.map((bucket) => sum(clicks.filter(([of]) => of === bucket), 2));
  const items = BUCKETS.map((bucket) => catalogue[bucket] ?? 0);
  if (!shown.some((n) => n)) return null;
  const xs = cumulated(items);
  return (
    <Plot
      title="Exposure by popularity, today"
      unit="% of what was shown"
      x="% of the catalogue, the most popular first"
      xs={xs}
      lines={[
        { name: "shown", tone: "head", values: cumulated(shown), dots: true },
        { name: "if all items were shown alike", tone: "soft", values: xs, dash: [4, 4] },
      ]}
      most={100}
    />
  );
}

function Clicks({ logs }: { logs: ShownOfLog[] }) {
  const clicks = logs.flatMap((log) => log.clicks);
  const ranks = [...new Set(clicks.map(([, rank]) => rank))].sort((a, b) => a - b);
  const lines: Line[] = [...BUCKETS, "unknown"]
    .filter((bucket) => clicks.some(([of]) => of === bucket))
    .map((bucket) => ({
      name: bucket === "unknown" ? "items of lists from which nothing is learned" : `items with ${bucket} events`,
      tone: TONES[bucket]!,
      ...(DASHES[bucket] ? { dash: DASHES[bucket] } : {}),
      dots: true,
      values: ranks.map((at) => rate(clicks.filter(([of, rank]) => of === bucket && rank === at))),
    }));
  return <Plot title="Click rate by rank, today" unit="% clicked within two minutes" x="Rank" xs={ranks} lines={lines} />;
}

function rate(clicks: ClicksAt[]): number | null {
  const shown = sum(clicks, 2);
  return shown ? (100 * sum(clicks, 3)) / shown : null;
}

function sum(clicks: ClicksAt[], at: 2 | 3): number {
  return clicks.reduce((so_far, each) => so_far + each[at], 0);
}

/** Percentages of the total, each with all before it; 0 first. */
function cumulated(counts: number[]): number[] {
  const total = counts.reduce((a, b) => a + b, 0);
  let so_far = 0;
  return [0, ...counts.map((n) => (100 * (so_far += n)) / total)];
}
