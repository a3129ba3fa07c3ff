/** Items that a screen held, and the verdicts of people. */
import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { Refusal, ask } from "../shared/api";
import { Card, Missing } from "../shared/card";
import { now } from "./live";
import { usePolled } from "./polled";
import type { Review } from "./types";
import { ago, number } from "../shared/words";

interface Queue {
  held: Review[];
  total: number;
}

const SHOWN = 20;

const VERDICTS = { approve: "approved", reject: "rejected" };
type Verdict = keyof typeof VERDICTS;

/** Who reviews: asked once, and kept until the page is closed. */
const reviewer = signal("");
/** What was done last. */
const done = signal("");

export function Reviews() {
  const { found, why, again } = usePolled<Queue>("/v1/review", 5);
  return (
    <Card title="Review">
      <Missing why={why} />
      <p role="status">{done.value}</p>
      {found && found.total === 0 && (
        <p>Nothing waits. Items that are put are held here if the server was started with --screen FILE.</p>
      )}
      {found && found.total > 0 && (
        <>
          <p>
            {number(found.total)} {found.total === 1 ? "item waits" : "items wait"}
            {found.total > SHOWN ? `; those that wait longest, ${SHOWN} of them:` : ":"}
          </p>
          <label>
            Your name, for the audit log{" "}
            <input
              value={reviewer.value}
              maxLength={200}
              autocomplete="off"
              onInput={(event) => (reviewer.value = event.currentTarget.value)}
            />
          </label>
          <ul class="plain">
            {found.held.slice(0, SHOWN).map((review) => (
              <Held key={`${review.item_id} ${review.fingerprint}`} review={review} again={again} />
            ))}
          </ul>
        </>
      )}
    </Card>
  );
}

function Held({ review, again }: { review: Review; again: () => void }) {
  const [because, setBecause] = useState("");
  const [market, setMarket] = useState("");
  const [wrong, setWrong] = useState("");
  const { held = {}, markets = {} } = review;
  const named = Object.keys({ ...held, ...markets }).filter((name) => name !== "");
  const judge = async (verdict: Verdict) => {
    if (!reviewer.value.trim() || !because.trim()) {
      setWrong("Say who you are and why: both go into the audit log.");
      return;
    }
    const { item_id, fingerprint } = review;
    try {
      const given = { verdict, by: reviewer.value.trim(), why: because.trim(), fingerprint, ...(market ? { market } : {}) };
      await ask(`/v1/review/${encodeURIComponent(item_id)}`, given);
      done.value = `${item_id} is ${VERDICTS[verdict]}${market && ` in ${market}`}.`;
      setBecause("");
      setWrong("");
    } catch (refused) {
      if (!(refused instanceof Refusal)) throw refused;
      setWrong(refused.message);
    }
    again();
  };
  return (
    <li class="held">
      <h3>{review.item_id}</h3>
      <p class="quoted" tabIndex={0}>{review.text || "It has no text."}</p>
      <p class="soft">
        Held {ago(review.since, now.value!.time)}: {review.why}
      </p>
      {named.length > 0 && (
        <p class="soft">
          {[...named, ""]
            .map((name) => `${name || "all other markets"}: ${standing(held[name], markets[name])}`)
            .join("; ")}
        </p>
      )}
      <div class="row">
        {named.length > 0 && (
          <label>
            Where{" "}
            <select value={market} onChange={(event) => setMarket(event.currentTarget.value)}>
              <option value="">in all markets</option>
              {named.map((name) => (
                <option key={name} value={name}>
                  in {name}
                </option>
              ))}
            </select>
          </label>
        )}
        <label>
          Why{" "}
          <input value={because} maxLength={2_000} onInput={(event) => setBecause(event.currentTarget.value)} />
        </label>
        <button type="button" aria-label={`Approve ${review.item_id}`} onClick={() => judge("approve")}>
          Approve
        </button>
        <button type="button" aria-label={`Reject ${review.item_id}`} onClick={() => judge("reject")}>
          Reject
        </button>
      </div>
      <p class="wrong" role="alert">
        {wrong}
      </p>
    </li>
  );
}

/** How an item stands in a market. */
function standing(isHeld: boolean | undefined, verdict: Verdict | undefined): string {
  if (verdict) return VERDICTS[verdict];
  return isHeld ? "waits" : "not held";
}
