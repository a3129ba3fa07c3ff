/** Asks for a key, which is kept in memory alone. */
import { useKey } from "./api";

interface Props {
  /** Whether one was given that the server doesn’t know. */
  isWrong: boolean;
  /** What takes a key that may write. */
  writes: string;
  /** Go on with the key that was given. */
  goOn: () => void;
}

export function KeyForm({ isWrong, writes, goOn }: Props) {
  const enter = (event: SubmitEvent) => {
    event.preventDefault();
    const typed = new FormData(event.currentTarget as HTMLFormElement).get("key") as string;
    useKey(typed.trim());
    goOn();
  };
  return (
    <form class="card" onSubmit={enter}>
      <h2>A key, please</h2>
      <p role="alert">{isWrong ? "The server doesn’t know the key that you gave." : ""}</p>
      <label for="key">API key</label>
      <input id="key" name="key" type="password" autocomplete="off" required />
      <button>Go on</button>
      <p class="soft">
        It has to allow “read” and, to {writes}, “write”. The page forgets it when it is closed.
      </p>
    </form>
  );
}
