import { render } from "preact";
import { Bar } from "../shared/bar";
import "../shared/theme.css";
import "./dashboard.css";

function Dashboard() {
  return (
    <>
      <Bar />
      <main />
    </>
  );
}

render(<Dashboard />, document.getElementById("page")!);
