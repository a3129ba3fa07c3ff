/** Versions of the model: let another one serve, or go back. */
import { useState } from "preact/hooks";
import { Refusal, ask } from "../shared/api";
import { Card, Missing } from "../shared/card";
import { now } from "./live";
import { usePolled } from "./polled";
import type { ModelVersion } from "./types";
import { local, number } from "../shared/words";

interface Versions {
  versions: ModelVersion[];
}

const STATUS: Record<string, string> = {
  serves: "serves",
  before: "served before",
  refused: "refused by the gate",
  damaged: "damaged",
};

export function Models() {
  const missing = now.value!.missing["versions"];
  return <Card title="Versions of the model">{missing ? <Missing why={missing} /> : <Versioned />}</Card>;
}

function Versioned() {
  const { found, why, set } = usePolled<Versions>("/v1/models", 5);
  const [wanted, setWanted] = useState<string | null>(null);
  const [said, setSaid] = useState("");
  const serving = found?.versions.find(({ status }) => status === "serves")?.version;
  const before = found?.versions.find(({ status }) => status === "before")?.version;
  const change = async (version: string) => {
    setWanted(null);
    setSaid("Reading the version, and ranking with it…");
    const [path, body] = version === before ? ["rollback", {}] : ["promote", { version }];
    try {
      set(await ask<Versions>(`/v1/models/${path}`, body));
      setSaid(`${version} serves.`);
    } catch (refused) {
      if (!(refused instanceof Refusal)) throw refused;
      setSaid(refused.message);
    }
  };
  return (
    <>
      <Missing why={why} />
      <p role="status">{said}</p>
      {wanted && (
        <div class="row" role="group" aria-label="Are you sure?">
          <p>
            Let {wanted} serve instead of {serving ?? "nothing"}?
          </p>
          <button type="button" onClick={() => change(wanted)}>
            Yes, let it serve
          </button>
          <button type="button" onClick={() => setWanted(null)}>
            No
          </button>
        </div>
      )}
      {found && (
        <div class="wide" tabIndex={0} role="group" aria-label="Versions">
          <table>
            <thead>
              <tr>
                <th scope="col">Version</th>
                <th scope="col">Status</th>
                <th scope="col">Learned until</th>
                <th scope="col">ndcg@10 at the gate</th>
                <th scope="col">of the one before</th>
                <th scope="col">MB</th>
                <th scope="col">Change</th>
              </tr>
            </thead>
            <tbody>
              {found.versions.map((version) => (
                <Row key={version.version} of={version} choose={() => setWanted(version.version)} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

function Row({ of, choose }: { of: ModelVersion; choose: () => void }) {
  const { version, status, gate } = of;
  const deed = status === "before" ? "Roll back" : status === "" ? "Promote" : null;
  return (
    <tr>
      <th scope="row">{version}</th>
      <td>{STATUS[status] ?? ""}</td>
      <td>{local(of.learned_until ?? "–")}</td>
      <td>{number(gate?.candidate, 4)}</td>
      <td>{number(gate?.current, 4)}</td>
      <td>{number(of.bytes / 1e6, 1)}</td>
      <td>
        {deed && (
          <button type="button" aria-label={`${deed} to ${version}`} onClick={choose}>
            {deed}
          </button>
        )}
      </td>
    </tr>
  );
}
