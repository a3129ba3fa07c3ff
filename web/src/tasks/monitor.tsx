/** What a monitor found that another process runs: its alerts, and a series with them. */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { Refusal, ask } from "../shared/api";
import { Card, Missing } from "../shared/card";
import { type Line, Plot } from "../shared/plot";
import { usePolledWhile } from "../shared/polled";
import { hourUtc, number } from "../shared/words";
import { reach } from "./reach";
import { Thumbs } from "./thumbs";
import type { AlertThumbStored, MonitorAlert, MonitorAlerts, MonitorSeries, SeriesCounts, SeriesName, ToldSubscriber } from "./types";

const DAYS = 30;

/** The series that is drawn; empty names are all. */
const chosen = signal<SeriesName>({ topic: "", entity: "" });

function nameOf({ topic, entity }: SeriesName): string {
  return [topic, entity].filter((part) => part !== "").join(", ") || "all texts";
}

function isSame(one: SeriesName, other: SeriesName): boolean {
  return one.topic === other.topic && one.entity === other.entity;
}

export function MonitorCard() {
  const isLive = reach.value === "live";
  const { found, why } = usePolledWhile<MonitorAlerts>(isLive, "/v1/monitor/alerts", 5);
  return (
    <Card title="Monitor">
      <Missing why={why} />
      {found && (
        <>
          <Progress found={found} />
          {found.now !== null && <Series now={found.now} alerts={found.alerts} />}
          <Alerts found={found} />
        </>
      )}
    </Card>
  );
}

function Progress({ found }: { found: MonitorAlerts }) {
  const { lines, ...counters } = found.counters;
  const counted = Object.entries(counters).map(([name, n]) => `${number(n)} ${name}`);
  return (
    <p class="soft">
      {found.now === null ? "No period is over yet." : `What came until ${hourUtc(found.now)} UTC is counted.`}
      {lines !== undefined && ` Lines so far: ${number(lines)}; ${counted.join(", ")}.`}
    </p>
  );
}

function Series({ now, alerts }: { now: number; alerts: MonitorAlert[] }) {
  const { found: listed } = usePolledWhile<MonitorSeries>(reach.value === "live", "/v1/monitor/series", 30);
  const [found, setFound] = useState<SeriesCounts | null>(null);
  const [why, setWhy] = useState("");
  const { topic, entity } = chosen.value;
  useEffect(() => {
    let isWanted = true;
    ask<SeriesCounts>("/v1/monitor/series", { topic, entity, days: DAYS }).then(
      (counts) => {
        if (!isWanted) return;
        setFound(counts);
        setWhy("");
      },
      (refused) => {
        if (!(refused instanceof Refusal)) throw refused;
        if (isWanted && refused.status !== 0) setWhy(refused.message); // the page says that the server is away
      },
    );
    return () => {
      isWanted = false;
    };
  }, [topic, entity, now]);
  const all = listed?.series ?? [];
  const at = all.findIndex((each) => isSame(each, chosen.value));
  return (
    <>
      <label>
        Series{" "}
        <select value={String(at)} onChange={(event) => (chosen.value = all[Number(event.currentTarget.value)]!)}>
          {at < 0 && <option value="-1">{nameOf(chosen.value)}</option>}
          {all.map((each, row) => (
            <option key={`${each.topic}\n${each.entity}`} value={String(row)}>
              {nameOf(each)} ({number(each.texts)})
            </option>
          ))}
        </select>
      </label>
      <Missing why={why} />
      {found && !why && <Drawn found={found} alerts={alerts} />}
    </>
  );
}

function Drawn({ found, alerts }: { found: SeriesCounts; alerts: MonitorAlert[] }) {
  const first = found.starts[0] ?? 0;
  const marked = alerts.filter((alert) => alert.until > first && [alert, ...alert.also].some((one) => isSame(one, found)));
  const isNegative = found.kind === "negative volume";
  const lines: Line[] = [
    { name: "texts", tone: "head", values: found.texts },
    { name: "negative texts", tone: "accent", values: found.negative },
    { name: isNegative ? "negative texts, as usual" : "texts, as usual", tone: "soft", values: found.expected, dash: [6, 4] },
  ];
  return (
    <>
      <Plot
        title={`${nameOf(found)}, the latest ${DAYS} days`}
        unit={found.seconds === 3_600 ? "texts an hour, by UTC" : "texts a day, by UTC"}
        xs={found.starts}
        isUtc
        lines={lines}
        marks={marked.map((alert) => [alert.since, alert.until])}
        height={220}
      />
      <p class="soft">
        {marked.length === 0
          ? "No alert was raised on it in these days."
          : `Tinted, where it was alerted on: ${marked.map((alert) => hourUtc(alert.since)).join("; ")}.`}{" "}
        Dashed, what the monitor now knows to be usual, with hours and days of the week.
      </p>
    </>
  );
}

function Alerts({ found }: { found: MonitorAlerts }) {
  const { alerts, total } = found;
  if (alerts.length === 0) return <p>No alert was raised yet.</p>;
  return (
    <>
      <h3>
        {number(total)} {total === 1 ? "alert" : "alerts"}
        {total > alerts.length && `; the latest ${alerts.length}`}
      </h3>
      <ul class="plain">
        {alerts.map((alert) => (
          <Alert key={alert.id} alert={alert} />
        ))}
      </ul>
    </>
  );
}

function Alert({ alert }: { alert: MonitorAlert }) {
  return (
    <li class="held">
      <h4>
        {nameOf(alert)}: {alert.kind}, {hourUtc(alert.since)} to {hourUtc(alert.until)} UTC
      </h4>
      <p>{alert.why}</p>
      {alert.words.length > 0 && <p class="soft">New words: {alert.words.join(", ")}</p>}
      {alert.summary.map((sentence, at) => (
        <blockquote key={at}>{sentence}</blockquote>
      ))}
      {alert.also.length > 0 && <p class="soft">With it: {alert.also.map(nameOf).join("; ")}</p>}
      <details>
        <summary aria-label={`Texts behind ${alert.id}`}>Texts behind it</summary>
        {alert.evidence.map((text) => (
          <p key={text.id} class="quoted" tabIndex={0}>
            <span class="soft">{hourUtc(text.timestamp)}</span> {text.text}
          </p>
        ))}
      </details>
      <div class="row">
        <button type="button" aria-label={`Draw the series of ${alert.id}`} onClick={() => (chosen.value = alert)}>
          Draw its series
        </button>
        <code>{alert.id}</code>
      </div>
      {alert.told.map((told) => (
        <Worth key={told.subscriber} alert={alert.id} told={told} />
      ))}
    </li>
  );
}

/** Whether an alert was worth it to a subscriber that was told of it, whose threshold that moves. */
function Worth({ alert, told }: { alert: string; told: ToldSubscriber }) {
  const [stored, setStored] = useState<AlertThumbStored | null>(null);
  const { subscriber } = told;
  const give = async (isUp: boolean) =>
    setStored(await ask<AlertThumbStored>("/v1/monitor/thumbs", { subscriber, alert, is_up: isUp }));
  return (
    <>
      <p>Was it worth it to {subscriber}, who was told of it?</p>
      <Thumbs
        label={`Was ${alert} worth it to ${subscriber}?`}
        up="It was"
        down="It wasn’t"
        given={stored?.is_up ?? told.is_up}
        give={give}
      />
      <p role="status">
        {stored && `Learned: ${subscriber} is told of ${number(stored.severity, 2)} times the expectation and more.`}
      </p>
    </>
  );
}
