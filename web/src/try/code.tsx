import { useState } from "preact/hooks";
import { possible, views, type Side } from "./rankings";
import { done, hasKey } from "./reach";
import { curl, python } from "./snippets";

const LANGUAGES = { curl, Python: python };
const SIDES = ["Left list", "Right list"];

/** The latest request of either list, to take along. */
export function Code() {
  const [language, speak] = useState<keyof typeof LANGUAGES>("curl");
  const [side, turn] = useState<Side>(1);
  const { request, path, way } = views.value![side];
  const text = request && LANGUAGES[language](request, hasKey.value, path);
  const copy = async () => {
    await navigator.clipboard.writeText(text!);
    done.value = `The ${language} is copied.`;
  };
  return (
    <section class="card code" aria-labelledby="code-title">
      <h2 id="code-title">The same from your code</h2>
      <div class="line" role="group" aria-label="List">
        {SIDES.map((name, at) => (
          <button key={name} aria-pressed={at === side} onClick={() => turn(at as Side)}>
            {name}
          </button>
        ))}
        <span class="soft">{possible.value[way]!.name}</span>
      </div>
      <div class="line" role="group" aria-label="Language">
        {(Object.keys(LANGUAGES) as (keyof typeof LANGUAGES)[]).map((name) => (
          <button key={name} aria-pressed={name === language} onClick={() => speak(name)}>
            {name}
          </button>
        ))}
        <button onClick={copy} disabled={!text}>
          Copy
        </button>
      </div>
      <pre tabIndex={0} aria-label={`Request in ${language}`}>
        {text ?? "The upstream order asks nothing of /v1/rank."}
      </pre>
    </section>
  );
}
