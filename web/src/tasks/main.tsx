import { render } from "preact";
import { Bar } from "../shared/bar";
import { KeyForm } from "../shared/key";
import "../shared/parts.css";
import "../shared/theme.css";
import { DeskCard } from "./desk";
import { MonitorCard } from "./monitor";
import { follow, goOn, keyWasWrong, page, reach, refusal, wantsKey } from "./reach";
import "./tasks.css";
import { TaskCard } from "./texts";
import type { TasksPage } from "./types";

function Tasks() {
  const asksKey = reach.value === "key" || wantsKey.value;
  return (
    <>
      <Bar />
      <div class={`status ${reach.value}`}>
        <p role="status">
          {WORDS[reach.value]} {reach.value === "refused" && refusal.value}
        </p>
      </div>
      <main>
        {asksKey && <KeyForm isWrong={reach.value === "key" && keyWasWrong.value} writes="say whether an answer helped" goOn={goOn} />}
        {page.value && reach.value !== "key" && <Sections found={page.value} />}
      </main>
    </>
  );
}

const WORDS = {
  connecting: "Connecting…",
  live: "Live",
  down: "The server can’t be reached. Trying again every second.",
  key: "The server asks for a key.",
  refused: "The server refuses to say what it has.",
};

function Sections({ found }: { found: TasksPage }) {
  if (found.tasks.length === 0 && !found.desk && !found.monitor) {
    return (
      <p>
        This server labels no texts, answers no customers and shows no monitor: start it with <code>--task NAME=FOLDER</code>,{" "}
        <code>--support FOLDER</code> or <code>--monitor FOLDER</code>.
      </p>
    );
  }
  return (
    <>
      {found.desk && <DeskCard desk={found.desk} />}
      {found.tasks.map((task) => (
        <TaskCard key={task.name} task={task} />
      ))}
      {found.monitor && <MonitorCard />}
    </>
  );
}

render(<Tasks />, document.getElementById("page")!);
void follow();
