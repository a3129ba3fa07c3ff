/** Steps and rules that rank for everybody. */
import { Card, Missing } from "../shared/card";
import { now } from "./live";
import { usePolled } from "./polled";
import type { Policies as Found, Rule } from "./types";
import { moment } from "../shared/words";

export function Policies() {
  const missing = now.value!.missing["policies"];
  return <Card title="Policies and rules">{missing ? <Missing why={missing} /> : <Standing />}</Card>;
}

function Standing() {
  const { found, why } = usePolled<Found>("/v1/page/policies", 60);
  return (
    <>
      <Missing why={why} />
      {found && (
        <>
          <p>
            Version <code>{found.version}</code>; in this order, after the steps of the model or of a request:
          </p>
          <ol>
            {found.steps.map(({ name, settings }, at) => (
              <li key={at}>
                <strong>{name}</strong> {name === "rules" ? "" : <code>{JSON.stringify(settings)}</code>}
                {name === "rules" && <Rules rules={settings["rules"] as Rule[]} />}
              </li>
            ))}
          </ol>
        </>
      )}
    </>
  );
}

function Rules({ rules }: { rules: Rule[] }) {
  return (
    <div class="wide" tabIndex={0} role="group" aria-label="Rules">
      <table>
        <thead>
          <tr>
            <th scope="col">Rule</th>
            <th scope="col">Items that</th>
            <th scope="col">Then</th>
            <th scope="col">If the request says</th>
            <th scope="col">If the history holds</th>
            <th scope="col">Holds</th>
          </tr>
        </thead>
        <tbody>
          {rules.map((rule) => (
            <tr key={rule.id}>
              <th scope="row">{rule.id}</th>
              <td class="text">
                <code>{rule.when}</code>
              </td>
              <td>{deed(rule)}</td>
              <td class="text">{context(rule)}</td>
              <td class="text">{rule.history ?? ""}</td>
              <td>{times(rule)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function deed({ then, rank, by }: Rule): string {
  if (rank !== null) return `${then} at rank ${rank}`;
  return by === null ? then : `${then} by ${by}`;
}

function context(rule: Rule): string {
  return Object.entries(rule.context)
    .map(([name, values]) => `${name} is ${values.join(" or ")}`)
    .join(", ");
}

function times({ since, until }: Rule): string {
  const begins = since === null ? "" : `from ${moment(since)} `;
  const ends = until === null ? "" : `until ${moment(until)}`;
  return begins + ends || "always";
}
