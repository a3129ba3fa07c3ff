import { DIALS, dials, dragged, names, priceAt, untouched, type DialName } from "./dials";
import { about, refresh } from "./rankings";

/** Sliders for the steps after the score, each with what it costs. */
export function Dials() {
  const prices = about.value?.prices ?? null;
  const explores = about.value?.explore_moves ?? null;
  const reset = () => {
    dials.value = null;
    refresh();
  };
  return (
    <section class="dials" aria-labelledby="dials-title">
      <h2 id="dials-title">After the score</h2>
      <div class="dials-row">
        {names(explores).map((name) => (
          <Slider key={name} name={name} explores={explores} />
        ))}
      </div>
      <p class="soft">
        {prices
          ? `Prices: ${prices.dataset}, ${prices.queries.toLocaleString("en")} queries.`
          : "What they cost isn't known: the server was started without an evaluation (--evaluation FILE)."}{" "}
        {dials.value ? (
          <button class="quiet" onClick={reset}>
            Back to the model's own policy
          </button>
        ) : (
          "Until a slider moves, the model's own policy holds."
        )}
      </p>
    </section>
  );
}

function Slider({ name, explores }: { name: DialName; explores: number | null }) {
  const { name: label, says } = DIALS[name];
  const [most, step, digits] = name === "exploration" ? [explores!, 1, 0] : [1, 0.01, 2];
  const value = (dials.value ?? untouched(explores))[name];
  const turn = (to: number) => {
    dragged.value = true;
    dials.value = { ...(dials.value ?? untouched(explores)), [name]: to };
    refresh();
  };
  const rest = () => {
    dragged.value = false;
    refresh();
  };
  return (
    <div class="dial">
      <label for={`dial-${name}`}>{label}</label>
      <output for={`dial-${name}`}>{dials.value === null ? "–" : value.toFixed(digits)}</output>
      <input
        id={`dial-${name}`}
        type="range"
        min={0}
        max={most}
        step={step}
        value={value}
        aria-describedby={`price-${name}`}
        onInput={(event) => turn(event.currentTarget.valueAsNumber)}
        onChange={rest}
      />
      <span class="soft" id={`price-${name}`}>
        {says}
        {price(name, value)}
      </span>
    </div>
  );
}

function price(name: DialName, value: number): string {
  const measured = about.value?.prices?.dials[name];
  if (!about.value?.prices || value === 0) return "";
  if (!measured?.length) return "; its price wasn't measured";
  const cost = priceAt(measured, value);
  if (cost === null) return "; beyond what was measured";
  const share = `, ${percent(cost.tail_share)} of the first ten are tail`;
  return cost.loss < 0
    ? `; gains ${percent(-cost.loss)} of ndcg@10${share}`
    : `; costs ${percent(cost.loss)} of ndcg@10${share}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}
