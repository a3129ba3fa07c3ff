/** The right column: why an item is where it is. */
import { cards, titleOf } from "./cards";
import { why } from "./chosen";
import { Mark } from "./mark";
import { pulls } from "./pull";
import { possible } from "./rankings";

const MOST_PULLS = 5;

/** Parts of a score that aren't a signal or a step. */
const MEAN = "list mean";
const PARTS: Record<string, string> = { base: "its interactions" };

/** Parts that round to nothing aren't shown. */
const LEAST = 0.005;

export function Why() {
  const found = why.value;
  return (
    <section class="why" aria-labelledby="why-title">
      <h2 id="why-title">Why it is there</h2>
      {found === null ? (
        <p class="empty">The upstream order gives no reasons. Let tailrank make one of the lists.</p>
      ) : (
        <Reasons found={found} />
      )}
    </section>
  );
}

function Reasons({ found }: { found: NonNullable<typeof why.value> }) {
  const { item, view } = found;
  const card = cards.value.get(item.id);
  const { because, above } = item.explanation ?? {};
  return (
    <>
      <h3>
        {titleOf(item.id)} <Mark tail={card?.tail} />
      </h3>
      <p class="soft">
        Rank {item.rank} by {possible.value[view.way]!.name}, {item.previous_rank} upstream
        {card && `; ${card.count.toLocaleString("en")} training events`}
      </p>
      {card?.text && <p class="soft text">{card.text}</p>}
      {because && <p>It is here {because}.</p>}
      {above && <p>{above}.</p>}
      <Parts contributions={item.contributions!} score={item.score} />
      <Pulls found={found} />
    </>
  );
}

/** Bars to the right of the middle speak for the item, those to the left against it; their sum is the score. */
function Parts({ contributions, score }: { contributions: Record<string, number>; score: number }) {
  const { [MEAN]: mean, ...others } = contributions;
  const parts = Object.entries(others)
    .filter(([, value]) => Math.abs(value) >= LEAST)
    .sort(([, x], [, y]) => Math.abs(y) - Math.abs(x));
  const most = Math.max(...parts.map(([, value]) => Math.abs(value)), 1e-9);
  return (
    <table class="parts">
      <caption>What its score is made of, in log-odds</caption>
      <tbody>
        <tr>
          <th scope="row">mean of the list, the same for all</th>
          <td />
          <td class="number">{signed(mean ?? 0)}</td>
        </tr>
        {parts.map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{PARTS[name] ?? name}</th>
            <td class="bars">
              <Bar share={value / most} />
            </td>
            <td class="number">{signed(value)}</td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">score</th>
          <td />
          <td class="number">{signed(score)}</td>
        </tr>
      </tfoot>
    </table>
  );
}

function Bar({ share }: { share: number }) {
  const width = `${Math.abs(share) * 50}%`;
  return <span class={share < 0 ? "against" : "for"} style={{ width, left: share < 0 ? `${50 + share * 50}%` : "50%" }} />;
}

function Pulls({ found }: { found: NonNullable<typeof why.value> }) {
  const strongest = pulls(found).slice(0, MOST_PULLS);
  if (!strongest.length) return null;
  return (
    <>
      <h4>Events that pulled it</h4>
      <ol class="pulls">
        {strongest.map(({ event, by }) => (
          <li key={event.key}>
            <span class="title">{event.item === undefined ? `“${event.text}”` : titleOf(event.item)}</span>
            <span class="number">{signed(by)}</span>
          </li>
        ))}
      </ol>
    </>
  );
}

function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}
