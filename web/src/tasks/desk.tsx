/** A conversation with the support desk; it is kept in this page alone. */
import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { Refusal, ask } from "../shared/api";
import { Card } from "../shared/card";
import { number, percent } from "../shared/words";
import { Chance } from "./chance";
import { Thumbs } from "./thumbs";
import type { Desk, SupportAnswer } from "./types";

/** Questions before one that the server reads. */
const TURNS = 10;

interface Turn {
  id: number;
  question: string;
  answer?: SupportAnswer;
  /** What the server said instead. */
  wrong?: string;
}

const turns = signal<Turn[]>([]);
const facts = signal<Record<string, string>>({});

let asked = 0;

async function put(question: string, slots: string[]): Promise<void> {
  const id = ++asked;
  const before = turns.value.filter((turn) => turn.answer);
  turns.value = [...turns.value.filter((turn) => !turn.wrong), { id, question }];
  const given = slots.flatMap((slot) => (facts.value[slot]?.trim() ? [[slot, facts.value[slot].trim()]] : []));
  const body = { question, turns: before.map((turn) => turn.question).slice(-TURNS), facts: Object.fromEntries(given) };
  let turn: Turn;
  try {
    turn = { id, question, answer: await ask<SupportAnswer>("/v1/support/ask", body) };
  } catch (refused) {
    if (!(refused instanceof Refusal)) throw refused;
    turn = { id, question, wrong: refused.message };
  }
  turns.value = turns.value.map((each) => (each.id === id ? turn : each));
}

export function DeskCard({ desk }: { desk: Desk }) {
  return (
    <Card title="Support desk">
      <p class="soft">
        {number(desk.entries)} entries.{" "}
        {desk.threshold === null
          ? "It never answers, as no threshold kept its promise: train it on more questions."
          : `It answers from a chance of ${percent(desk.threshold)} on: then, with confidence ${percent(desk.confidence)}, at most ${percent(desk.wrong)} of its answers are wrong.`}
      </p>
      <Facts slots={desk.slots} />
      <Talk slots={desk.slots} />
      <Ask slots={desk.slots} />
    </Card>
  );
}

function Facts({ slots }: { slots: string[] }) {
  if (slots.length === 0) return null;
  return (
    <fieldset class="row">
      <legend>What answers may need to know of the customer</legend>
      {slots.map((slot) => (
        <label key={slot}>
          {slot}{" "}
          <input
            maxLength={500}
            autocomplete="off"
            value={facts.value[slot] ?? ""}
            onInput={(event) => (facts.value = { ...facts.value, [slot]: event.currentTarget.value })}
          />
        </label>
      ))}
    </fieldset>
  );
}

function Talk({ slots }: { slots: string[] }) {
  const box = useRef<HTMLDivElement>(null);
  const said = turns.value;
  useEffect(() => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [said]);
  const choose = (question: string) => {
    void put(question, slots);
    box.current?.focus(); // the button that had it goes
  };
  return (
    <div class="talk" role="log" aria-label="Conversation" tabIndex={0} ref={box}>
      {said.length === 0 && <p class="soft">Ask as a customer would.</p>}
      {said.map((turn, at) => (
        <div key={turn.id}>
          <p class="asked">{turn.question}</p>
          {turn.answer && <Answered answer={turn.answer} choose={at === said.length - 1 ? choose : null} />}
          {turn.wrong && (
            <div class="answered">
              <p class="wrong">{turn.wrong}</p>
              <button type="button" onClick={() => choose(turn.question)}>
                Ask again
              </button>
            </div>
          )}
        </div>
      ))}
    </div>
  );
}

const DECISIONS = { answer: "Answer", ask: "Clarifying question", "hand over": "Handed over" };

interface AnsweredProps {
  answer: SupportAnswer;
  /** Asks for what was meant; only the latest answer does. */
  choose: ((question: string) => void) | null;
}

function Answered({ answer, choose }: AnsweredProps) {
  const { decision, text, clarifying_question, entry_id, entry_question, chance, others } = answer;
  const ranked = [{ entry_id, question: entry_question, chance }, ...others];
  const meant = decision === "ask" ? 2 : 1;
  const likeliest = ranked.slice(0, meant);
  return (
    <div class="answered">
      <p class="decision">{DECISIONS[decision]}</p>
      <p class="said">{text ?? clarifying_question}</p>
      {decision === "ask" && choose && (
        <div class="row">
          {likeliest.map(({ entry_id, question }) => (
            <button key={entry_id} type="button" onClick={() => choose(question)}>
              {question}
            </button>
          ))}
        </div>
      )}
      <p class="soft">{decision === "hand over" ? "The likeliest entry, which isn’t likely enough:" : "Chance that it is what was asked:"}</p>
      <ul class="plain">
        {likeliest.map((each) => (
          <Chance key={each.entry_id} of={each.question} chance={each.chance} />
        ))}
      </ul>
      <Others others={ranked.slice(meant)} />
      {decision === "answer" && <Helped answer={answer} />}
    </div>
  );
}

function Others({ others }: { others: SupportAnswer["others"] }) {
  if (others.length === 0) return null;
  return (
    <details>
      <summary>Other entries</summary>
      <ul class="plain">
        {others.map((each) => (
          <Chance key={each.entry_id} of={each.question} chance={each.chance} />
        ))}
      </ul>
    </details>
  );
}

/** Whether an answer helped; the desk learns from that. */
function Helped({ answer }: { answer: SupportAnswer }) {
  const [given, setGiven] = useState<boolean | null>(null);
  const give = async (accepted: boolean) => {
    await ask("/v1/support/feedback", { question: answer.read, entry_id: answer.entry_id, accepted });
    setGiven(accepted);
  };
  return (
    <>
      <Thumbs label="Did it help?" up="It helped" down="It didn’t help" given={given} give={give} />
      <p role="status">
        {given === true && `Learned: from now on, “${answer.read}” counts as a question of this entry.`}
        {given === false && `Learned: from now on, this entry is less like “${answer.read}”.`}
      </p>
    </>
  );
}

function Ask({ slots }: { slots: string[] }) {
  const [question, setQuestion] = useState("");
  const send = (event: SubmitEvent) => {
    event.preventDefault();
    if (!question.trim()) return;
    void put(question, slots);
    setQuestion("");
  };
  return (
    <form class="row" onSubmit={send}>
      <label>
        Question{" "}
        <input maxLength={500} required autocomplete="off" value={question} onInput={(event) => setQuestion(event.currentTarget.value)} />
      </label>
      <button>Ask</button>
      <button type="button" onClick={() => (turns.value = [])}>
        Begin anew
      </button>
    </form>
  );
}
