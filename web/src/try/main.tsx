import { render } from "preact";
import { Bar } from "../shared/bar";
import "../shared/theme.css";
import "./try.css";

function Try() {
  return (
    <>
      <Bar />
      <main />
    </>
  );
}

render(<Try />, document.getElementById("page")!);
