/** The weights of signals as clicks move them, with their intervals. */
import { useEffect, useState } from "preact/hooks";
import { Card, Facts, Missing } from "../shared/card";
import { now } from "./live";
import { Plot } from "../shared/plot";
import { usePolled } from "./polled";
import type { Weights } from "./types";
import { moment, number } from "../shared/words";

/** Of a normal distribution, for 95%. */
const WITHIN = 1.96;

export function Learning() {
  const live = now.value!;
  return (
    <Card title="What clicks taught">
      {live.learning ? <Learned {...live.learning} /> : <Missing why={live.missing["learning"]} />}
    </Card>
  );
}

function Learned({ outcomes, since }: { outcomes: number; since: number }) {
  const { found, why, again } = usePolled<Weights>("/v1/page/weights", 60);
  const [history, setHistory] = useState(0);
  useEffect(again, [since]);
  return (
    <>
      <Facts
        facts={[
          ["Outcomes behind the weights", number(outcomes)],
          ["Ranking by them since", since ? moment(since) : "–"],
        ]}
      />
      <Missing why={why} />
      {found && (
        <>
          <label>
            Users with{" "}
            <select value={history} onChange={(event) => setHistory(Number(event.currentTarget.value))}>
              {found.histories.map((name, at) => (
                <option key={name} value={at}>
                  {name} events
                </option>
              ))}
            </select>
          </label>
          <p class="soft">Each band holds the weight with a probability of 95%.</p>
          <div class="plots small">
            {found.signals.map((name, at) => (
              <Weight key={name} name={name} past={found.past} history={history} signal={at} />
            ))}
          </div>
        </>
      )}
    </>
  );
}

interface Of {
  name: string;
  past: Weights["past"];
  history: number;
  signal: number;
}

function Weight({ name, past, history, signal }: Of) {
  const latest = past[past.length - 1];
  if (!latest) return null;
  const points = [...past, { ...latest, time: Math.max(now.value!.time, latest.time + 1) }];
  const at = (sign: number) =>
    points.map(({ mean, sd }) => mean[history]![signal]! + sign * WITHIN * sd[history]![signal]!);
  return (
    <Plot
      title={name}
      unit="log-odds by a deviation"
      xs={points.map(({ time }) => time)}
      lines={[
        { name: "weight", tone: "accent", values: at(0) },
        { name: "up to (95%)", tone: "accent", values: at(1), dash: [2, 4] },
        { name: "from (95%)", tone: "accent", values: at(-1), dash: [2, 4] },
      ]}
      band={[1, 2]}
      height={120}
    />
  );
}
