"""One real person: what they did, a list before and after re-ranking, and why items moved."""

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
from tailrank.ranking.ordering import RankedItem
from tailrank.ranking.reranker import Reranker

FOUND = 100
SHOWN = 10
RECENT = 8


@dataclass(frozen=True)
class Story:
    """A person's request, answered.

    Attributes
    ----------
    user_id, history
        Who, and what they did, oldest first.
    next_item
        What they truly took next.
    candidates
        Item ids in the order of the model that found them.
    ranked
        The same, re-ranked.
    reasons
        Explanations by item id.
    """

    user_id: str
    history: list[Event]
    next_item: str
    candidates: list[str]
    ranked: list[RankedItem]
    reasons: dict[str, Explanation]


def tell(reranker: Reranker, finder: Scorer, split: Split) -> Story:
    """Take the latest test query of a person with at least ten events, and re-rank what `finder` finds."""
    dataset, query = split.full_train, _latest(split.test)
    everything = Candidates.everything(dataset.n_items)
    scores = np.array(finder.score(query.histories, everything)[0])
    scores[query.full_histories.items] = -np.inf
    found = np.argsort(-scores, kind="stable")[:FOUND]
    candidates = [dataset.item_ids[code] for code in found]
    history = dataset.events(query.histories, slice(None))
    ranked = reranker.rank(history, candidates)
    reasons = {reason.item_id: reason for reason in reranker.explain(history, candidates)}
    user = dataset.user_ids[int(query.users[0])]
    return Story(user, history, dataset.item_ids[query.targets[0]], candidates, ranked, reasons)


def show(story: Story, dataset: Dataset, finder: str, console: Console) -> None:
    """Print the story; titles come from the data set's first text column."""
    names = _titles(dataset)
    tail = tail_items(dataset.counts)
    codes = dataset.item_index
    console.rule(f"[bold]One person: {escape(story.user_id)}[/], {len(story.history):,} events so far")
    recent = Table("when", "event", "item", title="Latest behaviour", box=SIMPLE_HEAD)
    for event in story.history[: -RECENT - 1 : -1]:
        when = datetime.fromtimestamp(event.timestamp or 0, UTC).strftime("%Y-%m-%d %H:%M")
        recent.add_row(when, event.event, escape(names[event.item_id]))
    console.print(recent)
    console.print(_before(story, names, finder, [bool(tail[codes[name]]) for name in story.candidates]))
    console.print(_after(story, names, dataset, tail))
    before, after = (
        sum(bool(tail[codes[name]]) for name in ids[:SHOWN])
        for ids in (story.candidates, [item.item_id for item in story.ranked])
    )
    console.print(f"Tail items in the first ten: {before} before, [bold]{after}[/] after re-ranking.")
    at = next((item for item in story.ranked if item.item_id == story.next_item), None)
    place = f"was {at.previous}, is {at.place}" if at else f"is not among what {finder} found"
    console.print(f"What this person took next: {escape(names[story.next_item])} ({place}).")


def _before(story: Story, names: dict[str, str], finder: str, tail: list[bool]) -> Table:
    table = Table("place", "item", "tail", title=f"Before: the first ten of {finder}", box=SIMPLE_HEAD)
    for place, name in enumerate(story.candidates[:SHOWN], start=1):
        table.add_row(str(place), escape(names[name]), "tail" if tail[place - 1] else "")
    return table


def _after(story: Story, names: dict[str, str], dataset: Dataset, tail: Bools) -> Table:
    table = Table("place", "was", "item", "tail", "taken", "why", title="After tailrank", box=SIMPLE_HEAD)
    usual = _usual(story)
    for item in story.ranked[:SHOWN]:
        code = dataset.item_index[item.item_id]
        moved = item.previous - item.place
        was = f"{item.previous} [green]▲{moved}[/]" if moved > 0 else f"{item.previous}"
        why = _why(story, item.item_id, usual, names)
        mark = "tail" if tail[code] else ""
        table.add_row(
            str(item.place), was, escape(names[item.item_id]), mark, f"{dataset.counts[code]:,}", escape(why)
        )
    return table


def _why(story: Story, item_id: str, usual: dict[str, float], names: dict[str, str]) -> str:
    """Name the signals that set the item apart from the list, and the event behind them."""
    reason = story.reasons[item_id]
    apart = {name: value - usual[name] for name, value in reason.contributions.items()}
    strongest = sorted(apart, key=lambda name: -apart[name])[:2]
    words = ", ".join(f"{name} {apart[name]:+.1f}" for name in strongest if apart[name] > 0)
    by_event = np.sum([reason.by_event[name] for name in strongest if name in reason.by_event], axis=0)
    if not np.ndim(by_event) or not by_event.size:
        return words
    # The signals may see fewer events than the whole history: both end with the latest.
    event = story.history[int(np.argmax(by_event)) - by_event.size]
    return f"{words}; after {names[event.item_id]}"


def _usual(story: Story) -> dict[str, float]:
    """Average each contribution over the candidates."""
    parts = next(iter(story.reasons.values())).contributions
    return {
        name: float(np.mean([reason.contributions[name] for reason in story.reasons.values()]))
        for name in parts
    }


def _latest(test: Queries) -> Queries:
    """Pick the latest query of somebody with a history."""
    known = test.take(test.ends - test.starts >= min(10, int((test.ends - test.starts).max())))
    return known.take(np.array([np.argmax(known.source.times[known.ends - 1])]))


def _titles(dataset: Dataset) -> dict[str, str]:
    """Give each item a short name to print."""
    column = next((name for name in ("title", "name", "text") if name in dataset.items.columns), "item_id")
    titles = dataset.items[column].fill_null("").str.slice(0, 48)
    return {name: title or name for name, title in zip(dataset.item_ids, titles, strict=True)}
