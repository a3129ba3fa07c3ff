/** Requests, how fast they are answered, and what went wrong. */
import { Card, Facts } from "../shared/card";
import { now, past, total } from "./live";
import { type Line, Plot, type Tone } from "../shared/plot";
import { number, short } from "../shared/words";

function line(name: string, tone: Tone, of: string, dash?: number[]): Line {
  return { name, tone, values: past.value[of] ?? [], ...(dash ? { dash } : {}) };
}

export function Traffic() {
  const live = now.value!;
  const { rankings, events } = live;
  const xs = (past.value["time"] ?? []) as number[];
  const window = `over the last ${number(live.window)} s`;
  return (
    <Card title="Traffic">
      <Facts
        facts={[
          ["Rankings since the start", number(rankings.total)],
          ["Rankings refused", number(rankings.refused)],
          [`p50, ${window}`, milliseconds(rankings.p50_ms)],
          [`p99, ${window}`, milliseconds(rankings.p99_ms)],
          ["Events since the start", number(events.total)],
          ["Shed to stay fast", number(live.shed)],
        ]}
      />
      <Degraded reasons={live.degraded} />
      <div class="plots">
        <Plot title="Rankings" unit="a second" xs={xs} lines={[line("rankings", "accent", "rankings")]} />
        <Plot
          title="Time to answer"
          unit="milliseconds"
          xs={xs}
          lines={[line("p50", "accent", "p50"), line("p99", "warning", "p99", [6, 4])]}
        />
        <Plot
          title="Not ranked"
          unit="requests a second"
          xs={xs}
          lines={[line("degraded", "warning", "degraded"), line("shed", "head", "shed", [6, 4])]}
        />
        <Plot
          title="Lag of events"
          unit="seconds from their timestamp until stored"
          xs={xs}
          lines={[line("p50", "accent", "lag50"), line("p99", "warning", "lag99", [6, 4])]}
        />
      </div>
    </Card>
  );
}

function milliseconds(value: number | null): string {
  return value === null ? "–" : `${short(value)} ms`;
}

function Degraded({ reasons }: { reasons: Record<string, number> }) {
  const sentence = Object.entries(reasons).map(([reason, n]) => `${number(n)} by ${reason}`);
  return (
    <p id="degraded">
      {total(reasons)
        ? `Degraded since the start, that is, given back in the old order: ${sentence.join(", ")}.`
        : "No ranking was degraded since the start."}
    </p>
  );
}
