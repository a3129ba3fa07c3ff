/** Asks for a key, which is kept in memory alone. */
import { useKey } from "../shared/api";
import { keyWasWrong, openNow } from "./live";

export function KeyForm() {
  const enter = (event: SubmitEvent) => {
    event.preventDefault();
    const typed = new FormData(event.currentTarget as HTMLFormElement).get("key") as string;
    useKey(typed.trim());
    openNow();
  };
  return (
    <form class="card" onSubmit={enter}>
      <h2>A key, please</h2>
      <p role="alert">{keyWasWrong.value ? "The server doesn’t know the key that you gave." : ""}</p>
      <label for="key">API key</label>
      <input id="key" name="key" type="password" autocomplete="off" required />
      <button>Go on</button>
      <p class="soft">
        It has to allow “read” and, to review items and change the model, “write”. The page forgets it when it is closed.
      </p>
    </form>
  );
}
