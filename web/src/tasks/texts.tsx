/** What each task is, and texts to try it on. */
import { useState } from "preact/hooks";
import { Refusal, ask } from "../shared/api";
import { Card, Facts } from "../shared/card";
import { number, percent, short } from "../shared/words";
import { Chance } from "./chance";
import type { Prediction, Task } from "./types";

const KINDS: Record<string, string> = {
  one: "One label a text",
  several: "Any number of labels a text; each has a chance of its own, and is given from 50% on",
  entity: "One label for each entity that a text names",
};

/** Labels that are shown at once. */
const FEW = 12;
/** Texts that were tried and are kept. */
const KEPT = 5;
const SEVERAL_FROM = 0.5;

interface Tried {
  text: string;
  entity: string;
  said: Prediction;
}

export function TaskCard({ task }: { task: Task }) {
  return (
    <Card title={`Task ${task.name}`}>
      <p>{KINDS[task.kind] ?? task.kind}.</p>
      <Labels labels={task.labels} />
      <Measured task={task} />
      <Try task={task} />
    </Card>
  );
}

function Labels({ labels }: { labels: string[] }) {
  const all = labels.join(" · ");
  if (labels.length <= FEW) return <p class="soft">{all}</p>;
  return (
    <details>
      <summary>{number(labels.length)} labels</summary>
      <p class="soft">{all}</p>
    </details>
  );
}

function Measured({ task }: { task: Task }) {
  const { texts, refused, ...metrics } = task.held_out;
  if (!texts) return <p class="missing">Nothing was measured while it was trained.</p>;
  const measured = Object.entries(metrics).map(([name, value]): [string, string] => [name, short(value)]);
  return (
    <>
      <p class="soft">
        Measured on {number(texts)} of its {number(task.texts)} texts, which were held out:
      </p>
      <Facts facts={[...measured, ["refused", percent(refused)]]} />
    </>
  );
}

/** What a kind of task reads beside the text. */
const SECOND: Record<string, string | undefined> = { entity: "Entity", pair: "Other text" };

function Try({ task }: { task: Task }) {
  const [text, setText] = useState("");
  const [entity, setEntity] = useState("");
  const [tried, setTried] = useState<Tried[]>([]);
  const [wrong, setWrong] = useState("");
  const second = SECOND[task.kind];
  const label = async (event: SubmitEvent) => {
    event.preventDefault();
    const body = { texts: [text], ...(second ? { entities: [entity] } : {}) };
    try {
      const found = await ask<{ predictions: Prediction[] }>(`/v1/tasks/${encodeURIComponent(task.name)}`, body);
      setTried((before) => [{ text, entity, said: found.predictions[0]! }, ...before].slice(0, KEPT));
      setWrong("");
    } catch (refused) {
      if (!(refused instanceof Refusal)) throw refused;
      setWrong(refused.message);
    }
  };
  return (
    <>
      <form class="try" onSubmit={label}>
        <label>
          Text
          <textarea rows={3} maxLength={10_000} required value={text} onInput={(event) => setText(event.currentTarget.value)} />
        </label>
        {second && (
          <label>
            {second}
            <input maxLength={10_000} required value={entity} onInput={(event) => setEntity(event.currentTarget.value)} />
          </label>
        )}
        <button>Label it</button>
      </form>
      <p class="wrong" role="alert">
        {wrong}
      </p>
      <ul class="plain" aria-live="polite" aria-label={`What ${task.name} says, the latest first`}>
        {tried.map((each, at) => (
          <Said key={tried.length - at} tried={each} isSeveral={task.kind === "several"} />
        ))}
      </ul>
    </>
  );
}

function Said({ tried, isSeveral }: { tried: Tried; isSeveral: boolean }) {
  const { text, entity, said } = tried;
  return (
    <li class="held">
      <p class="quoted" tabIndex={0}>
        {text}
      </p>
      {entity && <p>About {entity}:</p>}
      {said.refused && (
        <p class="wrong">
          <strong>Refused</strong>: it is unlike the texts that were learned from, so these labels may mean nothing.
        </p>
      )}
      <ul class="plain">
        {said.labels.map(({ label, chance }) => (
          <Chance key={label} of={label} chance={chance} isMarked={isSeveral && chance >= SEVERAL_FROM} />
        ))}
      </ul>
    </li>
  );
}
