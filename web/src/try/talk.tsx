import { useState } from "preact/hooks";
import { Refusal } from "../shared/api";
import { meanings, missed, say, turns, undo } from "./conversation";
import { FEW, refresh, views } from "./rankings";
import { done } from "./reach";

/** Takes what should be different, and tells what was understood. */
export function Talk() {
  const [refusal, refuse] = useState("");
  const speak = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const text = (new FormData(form).get("said") as string).trim();
    const view = views.value?.findLast(({ ranking }) => ranking) ?? views.value?.[1];
    try {
      await say(text, (view?.items ?? []).slice(0, FEW).map(({ id }) => id));
      form.reset();
      refuse("");
      refresh();
    } catch (why) {
      refuse(why instanceof Refusal ? why.message : String(why));
    }
  };
  const back = () => {
    undo();
    done.value = "The last turn is taken back.";
    refresh();
  };
  return (
    <section class="talk" aria-labelledby="talk-title">
      <h2 id="talk-title">What should be different?</h2>
      <form class="line" onSubmit={speak}>
        <input
          name="said"
          aria-label="What should be different?"
          placeholder="something newer; no horror; like the second one"
          maxLength={500}
          pattern=".*\S.*"
          required
        />
        <button>Say</button>
      </form>
      {turns.value.length > 0 && (
        <>
          <ol aria-label="What was understood">
            {turns.value.map((turn, at) => (
              <li key={at}>
                “{turn.text}”: <b>{meanings.value[at]}</b>
              </li>
            ))}
          </ol>
          <button class="quiet" onClick={back}>
            Undo
          </button>
        </>
      )}
      {missed.value.length > 0 && (
        <p role="alert">Not understood: {missed.value.map((part) => `“${part}”`).join(", ")}</p>
      )}
      {refusal && <p role="alert">{refusal}</p>}
    </section>
  );
}
