"""Hold a share of the first places for the tail while traffic shifts, and store how well that is held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, NamedTuple

import numpy as np
import typer

from bench.study import Data, Json, encoded, kept_file, store
from tailrank.arrays import Bools, Codes, Offsets
from tailrank.cli.progress import progress_bars
from tailrank.data.histories import Queries
from tailrank.data.splits import Split, temporal
from tailrank.metrics.popularity import tail_items
from tailrank.metrics.ranking import ndcg
from tailrank.policy.base import Scored
from tailrank.policy.exposure_price import LOWEST, ExposurePrice, Spent
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings

NAME, PER_USER = "movielens-small-plots", 30
CANDIDATES: Final = 200
LATEST: Final = 50
"""Events of a history that a request brings."""

WINDOW: Final = 1_000
"""Requests in a row over which a share is told."""

PHASES: Final = {
    "mixed": np.full(4_000, 0.45),
    "head-heavy": np.full(4_000, 0.15),
    "tail-heavy": np.full(4_000, 0.75),
    "drifting": np.linspace(0.75, 0.15, 4_000),
    "in turns": np.where(np.arange(4_000) // 250 % 2, 0.75, 0.15),
}
"""Share of tail items among the candidates of each request, one phase after the other."""

FAITHFUL: Final = 0.8
"""Share of requests that come from the half of the users whose histories are like the traffic."""


SETTINGS: Final = {
    "15%": ExposurePrice(target=0.15, max_loss=0.02),
    "30%": ExposurePrice(target=0.3, max_loss=0.1),
    "30%, capped": ExposurePrice(target=0.3, max_loss=0.02),
}
"""What is held: shares that can be had at that loss, and one that can't."""


@dataclass(frozen=True)
class Tailed:
    """A listing of which only the tail is known."""

    tail: Bools


class Kept:
    """A step that changes nothing and keeps what it was given."""

    name: ClassVar[str] = "kept"
    listwise: ClassVar[bool] = True

    def apply(self, scored: Scored) -> Scored:
        """Keep one list."""
        listing: Any = Tailed(scored.listing_for(self.name).tail)
        self.scored = replace(scored, listing=listing)
        return scored


class Asked(NamedTuple):
    """One list with its scores, and where in it the item is that the user really chose."""

    scored: Scored
    target: int


def traffic(reranker: Reranker, split: Split, tail: Bools, seed: int) -> Iterator[Asked]:
    """Draw requests, with the item that the user really chose among the candidates; gives it, and where.

    Where candidates are tail-heavy, mostly users come who have more of the tail in their histories.
    """
    rng, ids = np.random.default_rng(seed), split.full_train.items["item_id"].to_list()
    queries, counts = split.test, split.full_train.counts
    by_taste = _by_taste(queries, tail)
    for share in np.concatenate(list(PHASES.values())):
        like_traffic = rng.random() < FAITHFUL
        half = int((share > np.mean(list(PHASES["mixed"]))) == like_traffic)
        row = rng.choice(by_taste[half])
        query = queries.take(slice(row, row + 1))
        history, target = query.histories.latest(LATEST).items, int(query.targets[0])
        listed = _candidates(rng, counts, tail, share, np.append(query.full_histories.items, target))
        listed = rng.permutation(np.append(listed, target))
        request = Request([ids[at] for at in history], [ids[at] for at in listed], policy=[kept := Kept()])
        reranker.rank(request)
        yield Asked(kept.scored, int(np.flatnonzero(listed == target)[0]))


def _by_taste(queries: Queries, tail: Bools) -> tuple[Codes, Codes]:
    """Split queries into those with less and those with more of the tail in their histories."""
    histories = queries.histories
    sums = np.bincount(histories.owners, tail[histories.items], len(queries))
    order = np.argsort(sums / np.maximum(histories.lengths, 1), kind="stable").astype(np.int32)
    return order[: len(order) // 2], order[len(order) // 2 :]


def _candidates(rng: np.random.Generator, counts: Offsets, tail: Bools, share: float, taken: Codes) -> Codes:
    """Draw candidates, popular ones more often, a share from the tail; fewer if a group has no more."""
    weights = counts + 1.0
    weights[taken] = 0
    from_tail = rng.binomial(CANDIDATES - 1, share)
    drawn = []
    for group, size in ((tail, from_tail), (~tail, CANDIDATES - 1 - from_tail)):
        (codes,) = np.nonzero(group & (weights > 0))
        chances = weights[codes] / weights[codes].sum()
        drawn.append(rng.choice(codes, min(size, len(codes)), replace=False, p=chances))
    return np.concatenate(drawn).astype(np.int32)


def held(price: ExposurePrice, asked: Sequence[Asked], learns: bool = True) -> Json:
    """Make all lists in their order; says what the tail got, in all and in the worst window, and prices."""
    rows = np.empty((len(asked), 5))
    for at, (scored, target) in enumerate(asked):
        shown = price.step.apply(scored)
        spent = Spent.between(scored, shown, price.places)
        assert spent is not None  # noqa: S101 - no list is empty
        rank = np.flatnonzero(shown.order == target) + 1
        rows[at] = (*spent, ndcg(rank)[0], price.step.price)
        price = price.after(spent) if learns else price
    shares, losses, bests, gains, prices = rows.T
    windows = np.convolve(shares, np.full(WINDOW, 1 / WINDOW), "valid")
    starts = np.cumsum([0, *map(len, PHASES.values())])
    phases = zip(PHASES.items(), starts.tolist(), strict=False)
    return {
        "share": float(shares.mean()),
        "worst_window": float(windows[np.abs(windows - price.target).argmax()]),
        "phases": {name: float(shares[at : at + len(phase)].mean()) for (name, phase), at in phases},
        "expected_loss": float(losses.sum() / bests.sum()),
        "ndcg@10": float(gains.mean()),
        "curve": windows[:: WINDOW // 10].round(4).tolist(),
        "prices": prices[WINDOW - 1 :: WINDOW // 10].round(6).tolist(),
    }


def fitted(data: Path) -> tuple[Reranker, Split, Json]:
    """Fit a model on what came before the test, once."""
    dataset, vectors, about = encoded(NAME, data)
    split = temporal(dataset, PER_USER)
    folder = kept_file("exposure", dataset, 0, "model").with_suffix("")
    if not folder.exists():
        with progress_bars() as progress:
            Reranker.fit(split, vectors, Settings(), progress).save(folder)
    return Reranker.load(folder), split, about | {"protocol": split.protocol}


def main(
    data: Data,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Store how prices that are learned hold shares, and how one does that stays as it was learned first."""
    reranker, split, about = fitted(data)
    asked = list(traffic(reranker, split, tail_items(split.full_train.counts), seed))
    first = len(PHASES["mixed"])
    settled, nothing = SETTINGS["15%"], replace(SETTINGS["15%"], asked=LOWEST, allowed=LOWEST)
    for scored, _ in asked[:first]:
        spent = Spent.between(scored, settled.step.apply(scored), settled.places)
        settled = settled.after(spent) if spent else settled
    found = {"without": held(nothing, asked, learns=False)}
    found |= {name: held(price, asked) for name, price in SETTINGS.items()}
    found["15%, price of the first phase"] = held(settled, asked, learns=False)
    targets = {name: {"target": price.target, "max_loss": price.max_loss} for name, price in SETTINGS.items()}
    for name, one in found.items():
        print(name, {key: value for key, value in one.items() if key not in ("curve", "prices")}, flush=True)
    about |= {"seed": seed, "requests": len(asked), "window": WINDOW, "settings": targets, "ways": found}
    store("exposure.json", about)
