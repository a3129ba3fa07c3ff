/** Two models that are compared live, and what to do. */
import { Card, Missing } from "../shared/card";
import { now } from "./live";
import { Plot } from "../shared/plot";
import { usePolled } from "./polled";
import type { Experiment, Finding, Interval } from "./types";
import { moment, number, short } from "../shared/words";

const NONE = "Nothing was compared yet: that takes --challenger MODEL, and rankings that name a user or a session.";

export function Experiments() {
  const missing = now.value!.missing["experiments"];
  return <Card title="Experiments">{missing ? <Missing why={missing} /> : <Logged />}</Card>;
}

function Logged() {
  const { found, why } = usePolled<Experiment[]>("/v1/experiments", 15);
  return (
    <>
      <Missing why={found?.length === 0 ? NONE : why} />
      {found?.map((each) => <Compared key={`${each.control} ${each.challenger} ${each.compare}`} of={each} />)}
    </>
  );
}

function Compared({ of }: { of: Experiment }) {
  const { effect } = of;
  const days = of.days.map((day) => day.difference);
  return (
    <article>
      <h3>
        {of.challenger} against {of.control}: <strong>{of.verdict}</strong>
      </h3>
      <p class="soft">
        {of.compare === "split" ? "Users are split" : "Lists are interleaved"}; {number(of.rankings)} rankings from{" "}
        {moment(of.since)} to {moment(of.until)}.
      </p>
      <ul>
        {of.reasons.map((reason) => (
          <li key={reason}>{reason}</li>
        ))}
      </ul>
      <p>
        {effect.metric}: {short(effect.control)} by the control, {short(effect.treatment)} by the challenger;{" "}
        {difference(effect.difference)}.
      </p>
      <Findings findings={[...of.gates, ...of.guardrails]} />
      {days.length > 1 && (
        <Plot
          title="Difference, as one would have seen it"
          unit={effect.metric}
          xs={of.days.map((day) => day.until)}
          lines={[
            { name: "difference", tone: "accent", values: days.map((day) => day.mean) },
            { name: "up to", tone: "accent", values: days.map((day) => day.high), dash: [2, 4] },
            { name: "from", tone: "accent", values: days.map((day) => day.low), dash: [2, 4] },
          ]}
          band={[1, 2]}
        />
      )}
    </article>
  );
}

function difference({ mean, low, high }: Interval): string {
  return mean === null ? "no difference is known yet" : `difference ${short(mean)} (${short(low)} to ${short(high)})`;
}

function Findings({ findings }: { findings: Finding[] }) {
  return (
    <div class="wide" tabIndex={0} role="group" aria-label="Checks">
      <table>
        <thead>
          <tr>
            <th scope="col">Check</th>
            <th scope="col">Result</th>
            <th scope="col">Why</th>
          </tr>
        </thead>
        <tbody>
          {findings.map(({ name, status, reason }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td class={status}>{status}</td>
              <td class="text">{reason}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
