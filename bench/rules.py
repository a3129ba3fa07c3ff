"""What rules cost a request: 1,000 of them on 200 candidates, and what they cost when a server starts.

The rules are drawn for the items of a model: two in five filter, as many boost, one in ten buries and one in
ten pins, by conditions on title, year and genres; a third go by the market of the request, a tenth by the
user's history. Requests with and without them take turns; `rules_ms` is what the step alone takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Annotated, Final

import numpy as np
import typer

from bench.study import Json, Keep, Model, report
from tailrank.policy.base import Scored
from tailrank.policy.rule import Deed, Rule
from tailrank.policy.rules import Rules
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker

CANDIDATES, EVENTS, SEED = 200, 50, 0
NUMBERS: Final = (1, 10, 100, 1_000)
"""Of rules."""

GENRES: Final = ("Drama", "Comedy", "Action", "Thriller", "Romance", "Horror", "War", "Musical")
MARKETS: Final = 20
DEEDS: Final[tuple[Deed, ...]] = (
    *("filter", "boost", "filter", "boost", "bury"),
    *("filter", "boost", "filter", "boost", "pin"),
)


def drawn(reranker: Reranker, number: int) -> Rules:
    """Draw rules that don't contradict each other: filters and buries are of older films than pins."""
    rng, items = np.random.default_rng(SEED), reranker.catalogue.items
    recent = items.filter(items["year"] >= 1996)["item_id"].to_list()
    return Rules(tuple(_rule(rng, at, recent) for at in range(number)))


def _rule(rng: np.random.Generator, at: int, recent: list[str]) -> Rule:
    then, year = DEEDS[at % 10], int(rng.integers(1930, 1993))
    genre = GENRES[int(rng.integers(len(GENRES)))]
    letters = "".join(map(chr, rng.integers(97, 123, 2)))
    of_genre = f"ARRAY_CONTAINS(genres, '{genre}')"
    when = {
        "filter": f"{of_genre} AND year = {year} AND title ILIKE '%{letters}%'",
        "boost": f"{of_genre} AND year BETWEEN {year} AND {year + 2}",
        "bury": f"year = {year} AND title ILIKE '{letters}%'",
        "pin": f"item_id = '{recent[at // 10 % len(recent)]}'",
    }[then]
    context = {"page": (f"p{at}",)} if then == "pin" else {} if at % 3 else {"market": (f"m{at % MARKETS}",)}
    history = "year > 1990" if then == "bury" else None
    return Rule(
        f"r{at}",
        when,
        then,
        rank=1 + at % 7 if then == "pin" else None,
        by=float(rng.normal()) if then == "boost" else None,
        context=context,
        history=history,
    )


def measured(reranker: Reranker, number: int, rounds: int) -> Json:
    """Measure so many rules."""
    step = drawn(reranker, number)
    start = time.perf_counter()
    ruled = reranker.with_standing([step])
    loading = time.perf_counter() - start
    asked, took = list(requests(reranker, rounds)), dict[str, list[float]]()
    for at, request in enumerate(asked):
        known = len(request.candidates)
        listing = ruled.listing(request)
        scored = Scored(-np.arange(known, dtype=np.float32), np.zeros(known, np.float32), listing=listing)
        calls: dict[str, Callable[[], object]] = {
            "without_ms": lambda request=request: reranker.rank(request),  # type: ignore[misc]
            "with_ms": lambda request=request: ruled.rank(request),  # type: ignore[misc]
            "rules_ms": lambda scored=scored: step.apply(scored),  # type: ignore[misc]
        }
        for name in sorted(calls, reverse=bool(at % 2)):
            began = time.perf_counter()
            calls[name]()
            took.setdefault(name, []).append(1e3 * (time.perf_counter() - began))
    acting = [len(step.table.acting(ruled.listing(request)).picked) for request in asked]
    return {
        "rules": number,
        "acting": float(np.mean(acting)),
        "loading_seconds": loading,
        **{name: float(np.median(each)) for name, each in took.items()},
        "rules_p99_ms": float(np.percentile(took["rules_ms"], 99)),
    }


def requests(reranker: Reranker, number: int) -> Iterator[Request]:
    """Draw requests: any items, of any market."""
    rng, items = np.random.default_rng(SEED), reranker.catalogue.items["item_id"].to_list()
    for _ in range(number):
        chosen = [items[at] for at in rng.permutation(len(items))[: CANDIDATES + EVENTS].tolist()]
        context = {"market": f"m{rng.integers(MARKETS)}", "page": f"p{10 * rng.integers(100) + 9}"}
        yield Request(chosen[CANDIDATES:], chosen[:CANDIDATES], k=10, context=context)


def main(
    model: Model,
    rounds: Annotated[int, typer.Option(min=1, help="Requests for each number of rules.")] = 2_000,
    keep: Keep = False,
) -> None:
    """Measure rules on the items of a model that know title, year and genres, such as MovieLens."""
    reranker = replace(Reranker.load(model), standing=())
    rows = [measured(reranker, number, rounds) for number in NUMBERS]
    about = {"candidates": CANDIDATES, "events": EVENTS, "items": len(reranker.catalogue), "rounds": rounds}
    report("rules.json", {**about, "rows": rows}, keep)
