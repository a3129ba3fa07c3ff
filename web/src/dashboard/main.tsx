import { render } from "preact";
import { Bar } from "../shared/bar";
import { KeyForm } from "../shared/key";
import "../shared/parts.css";
import "../shared/theme.css";
import { number } from "../shared/words";
import { Alerts } from "./alerts";
import "./dashboard.css";
import { Experiments } from "./experiments";
import { Learning } from "./learning";
import { follow, keyWasWrong, now, openNow, reach, refusal } from "./live";
import { Models } from "./models";
import { Policies } from "./policies";
import { Reports } from "./reports";
import { Reviews } from "./reviews";
import { Shown } from "./shown";
import { Traffic } from "./traffic";

function Dashboard() {
  return (
    <>
      <Bar />
      <Status />
      <main>
        {reach.value === "key" && (
          <KeyForm isWrong={keyWasWrong.value} writes="review items and change the model" goOn={openNow} />
        )}
        {now.value && reach.value !== "key" && (
          <>
            <Traffic />
            <Shown />
            <Learning />
            <Alerts />
            <Reviews />
            <Experiments />
            <Models />
            <Policies />
          </>
        )}
        <Reports />
      </main>
    </>
  );
}

const WORDS = {
  connecting: "Connecting…",
  live: "Live",
  down: "The server can’t be reached. Trying again every second.",
  key: "The server asks for a key.",
  refused: "The server refuses to tell how it is.",
};

function Status() {
  const live = now.value;
  return (
    <div class={`status ${reach.value}`}>
      <p role="status">
        {WORDS[reach.value]} {reach.value === "refused" && refusal.value}
      </p>
      {live && (
        <p class="soft">
          {live.model} · {number(live.items)} items · {live.policies ? `policies ${live.policies}` : "no policies for everybody"}
        </p>
      )}
    </div>
  );
}

render(<Dashboard />, document.getElementById("page")!);
void follow();
