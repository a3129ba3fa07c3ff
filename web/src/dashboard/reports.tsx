/** Evaluation reports side by side: files that are read here, and sent nowhere. */
import { useState } from "preact/hooks";
import { Card } from "../shared/card";
import { number } from "../shared/words";

interface Report {
  file: string;
  dataset: string;
  protocol: string;
  models: Record<string, Record<string, number | null>>;
}

const FIRST = "ndcg@10";

export function Reports() {
  const [reports, setReports] = useState<Report[]>([]);
  const [wrong, setWrong] = useState<string[]>([]);
  const [metric, setMetric] = useState(FIRST);
  const [over, setOver] = useState(false);
  const read = async (files: Iterable<File>) => {
    const found = await Promise.all([...files].map(readReport));
    setReports((before) => [...before, ...found.filter((each) => typeof each !== "string")]);
    setWrong(found.filter((each) => typeof each === "string"));
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    void read(event.dataTransfer?.files ?? []);
  };
  return (
    <Card title="Evaluations side by side">
      <div
        class={over ? "drop over" : "drop"}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <label>
          Drop <code>metrics.json</code> of <code>tailrank evaluate</code> here, or choose files:{" "}
          <input
            type="file"
            accept=".json,application/json"
            multiple
            onChange={(event) => void read(event.currentTarget.files ?? [])}
          />
        </label>
        <p class="soft">They are read by this page alone, and sent nowhere.</p>
      </div>
      <ul class="plain" role="alert">
        {wrong.map((why) => (
          <li class="wrong" key={why}>
            {why}
          </li>
        ))}
      </ul>
      {reports.length > 0 && <Compared reports={reports} metric={metric} choose={setMetric} />}
      {reports.length > 0 && (
        <button type="button" onClick={() => setReports([])}>
          Take them away
        </button>
      )}
    </Card>
  );
}

interface Choice {
  reports: Report[];
  metric: string;
  choose: (metric: string) => void;
}

function Compared({ reports, metric, choose }: Choice) {
  const models = [...new Set(reports.flatMap(({ models }) => Object.keys(models)))];
  const metrics = [...new Set(reports.flatMap(({ models }) => Object.values(models).flatMap(Object.keys)))];
  const grounds = new Set(reports.map(({ dataset, protocol }) => `${dataset}, ${protocol}`));
  return (
    <>
      {grounds.size > 1 && (
        <p class="wrong">These are of other data or protocols ({[...grounds].join("; ")}): don’t compare their numbers.</p>
      )}
      <label>
        Metric{" "}
        <select value={metric} onChange={(event) => choose(event.currentTarget.value)}>
          {metrics.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <div class="wide" tabIndex={0} role="group" aria-label="Evaluations">
        <table>
          <thead>
            <tr>
              <th scope="col">Model</th>
              {reports.map((report, at) => (
                <th scope="col" key={at}>
                  {report.file}
                  <br />
                  <span class="soft">
                    {report.dataset}, {report.protocol}
                  </span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {models.map((model) => (
              <tr key={model}>
                <th scope="row">{model}</th>
                {reports.map((report, at) => (
                  <td key={at}>{number(report.models[model]?.[metric], 4)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

/** Read a file; returns what is wrong with it if it is no report. */
async function readReport(file: File): Promise<Report | string> {
  try {
    const { dataset, protocol, models } = JSON.parse(await file.text()) as Partial<Report>;
    if (typeof dataset === "string" && typeof protocol === "string" && isTable(models)) {
      return { file: file.name, dataset, protocol, models };
    }
  } catch (why) {
    if (!(why instanceof SyntaxError)) throw why;
  }
  return `${file.name}: is no metrics.json of tailrank evaluate: choose the one in its --out folder.`;
}

function isTable(models: unknown): models is Report["models"] {
  return (
    typeof models === "object" &&
    models !== null &&
    Object.values(models).every(
      (metrics) =>
        typeof metrics === "object" &&
        metrics !== null &&
        Object.values(metrics).every((value) => value === null || typeof value === "number"),
    )
  );
}
