/** The bar on top of every page. */

/** The server says so of its pages if it has tasks, a support desk or a monitor, or nothing but these. */
const TASKS = document.getElementById("page")?.dataset["tasks"];

const PAGES = [
  ...(TASKS === "only" ? [] : [{ path: "/", name: "Try it" }, { path: "/dashboard", name: "Dashboard" }]),
  ...(TASKS === undefined ? [] : [{ path: "/tasks", name: "Tasks" }]),
  { path: "/docs", name: "API" },
];

export function Bar() {
  return (
    <header class="bar">
      <h1>tailrank</h1>
      <nav aria-label="Pages">
        {PAGES.map(({ path, name }) => (
          <a key={path} href={path} aria-current={location.pathname === path ? "page" : undefined}>
            {name}
          </a>
        ))}
      </nav>
    </header>
  );
}
