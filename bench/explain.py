"""What explanations cost, and whether they are true.

`cost`: a ranking of 200 candidates for 50 events, plain, with contributions, and explained down to the event
for the first ten; they take turns. `deletion`: events are taken from a history in the order of what the
explanation says that they gave an item, the most first; in random orders; and the latest first. The sooner
the item falls, the truer the order. `counterfactual`: sets of events without which an item isn't among the
first ten, each ranked without once more, from the outside.

Histories are the latest 50 events of users drawn at random, candidates other items, drawn by how often they
are chosen. No targets are looked at and nothing is tuned: the model is compared with what it says of itself.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Annotated, Any, Final

import numpy as np
import typer

from bench.study import Json, Keep, Model, report
from tailrank.arrays import Codes, Doubles, Offsets
from tailrank.cli.options import load
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Event
from tailrank.metrics.significance import paired_bootstrap
from tailrank.ranking.counterfactual import counterfactual
from tailrank.ranking.explanation import Explanation
from tailrank.ranking.ranking import Ranking
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker

CANDIDATES: Final = 200
EVENTS: Final = 50
LEAST: Final = 5
"""Events of a user, to have an order at all."""

TOP: Final = 10
EXPLAINED: Final = (1, 5, 10)
"""Ranks of the items whose events are taken away."""

SHARES: Final = tuple(share / 10 for share in range(11))
"""Of a history that is taken away."""

SHUFFLES: Final = 5
ROUNDS: Final = 600
RESAMPLES: Final = 2_000
TRUE, LATEST, RANDOM = "by contribution", "latest first", "random"
MEASURES: Final = ("score", "score less the list's mean", "rank")


@dataclass(frozen=True)
class Case:
    """An item of a list, and why it is there."""

    user: int
    events: list[Event]
    request: Request
    explanation: Explanation

    def without(self, positions: Sequence[int]) -> Request:
        """Ask the same without some events."""
        gone = set(positions)
        return replace(self.request, history=[e for at, e in enumerate(self.events) if at not in gone])

    def measured(self, ranking: Ranking) -> tuple[float, float, float]:
        """Give the measures of the item in a ranking."""
        at = ranking.item_ids.index(self.explanation.item_id)
        return ranking.scores[at], ranking.scores[at] - fmean(ranking.scores), 1.0 + at


def main(
    model: Model,
    data: Annotated[str, typer.Option(help="What it learned from: a public data set, or a folder.")] = (
        "movielens-100k"
    ),
    users: Annotated[int, typer.Option(min=2, help="Drawn at random.")] = 60,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    keep: Keep = False,
) -> None:
    """Measure, and print."""
    reranker, dataset = Reranker.load(model), load(data)
    rng = np.random.default_rng(seed)
    found = list(cases(reranker, requests(dataset, rng, users)))
    contents = {
        "command": f"python -m bench explain MODEL --data {dataset.name} --users {users} --seed {seed}",
        "dataset": dataset.name,
        "users": users,
        "signals": list(reranker.fusion.signals),
        "cost": cost(reranker, dataset, rng),
        "deletion": deletion(reranker, found, rng),
        "counterfactual": counterfactuals(reranker, found),
    }
    report(f"{dataset.name}/explain.json", contents, keep)


def requests(
    dataset: Dataset, rng: np.random.Generator, users: int
) -> Iterator[tuple[int, list[Event], Request]]:
    """Draw users, their histories and what they could be offered."""
    chances = dataset.counts / dataset.counts.sum()
    enough = np.flatnonzero(dataset.histories.lengths >= LEAST)
    for user in rng.choice(enough, users, replace=False).tolist():
        history = dataset.history(dataset.user_ids[user])[-EVENTS:]
        known = {event.item_id for event in history}
        offered = rng.choice(dataset.n_items, CANDIDATES + EVENTS, replace=False, p=chances).tolist()
        new = [name for name in (dataset.item_ids[code] for code in offered) if name not in known]
        yield user, history, Request(history, new[:CANDIDATES])


def cases(reranker: Reranker, drawn: Iterable[tuple[int, list[Event], Request]]) -> Iterator[Case]:
    """Explain items at some ranks of every list."""
    for user, history, request in drawn:
        explained = reranker.explain(replace(request, k=TOP))
        for rank in EXPLAINED:
            yield Case(user, history, request, explained[rank - 1])


def cost(reranker: Reranker, dataset: Dataset, rng: np.random.Generator) -> Json:
    """Measure processor time of rankings that take turns, since other programs may run meanwhile.

    `ratio` to the plain one is a median of pairs, with a 95% interval.
    """
    ids = np.array(dataset.item_ids)
    asked = [
        Request(*(rng.choice(ids, size, replace=False).tolist() for size in (EVENTS, CANDIDATES)))
        for _ in range(100)
    ]
    ways: dict[str, Any] = {
        "plain": reranker.rank,
        "with contributions": lambda one: reranker.rank(replace(one, explain=True)),
        f"explained, first {TOP}": lambda one: reranker.explain(replace(one, k=TOP)),
    }
    spent = np.empty((len(ways), ROUNDS))
    for nth in range(ROUNDS):
        for at in np.roll(np.arange(len(ways)), nth).tolist():
            start = time.process_time()
            list(ways.values())[at](asked[nth % len(asked)])
            spent[at, nth] = 1e3 * (time.process_time() - start)
    drawn = rng.integers(ROUNDS, size=(RESAMPLES, ROUNDS))
    return {name: _timed(times, spent[0], drawn) for name, times in zip(ways, spent, strict=True)}


def _timed(times: Doubles, plain: Doubles, drawn: Offsets) -> Json:
    ratios = times / plain
    low, high = np.quantile(np.median(ratios[drawn], axis=1), (0.025, 0.975))
    found = {"cpu_ms": float(np.median(times)), "ratio": float(np.median(ratios))}
    return {**found, "ci95": [float(low), float(high)]}


def deletion(reranker: Reranker, found: Sequence[Case], rng: np.random.Generator) -> Json:
    """Take events away in several orders.

    `curves` are means over the items for each of `shares`. `gain` is how much further down the item is, on
    average over the shares, than in random orders: a mean over items, with an interval over users.
    """
    curves = {name: list[Doubles]() for name in (TRUE, LATEST, RANDOM)}
    for case in found:
        n = len(case.events)
        worth = np.sum(list(case.explanation.by_event.values()), axis=0)
        shuffles = [rng.permutation(n) for _ in range(SHUFFLES)]
        orders = [(-worth).argsort(kind="stable"), np.arange(n)[::-1], *shuffles]
        asked = [case.without(order[: round(share * n)].tolist()) for order in orders for share in SHARES]
        values = np.array([case.measured(ranking) for ranking in reranker.rank_many(asked)])
        true, latest, *random = values.reshape(len(orders), len(SHARES), len(MEASURES))
        for name, curve in zip(curves, (true, latest, np.mean(random, axis=0)), strict=True):
            curves[name].append(curve)
    means = {name: np.mean(each, axis=0).T.tolist() for name, each in curves.items()}
    users = np.array([case.user for case in found], np.int32)
    return {
        "items": len(found),
        "shares": SHARES,
        "curves": {name: dict(zip(MEASURES, curve, strict=True)) for name, curve in means.items()},
        "gain": {name: _gains(curves[name], curves[RANDOM], users) for name in (TRUE, LATEST)},
    }


def _gains(curves: Sequence[Doubles], random: Sequence[Doubles], users: Codes) -> Json:
    """Compare with random orders; a rank that is higher is a fall, as is a score that is lower."""
    gains = {}
    for at, name in enumerate(MEASURES):
        sign = 1 if name == "rank" else -1
        mine, others = (sign * np.mean([one[:, at] for one in each], axis=1) for each in (curves, random))
        if (difference := paired_bootstrap(mine, others, users, resamples=RESAMPLES)) is not None:
            gains[name] = {"mean": difference.mean, "ci95": [difference.low, difference.high]}
    return gains


def counterfactuals(reranker: Reranker, found: Sequence[Case]) -> Json:
    """Find sets, and rank without each."""
    sizes, smallest, verified, seconds = Counter[int](), 0, 0, list[float]()
    for case in found:
        start = time.perf_counter()
        owed = counterfactual(reranker, case.request, case.explanation.item_id, TOP)
        seconds.append(time.perf_counter() - start)
        if owed is not None:
            sizes[len(owed.events)] += 1
            smallest += owed.smallest
            top = reranker.rank(case.without(owed.events)).item_ids[:TOP]
            verified += case.explanation.item_id not in top
    return {
        "items": len(found),
        "found": sizes.total(),
        "verified": verified,
        "shown to be smallest": smallest,
        "sizes": dict(sorted(sizes.items())),
        "median_seconds": float(np.median(seconds)),
        "longest_seconds": max(seconds),
    }
