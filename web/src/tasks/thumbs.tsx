/** Two buttons, one of which is pressed; a key that may not write can be replaced. */
import { useState } from "preact/hooks";
import { Refusal } from "../shared/api";
import { wantsKey } from "./reach";

interface ThumbsProps {
  label: string;
  up: string;
  down: string;
  /** Whether up is pressed; null if neither is. */
  given: boolean | null;
  /** Keeps it, or throws a `Refusal`. */
  give: (isUp: boolean) => Promise<void>;
}

export function Thumbs({ label, up, down, given, give }: ThumbsProps) {
  const [wrong, setWrong] = useState<Refusal | null>(null);
  const press = async (isUp: boolean) => {
    try {
      await give(isUp);
      setWrong(null);
    } catch (refused) {
      if (!(refused instanceof Refusal)) throw refused;
      setWrong(refused);
    }
  };
  return (
    <>
      <div class="row" role="group" aria-label={label}>
        {[true, false].map((isUp) => (
          <button key={String(isUp)} type="button" aria-pressed={given === isUp} onClick={() => press(isUp)}>
            <Thumb isUp={isUp} /> {isUp ? up : down}
          </button>
        ))}
      </div>
      <p class="wrong" role="alert">
        {wrong?.message}
      </p>
      {wrong?.status === 403 && (
        <button type="button" onClick={() => (wantsKey.value = true)}>
          Give another key
        </button>
      )}
    </>
  );
}

function Thumb({ isUp }: { isUp: boolean }) {
  return (
    <svg class={isUp ? "thumb" : "thumb down"} viewBox="0 0 16 16" aria-hidden="true">
      <path d="M2 7h2.5v7H2zM5.5 7 8.3 1.6c1.2 0 1.9.9 1.6 2.1L9.4 6h3.4c.9 0 1.5.8 1.3 1.7l-1 5c-.1.8-.8 1.3-1.5 1.3H5.5z" />
    </svg>
  );
}
