/** The bar on top of every page. */

const PAGES = [
  { path: "/", name: "Try it" },
  { path: "/dashboard", name: "Dashboard" },
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
