import { useState } from "preact/hooks";
import { views } from "./rankings";
import { done, hasKey } from "./reach";
import { curl, python } from "./snippets";

const LANGUAGES = { curl, Python: python };

/** The latest request of a list, to take along. */
export function Code() {
  const [language, speak] = useState<keyof typeof LANGUAGES>("curl");
  const request = views.value?.toReversed().find((view) => view.request)?.request;
  const text = request && LANGUAGES[language](request, hasKey.value);
  const copy = async () => {
    await navigator.clipboard.writeText(text!);
    done.value = `The ${language} is copied.`;
  };
  return (
    <section class="card code" aria-labelledby="code-title">
      <h2 id="code-title">The same from your code</h2>
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
