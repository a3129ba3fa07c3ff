"""The town of `python -m bench day`: a shop with a model that serves, and simulated users who come to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from bench.study import kept_file
from tailrank.api import HistoryEvent
from tailrank.arrays import Doubles
from tailrank.cli.options import load
from tailrank.cli.progress import progress_bars
from tailrank.cli.retrain import KEPT
from tailrank.data.columns import Columns
from tailrank.data.dataset import Dataset
from tailrank.data.readers import read_tables
from tailrank.errors import RequestError
from tailrank.evaluation.simulation.learners import Fixed
from tailrank.evaluation.simulation.simulator import Simulation
from tailrank.evaluation.simulation.visits import Visits, held_out
from tailrank.ranking.reranker import Reranker

LEARNED: Final = 0.8
"""Share of the events, by time, that the first model learns from."""

VISITS: Final = 1_000
CHAPTERS: Final = 30
"""How many chapters a day has, at most."""

LOST: Final = (1, 2)
"""Chapters between whose beginnings clicks get lost."""

SHIFT: Final = 3
"""Chapter with which taste shifts."""

KEPT_CLICKS: Final = 0.25
"""Of those that there would be, while others get lost."""


@dataclass(frozen=True)
class Town:
    """Who comes in the course of a day.

    Attributes
    ----------
    folder
        Of the server's folders: `shop`, `models`, `log`, `state`.
    dataset
        Whose ids the visits mean.
    histories
        What each visit's user has done, shape (visits,).
    chapter
        Rankings of a part of the day.
    simulation
        Which visits come, in which order, and what they click.
    """

    folder: Path
    dataset: Dataset
    histories: Sequence[Sequence[HistoryEvent]]
    chapter: int
    simulation: Simulation

    @classmethod
    def settle(cls, data: Path, folder: Path, chapter: int, seed: int) -> Town:
        """Train on the earlier events, promote the model, and draw who comes."""
        dataset = load(str(data))
        _open_shop(data, folder / "shop")
        first = kept_file("day", dataset, 0, "model").with_suffix("")
        if not first.exists():
            options = ("--encoder", "none", "--fast", "--out", first)
            said(begun("train", "--data", folder / "shop", *options))
        said(begun("models", "promote", folder / "models", first))
        reranker = Reranker.load(first)
        known, queries, _ = held_out(reranker, dataset)
        queries = queries.sample(VISITS, seed)
        with progress_bars() as progress:
            visits = Visits.from_queries(reranker, known, queries, progress=progress)
        found = queries.histories.latest(reranker.settings.max_history)
        histories = [
            [HistoryEvent(*each) for each in dataset.events(found, slice(*ends))]
            for ends in pairwise(found.offsets.tolist())
        ]
        rankings, shift = CHAPTERS * chapter, SHIFT / CHAPTERS
        return cls(
            folder, dataset, histories, chapter, Simulation.draw(visits, rankings, shift=shift, seed=seed)
        )

    def user(self, n: int) -> str:
        """Say whose visit it is, the n-th of the day."""
        visits, row = self.simulation.visits, self.simulation.rows[n]
        name: str = self.dataset.user_ids[int(visits.users[row])]
        return name

    def candidates(self, n: int) -> list[str]:
        """List the items that are offered to the n-th visit."""
        return [self.dataset.item_ids[code] for code in self.simulation.visits.items[self.simulation.rows[n]]]

    def history(self, n: int) -> Sequence[HistoryEvent]:
        """List what the user had done before the n-th visit."""
        return self.histories[self.simulation.rows[n]]

    def chances(self, n: int, shown: Sequence[str]) -> Doubles:
        """Give the chance that each item is clicked if the n-th visit is shown these; shape (1, items)."""
        it, index = self.simulation, {name: at for at, name in enumerate(self.candidates(n))}
        attraction = it.attraction.before if n < it.shift else it.attraction.after
        likes = attraction[it.rows[n], [index[name] for name in shown]][None]
        chances: Doubles = self.whole[n] * it.model.chances(likes)
        return chances

    @cached_property
    def whole(self) -> Doubles:
        """Share of its clicks that each visit keeps, shape (rankings,)."""
        whole = np.ones(len(self.simulation.rows))
        whole[slice(*(self.chapter * each for each in LOST))] = KEPT_CLICKS
        return whole

    @cached_property
    def first(self) -> Doubles:
        """Clicks to be expected of what the first model would have shown, shape (rankings,)."""
        expected: Doubles = self.whole * self.simulation.run(Fixed(self.simulation.visits.scores)).expected
        return expected


def begun(*words: object) -> subprocess.Popen[str]:
    """Run a command of tailrank, at a priority below that of servers."""
    program = str(Path(sys.executable).with_name("tailrank"))
    process = subprocess.Popen(  # noqa: S603 - our own command
        [program, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    os.setpriority(os.PRIO_PROCESS, process.pid, 10)
    return process


def said(process: subprocess.Popen[str]) -> str:
    """Wait for a command, and give the last line of what it said."""
    text = process.communicate()[0].strip()
    if process.returncode not in (0, KEPT):
        raise RequestError(text)
    return text.rpartition("\n")[2]


def _open_shop(data: Path, shop: Path) -> None:
    """Write a data folder of the earlier events."""
    items, events = read_tables(data)
    known = events[Columns.TIMESTAMP] < events[Columns.TIMESTAMP].quantile(LEARNED)
    shop.mkdir()
    items.write_parquet(shop / "items.parquet")
    events.filter(known).write_parquet(shop / "events.parquet")
