/** The left column: whose history it is, what is in it, and what to add. */
import { useState } from "preact/hooks";
import { Refusal, ask } from "../shared/api";
import { isGone, titleOf } from "./cards";
import { me, refused, stored } from "./events";
import { Finder } from "./finder";
import { add, begin, beginAs, past, toggle, whose, type Past } from "./history";
import { about, refresh } from "./rankings";

export function Left() {
  return (
    <section class="left" aria-labelledby="history-title">
      <h2 id="history-title">History</h2>
      <Users />
      <Events />
      <Finder />
      <FreeText />
    </section>
  );
}

function Users() {
  const users = about.value?.story?.users ?? [];
  const { story, id } = whose.value;
  const choose = (chosen: string) => {
    const user = users[Number(chosen)]; // of no other option, which aren't numbers
    if (user) beginAs(user);
    else begin([]);
    refresh();
  };
  const current = story ? users.indexOf(story) : id === undefined ? "nobody" : "loaded";
  return (
    <div class="users">
      <label for="user">Whose?</label>
      <select id="user" value={current} onChange={(event) => choose(event.currentTarget.value)}>
        <option value="nobody">nobody's: begin anew</option>
        {id !== undefined && <option value="loaded">user {id}</option>}
        {users.map((user, at) => (
          <option key={user.id} value={at}>
            {user.name}
          </option>
        ))}
      </select>
      {story && !isGone(story.target) && <p class="soft">{story.why}</p>}
      {about.value?.story && (
        <details>
          <summary>How were they chosen?</summary>
          <p class="soft">{about.value.story.rule}</p>
        </details>
      )}
      <KnownUser />
    </div>
  );
}

/** Takes the history that the server has of a user. */
function KnownUser() {
  const [said, say] = useState("");
  const look = async (event: SubmitEvent) => {
    event.preventDefault();
    const id = new FormData(event.currentTarget as HTMLFormElement).get("id") as string;
    try {
      const { events } = await ask<{ events: { item_id: string; event: string }[] }>(
        `/v1/users/${encodeURIComponent(id)}`,
      );
      if (!events.length) return say(`Nothing is stored of user ${id}.`);
      begin(events.map(({ item_id, event }) => ({ item: item_id, ...(event ? { event } : {}) })), { id });
      refresh();
      say("");
    } catch (why) {
      say(why instanceof Refusal ? why.message : String(why));
    }
  };
  return (
    <form class="line" onSubmit={look}>
      <input name="id" aria-label="Id of a user that the server knows" placeholder="or a user's id" required />
      <button>Load</button>
      {said && <p role="alert">{said}</p>}
    </form>
  );
}

function Events() {
  const n = past.value.length;
  const startOver = () => {
    begin([]);
    refresh();
    document.getElementById("user")?.focus(); // the button goes, and would take the focus along
  };
  return (
    <>
      {n === 0 ? (
        <p class="empty">Nothing yet. Click on any item: it is an event, and the lists follow.</p>
      ) : (
        <button class="quiet" onClick={startOver}>
          Start over
        </button>
      )}
      <ol class="events" aria-label="Events, the latest first">
        {past.value.toReversed().map((event) => (
          <Event key={event.key} event={event} />
        ))}
      </ol>
      {refused.value && <p role="alert">Not stored: {refused}</p>}
      {stored.value > 0 && (
        <p class="soft">
          The server stored {stored} {stored.value === 1 ? "click" : "clicks"} of user <code>{me}</code>, who is this
          tab alone.
        </p>
      )}
    </>
  );
}

function Event({ event }: { event: Past }) {
  const { key, item, text, event: type, erased } = event;
  const name = item === undefined ? `“${text}”` : titleOf(item);
  const turn = () => {
    toggle(key);
    refresh();
  };
  return (
    <li class={erased ? "erased" : undefined} data-event={key}>
      <span class="title" title={name}>
        {name}
      </span>
      {type && type !== "click" && <span class="soft">{type}</span>}
      <button class="quiet" aria-label={`${erased ? "Put back" : "Erase"} ${name}`} onClick={turn}>
        {erased ? "put back" : "erase"}
      </button>
    </li>
  );
}

function FreeText() {
  if (about.value === null) return null;
  if (!about.value.free_text) {
    return <p class="soft">Words of your own can't be added: this server has no encoder that reads them.</p>;
  }
  const put = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    add({ text: (new FormData(form).get("text") as string).trim() });
    form.reset();
    refresh();
  };
  return (
    <form onSubmit={put}>
      <label for="text">Or say what you are after</label>
      <div class="line">
        <input id="text" name="text" maxLength={300} pattern=".*\S.*" required />
        <button>Add</button>
      </div>
    </form>
  );
}
