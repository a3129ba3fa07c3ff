"""One real user: the history, a list before and after re-ranking, and why items moved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tailrank.arrays import Bools
from tailrank.data.candidates import Candidates, Scorer
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Event, Queries
from tailrank.data.splits import Split
from tailrank.metrics.popularity import tail_items
from tailrank.ranking.explanation import Explanation
from tailrank.ranking.request import Ranking
from tailrank.ranking.reranker import Reranker

FOUND = 100
SHOWN = 10
RECENT = 8


@dataclass(frozen=True)
class Walkthrough:
    """One user's request, answered.

    Attributes
    ----------
    user_id, history
        The user's events, oldest first.
    next_item
        What the user truly chose next.
    candidates
        Item ids in the order of the model that found them.
    ranking
        The same, re-ranked.
    explanations
        By item id.
    """

    user_id: str
    history: list[Event]
    next_item: str
    candidates: list[str]
    ranking: Ranking
    explanations: dict[str, Explanation]


def walk_through(reranker: Reranker, finder: Scorer, split: Split) -> Walkthrough:
    """Answer the latest test query of a user with at least ten events: re-rank what `finder` finds."""
    dataset, query = split.full_train, _latest(split.test)
    everything = Candidates.everything(dataset.n_items)
    scores = np.array(finder.score(query.histories, everything)[0])
    scores[query.full_histories.items] = -np.inf
    found = np.argsort(-scores, kind="stable")[:FOUND]
    candidates = [dataset.item_ids[code] for code in found]
    history = dataset.events(query.histories, slice(None))
    ranking = reranker.rank(history, candidates)
    explanations = {each.item_id: each for each in reranker.explain(history, candidates)}
    user = dataset.user_ids[int(query.users[0])]
    return Walkthrough(user, history, dataset.item_ids[query.targets[0]], candidates, ranking, explanations)


def show(walk: Walkthrough, dataset: Dataset, finder: str, console: Console) -> None:
    """Print it; titles come from the data set's first text column."""
    names = _titles(dataset)
    tail = tail_items(dataset.counts)
    codes = dataset.item_index
    console.rule(f"[bold]One user: {escape(walk.user_id)}[/], {len(walk.history):,} events so far")
    recent = Table("when", "event", "item", title="Latest behaviour", box=SIMPLE_HEAD)
    for event in walk.history[: -RECENT - 1 : -1]:
        when = datetime.fromtimestamp(event.timestamp or 0, UTC).strftime("%Y-%m-%d %H:%M")
        recent.add_row(when, event.event, escape(names[event.item_id]))
    console.print(recent)
    console.print(_before(walk, names, finder, [bool(tail[codes[name]]) for name in walk.candidates]))
    console.print(_after(walk, names, dataset, tail))
    before, after = (
        sum(bool(tail[codes[name]]) for name in ids[:SHOWN])
        for ids in (walk.candidates, [item.item_id for item in walk.ranking])
    )
    console.print(f"Tail items in the first ten: {before} before, [bold]{after}[/] after re-ranking.")
    at = next((item for item in walk.ranking if item.item_id == walk.next_item), None)
    ranks = f"was {at.previous_rank}, is {at.rank}" if at else f"is not among what {finder} found"
    console.print(f"What this user chose next: {escape(names[walk.next_item])} ({ranks}).")


def _before(walk: Walkthrough, names: dict[str, str], finder: str, tail: list[bool]) -> Table:
    table = Table("rank", "item", "tail", title=f"Before: the first ten of {finder}", box=SIMPLE_HEAD)
    for rank, name in enumerate(walk.candidates[:SHOWN], start=1):
        table.add_row(str(rank), escape(names[name]), "tail" if tail[rank - 1] else "")
    return table


def _after(walk: Walkthrough, names: dict[str, str], dataset: Dataset, tail: Bools) -> Table:
    table = Table("rank", "was", "item", "tail", "events", "why", title="After tailrank", box=SIMPLE_HEAD)
    means = _means(walk)
    for item in walk.ranking[:SHOWN]:
        code = dataset.item_index[item.item_id]
        moved = item.previous_rank - item.rank
        was = f"{item.previous_rank} [green]▲{moved}[/]" if moved > 0 else f"{item.previous_rank}"
        why = _why(walk, item.item_id, means, names)
        mark = "tail" if tail[code] else ""
        table.add_row(
            str(item.rank), was, escape(names[item.item_id]), mark, f"{dataset.counts[code]:,}", escape(why)
        )
    return table


def _why(walk: Walkthrough, item_id: str, means: dict[str, float], names: dict[str, str]) -> str:
    """Name the signals that set the item apart from the list, and the event behind them."""
    explanation = walk.explanations[item_id]
    apart = {name: value - means[name] for name, value in explanation.contributions.items()}
    strongest = sorted(apart, key=lambda name: -apart[name])[:2]
    words = ", ".join(f"{name} {apart[name]:+.1f}" for name in strongest if apart[name] > 0)
    by_event = np.sum(
        [explanation.by_event[name] for name in strongest if name in explanation.by_event], axis=0
    )
    if not np.ndim(by_event) or not by_event.size:
        return words
    # The signals may see fewer events than the whole history: both end with the latest.
    event = walk.history[int(np.argmax(by_event)) - by_event.size]
    return f"{words}; after {names[event.item_id]}"


def _means(walk: Walkthrough) -> dict[str, float]:
    """Average each contribution over the candidates."""
    parts = next(iter(walk.explanations.values())).contributions
    return {
        name: float(np.mean([explanation.contributions[name] for explanation in walk.explanations.values()]))
        for name in parts
    }


def _latest(test: Queries) -> Queries:
    """Pick the latest query of a user with a history."""
    known = test.take(test.ends - test.starts >= min(10, int((test.ends - test.starts).max())))
    return known.take(np.array([np.argmax(known.source.times[known.ends - 1])]))


def _titles(dataset: Dataset) -> dict[str, str]:
    """Give each item a short name to print."""
    column = next((name for name in ("title", "name", "text") if name in dataset.items.columns), "item_id")
    titles = dataset.items[column].fill_null("").str.slice(0, 48)
    return {name: title or name for name, title in zip(dataset.item_ids, titles, strict=True)}
