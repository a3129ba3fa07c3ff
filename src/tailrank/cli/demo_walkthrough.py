"""One real user: the history, a list before and after re-ranking, and why items moved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tailrank.data.candidates import Candidates, Scorer
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Event, Queries
from tailrank.data.splits import Split
from tailrank.metrics.popularity import tail_items
from tailrank.ranking.explanation import Explanation
from tailrank.ranking.reranker import Reranker

FOUND: Final = 100
SHOWN: Final = 10
RECENT: Final = 8


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
        The same, re-ranked and explained.
    """

    user_id: str
    history: list[Event]
    next_item: str
    candidates: list[str]
    ranking: list[Explanation]


def walk_through(reranker: Reranker, finder: Scorer, split: Split) -> Walkthrough:
    """Answer the latest test query of a user with at least ten events: re-rank what `finder` finds."""
    dataset, query = split.full_train, _latest(split.test)
    scores = np.array(finder.score(query.histories, Candidates.everything(dataset.n_items))[0])
    scores[query.full_histories.items] = -np.inf
    candidates = [dataset.item_ids[code] for code in np.argsort(-scores, kind="stable")[:FOUND]]
    history = dataset.events(query.histories, slice(None))
    user_id, next_item = dataset.user_ids[int(query.users[0])], dataset.item_ids[query.targets[0]]
    return Walkthrough(user_id, history, next_item, candidates, reranker.explain(history, candidates))


def show(walk: Walkthrough, dataset: Dataset, finder: str, console: Console) -> None:
    """Print it; titles come from the data set's first text column."""
    titles = _titles(dataset)
    tail = dict(zip(dataset.item_ids, tail_items(dataset.counts), strict=True))
    marks = {item_id: "tail" if in_tail else "" for item_id, in_tail in tail.items()}
    reranked = [item.item_id for item in walk.ranking]
    console.rule(f"[bold]One user: {escape(walk.user_id)}[/], {len(walk.history):,} events so far")
    recent = Table("when", "event", "item", title="Latest behaviour", box=SIMPLE_HEAD)
    for event in walk.history[: -RECENT - 1 : -1]:
        when = datetime.fromtimestamp(event.timestamp or 0, UTC).strftime("%Y-%m-%d %H:%M")
        recent.add_row(when, event.event, escape(titles[event.item_id]))
    console.print(recent)
    table = Table("rank", "item", "tail", title=f"Before: the first ten of {finder}", box=SIMPLE_HEAD)
    for rank, item_id in enumerate(walk.candidates[:SHOWN], start=1):
        table.add_row(str(rank), escape(titles[item_id]), marks[item_id])
    console.print(table)
    console.print(_after(walk, titles, dataset, marks))
    before, after = (sum(map(tail.__getitem__, ids[:SHOWN])) for ids in (walk.candidates, reranked))
    console.print(f"Tail items in the first ten: {before} before, [bold]{after}[/] after re-ranking.")
    found = walk.next_item in walk.candidates
    was, now = (ids.index(walk.next_item) + 1 if found else 0 for ids in (walk.candidates, reranked))
    ranks = f"was {was}, is {now}" if found else f"is not among what {finder} found"
    console.print(f"What this user chose next: {escape(titles[walk.next_item])} ({ranks}).")


def _after(walk: Walkthrough, titles: dict[str, str], dataset: Dataset, marks: dict[str, str]) -> Table:
    table = Table("rank", "was", "item", "tail", "events", "why", title="After tailrank", box=SIMPLE_HEAD)
    means = {
        name: float(np.mean([item.contributions[name] for item in walk.ranking]))
        for name in walk.ranking[0].contributions
    }
    for rank, item in enumerate(walk.ranking[:SHOWN], start=1):
        previous = walk.candidates.index(item.item_id) + 1
        was = f"{previous} [green]▲{previous - rank}[/]" if previous > rank else f"{previous}"
        events = f"{dataset.counts[dataset.item_index[item.item_id]]:,}"
        why = escape(_why(item, means, walk.history, titles))
        table.add_row(str(rank), was, escape(titles[item.item_id]), marks[item.item_id], events, why)
    return table


def _why(item: Explanation, means: dict[str, float], history: list[Event], titles: dict[str, str]) -> str:
    """Name the signals that set the item apart from the list, and the event behind them."""
    apart = {name: value - means[name] for name, value in item.contributions.items()}
    strongest = sorted(apart, key=lambda name: -apart[name])[:2]
    words = ", ".join(f"{name} {apart[name]:+.1f}" for name in strongest if apart[name] > 0)
    by_event = np.sum([item.by_event[name] for name in strongest if name in item.by_event], axis=0)
    if not np.ndim(by_event) or not by_event.size:
        return words
    # The signals may see fewer events than the whole history: both end with the latest.
    event = history[int(np.argmax(by_event)) - by_event.size]
    return f"{words}; after {titles[event.item_id]}"


def _latest(test: Queries) -> Queries:
    """Pick the latest query of a user with at least ten events, or as many as any user has."""
    lengths = test.ends - test.starts
    known = test.take(lengths >= min(10, int(lengths.max())))
    return known.take(np.array([np.argmax(known.source.times[known.ends - 1])]))


def _titles(dataset: Dataset) -> dict[str, str]:
    """Give each item a short name to print."""
    column = next((name for name in ("title", "name", "text") if name in dataset.items.columns), "item_id")
    titles = dataset.items[column].fill_null("").str.slice(0, 48)
    return {name: title or name for name, title in zip(dataset.item_ids, titles, strict=True)}
