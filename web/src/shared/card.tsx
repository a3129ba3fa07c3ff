/** The frame of a section. */
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

export function Card({ title, children }: { title: string; children: ComponentChildren }) {
  const id = useId();
  return (
    <section class="card" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {children}
    </section>
  );
}

/** What isn't there, and what turns it on. */
export function Missing({ why }: { why: string | undefined }) {
  return why ? <p class="missing">{why}</p> : null;
}

/** Numbers with their names. */
export function Facts({ facts }: { facts: [string, string][] }) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
