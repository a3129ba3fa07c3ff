"""One real user, chosen by a rule: three lists and their reasons. Then all queries of that sort."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Final

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from tailrank.cli.demo_queries import FOUND, TailQueries
from tailrank.cli.demo_reasons import Reader
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Event
from tailrank.metrics.popularity import tail_items
from tailrank.ranking.explanation import Explanation
from tailrank.ranking.reasons import as_sum
from tailrank.ranking.reranker import Reranker

SHOWN: Final = 10
RECENT: Final = 6


@dataclass(frozen=True)
class Walkthrough:
    """What is shown, of one query and of all.

    Attributes
    ----------
    dataset
        Training data.
    queries
        Those to show, ranked by three models: what found the candidates, the re-ranker without the language
        model, and the re-ranker.
    reranker, without
        The last of them, which gives reasons, and the same without the language model.
    reader
        Puts reasons into words.
    """

    dataset: Dataset
    queries: TailQueries
    reranker: Reranker
    without: Reranker
    reader: Reader

    def show(self, console: Console) -> None:
        """Print the query that the rule chooses and how it is ranked, then what became of all."""
        row = int(np.argmax(self.queries.closeness))
        finder, *_ = self.queries.ranks
        user_id = self.dataset.user_ids[int(self.queries.queries.users[row])]
        history, candidates = self._request(row)
        console.rule(f"[bold]One user: {escape(user_id)}[/], {len(history):,} events so far")
        console.print(
            f"Of the test queries whose answer is a tail item among the {FOUND} that {finder} finds, this "
            "one's answer reads most like an item of the history: here meaning can decide. The rule knows "
            "the answer, but not who ranks it well; all queries of that sort are below. without-lm is "
            "tailrank fitted without the language model."
        )
        console.print(self._history(history))
        console.print(self._lists(row))
        why = {each.item_id: each for each in self.reranker.explain(history, candidates)}
        console.print(self._reasons(why))
        answer = self.dataset.item_ids[self.queries.queries.targets[row]]
        ranks = ", ".join(f"{found[row]} by {name}" for name, found in self.queries.ranks.items())
        console.print(f"→ What this user chose next: [bold]{self._title(answer)}[/], {ranks}.")
        told = self.reader.meaning(why[answer]), self.reader.others(why[answer])
        console.print(escape("  It {}; {}.".format(*told)))
        console.print(escape(f"  {as_sum(why[answer])}"))
        console.rule(f"[bold]All {len(self.queries.queries):,} queries of that sort")
        console.print(self._all())

    def _request(self, row: int) -> tuple[list[Event], list[str]]:
        """Give the history and the candidates of a query."""
        history = self.dataset.events(self.queries.queries.take(np.array([row])).histories, slice(None))
        return history, [self.dataset.item_ids[code] for code in self.queries.candidates[row]]

    def _title(self, item_id: str) -> str:
        return escape(self.reader.titles[item_id])

    def _history(self, history: list[Event]) -> Table:
        table = Table("when", "event", "item", title="Latest behaviour", box=SIMPLE_HEAD)
        for event in history[: -RECENT - 1 : -1]:
            when = datetime.fromtimestamp(event.timestamp or 0, UTC).strftime("%Y-%m-%d %H:%M")
            table.add_row(when, escape(event.event or ""), self._title(event.item_id))
        return table

    def _lists(self, row: int) -> Table:
        """Lay the first ten of each model side by side."""
        tail, answer = tail_items(self.dataset.counts), self.queries.queries.targets[row]
        columns = [self.queries.first(name, row, SHOWN) for name in self.queries.ranks]
        headings = (Column(name, no_wrap=True, ratio=1) for name in self.queries.ranks)
        title = "The first ten: ◆ tail item, outside the most popular 20%; → what the user chose next"
        table = Table(Column("rank"), *headings, title=title, box=SIMPLE_HEAD, expand=True)
        for rank in range(SHOWN):
            codes = [column[rank] for column in columns]
            cells = (
                ("→ " if code == answer else "")
                + ("◆ " if tail[code] else "")
                + self._title(self.dataset.item_ids[code])
                for code in codes
            )
            table.add_row(str(rank + 1), *cells)
        table.add_section()
        table.add_row("all ◆", *(str(int(tail[column].sum())) for column in columns))
        return table

    def _reasons(self, why: dict[str, Explanation]) -> Table:
        headings = "", "item", "events", "language model", "strongest of the rest"
        title = f"Why tailrank ranks them so: what sets each apart from the {FOUND}, in log-odds"
        table = Table(*headings, title=title, box=SIMPLE_HEAD)
        for rank, (item_id, found) in enumerate(islice(why.items(), SHOWN), start=1):
            events = f"{self.dataset.counts[self.dataset.item_index[item_id]]:,}"
            meaning, rest = self.reader.meaning(found), self.reader.others(found)
            table.add_row(str(rank), self._title(item_id), events, escape(meaning), escape(rest))
        return table

    def _all(self) -> Table:
        """Count how often each model has the answer in its first ten, and what the language model moves."""
        queries, moved = self.queries, self.queries.moved
        finder, *others = queries.ranks
        title = f"Answers in the first {SHOWN} of {FOUND}; how often the language model moves them"
        names = ("queries", finder, *others, "up", "down")
        columns = (Column(name, justify="right") for name in names)
        table = Table("the answer reads", *columns, title=title, box=SIMPLE_HEAD)
        groups = {"like the history (closer half)": queries.closer, "unlike it": ~queries.closer}
        for label, rows in {**groups, "either way": queries.closer | True}.items():
            shares = (f"{(ranks[rows] <= SHOWN).mean():.1%}" for ranks in queries.ranks.values())
            ups, downs = (moved[rows] > 0).sum(), (moved[rows] < 0).sum()
            table.add_row(label, f"{rows.sum():,}", *shares, f"{ups:,}", f"{downs:,}")
        missed = queries.asked - len(queries.queries)
        emphases = (model.fusion.tail_emphasis for model in (self.without, self.reranker))
        chosen = ", ".join(f"{name} {share:g}" for name, share in zip(others, emphases, strict=True))
        table.caption = (
            f"{missed:,} more answers are tail items that {finder} did not find. Each of the others chose "
            f"on validation how far to go for the tail, from 0 to 1: {chosen}."
        )
        return table
