/** Chances as bars. */
import { percent } from "../shared/words";

export function Chance({ of, chance, isMarked = false }: { of: string; chance: number; isMarked?: boolean }) {
  return (
    <li class="chance">
      <span class="of">
        {of}
        {isMarked && <strong> yes</strong>}
      </span>
      <span class="track" aria-hidden="true">
        <span style={{ width: `${100 * chance}%` }} />
      </span>
      <span class="share">{percent(chance)}</span>
    </li>
  );
}
