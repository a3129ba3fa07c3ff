import { useKey } from "../shared/api";
import { start } from "./rankings";
import { hasKey, wantsKey } from "./reach";

/** Asks for a key, which is kept in memory alone. */
export function KeyForm() {
  const enter = (event: SubmitEvent) => {
    event.preventDefault();
    const typed = new FormData(event.currentTarget as HTMLFormElement).get("key") as string;
    useKey(typed.trim());
    hasKey.value = true;
    wantsKey.value = false;
    void start();
  };
  return (
    <main class="alone">
      <form class="card" onSubmit={enter}>
        <h2>A key, please</h2>
        <p>This server asks for one. {hasKey.value ? "It doesn't know the key that you gave." : ""}</p>
        <label for="key">API key</label>
        <input id="key" name="key" type="password" autocomplete="off" required autofocus />
        <button>Go on</button>
        <p class="soft">The page forgets it when it is closed. To send clicks, too, the key must allow “write”.</p>
      </form>
    </main>
  );
}
