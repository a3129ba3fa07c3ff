/** What isn't as it should be, and what wasn't until lately. */
import { Card, Missing } from "../shared/card";
import { now } from "./live";
import { usePolled } from "./polled";
import type { Alerts as Found } from "./types";
import { ago, local } from "../shared/words";

const CLOSED = 5;

export function Alerts() {
  const { found, why } = usePolled<Found>("/v1/alerts", 5);
  return (
    <Card title="Alerts">
      <Missing why={now.value!.missing["alerts"] || why} />
      {found && (found.watched.length > 0 || found.opened.length > 0) && (
        <>
          {found.opened.length === 0 && <p>Nothing is open.</p>}
          <ul class="plain" aria-live="polite">
            {found.opened.map((alert) => (
              <li key={`${alert.kind} ${alert.subject} ${alert.since}`} class="alert">
                {local(alert.message)}
              </li>
            ))}
          </ul>
          {found.closed.length > 0 && (
            <details>
              <summary>Over: the latest {Math.min(CLOSED, found.closed.length)}</summary>
              <ul class="plain">
                {found.closed.slice(0, CLOSED).map((alert) => (
                  <li key={`${alert.kind} ${alert.subject} ${alert.since}`}>{local(alert.message)}</li>
                ))}
              </ul>
            </details>
          )}
          {found.watched.map((log) => (
            <p class="soft" key={log.log}>
              The log{found.watched.length > 1 && ` of ${log.machine}`} is watched; it said so {ago(log.time, now.value!.time)}. {log.missing ?? ""}
            </p>
          ))}
        </>
      )}
    </Card>
  );
}
