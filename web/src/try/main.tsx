import { render } from "preact";
import { Bar } from "../shared/bar";
import "../shared/theme.css";
import "./controls.css";
import "./lists.css";
import "./panels.css";
import "./try.css"; // after the others, as it says what changes on small screens
import { Code } from "./code";
import { Dials } from "./sliders";
import { KeyForm } from "./key";
import { Left } from "./left";
import { Lines } from "./lines";
import { Lists } from "./lists";
import { CatalogueMap } from "./map";
import { Own } from "./own";
import { start, views } from "./rankings";
import { done, down, trouble, wantsKey } from "./reach";
import { Talk } from "./talk";
import { Why } from "./why";

function Try() {
  return (
    <>
      <Bar />
      <div role="status" class="unseen">
        {done}
      </div>
      {down.value && (
        <p role="alert" class="notice">
          The server can't be reached. What is on the page stays, and it goes on by itself once the server is back.
        </p>
      )}
      {trouble.value && (
        <p role="alert" class="notice">
          {trouble}
        </p>
      )}
      {wantsKey.value ? <KeyForm /> : <Page />}
    </>
  );
}

function Page() {
  return (
    <main>
      <Left />
      <div class="middle">
        <Dials />
        <Talk />
        <Lists />
      </div>
      <Why />
      {views.value && (
        <div class="below">
          <CatalogueMap />
          <Own />
          <Code />
        </div>
      )}
      <Lines />
    </main>
  );
}

render(<Try />, document.getElementById("page")!);
void start();
