"""What `tailrank demo --serve` shows: a model, a state, a story and prices, in a folder of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import polars as pl

from tailrank.api_page import Story, StoryUser
from tailrank.arrays import Floats
from tailrank.cli.demo_queries import FOUND, READ, SAME, TailQueries
from tailrank.data.columns import Columns
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Event
from tailrank.data.splits import Split
from tailrank.errors import RequestError
from tailrank.evaluation.frontier import DIALS, MAX_LOSS, Curve, Frontier, Point
from tailrank.evaluation.sweep import SHORTLIST, Sample, apply_each
from tailrank.files import written_file
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.reasons import titles_of
from tailrank.ranking.reranker import Reranker
from tailrank.reporting import Progress, step
from tailrank.server.card_index import LONGEST_TITLE
from tailrank.server.plain_candidates import plain_candidates
from tailrank.signals.covisitation import ItemKNN
from tailrank.state.loading import load_events

USERS: Final = 5

NOBODY: Final = "no user to show: item-kNN finds no tail item that is the answer to a test query"
PRICED: Final = 500
"""Test queries that dials are turned on."""

TURNED: Final = {
    name: replace(DIALS[name], values=values)
    for name, values in {"tail": (0.0625, 0.125, 0.25, 0.5, 0.75, 1.0), "mmr": (0.1, 0.2, 0.4, 0.6)}.items()
}


class Chosen(NamedTuple):
    """A user of the story, how many ranks the answer gains, and the events before it."""

    gain: int
    user: StoryUser
    events: list[Event]


@dataclass(frozen=True)
class DemoPage:
    """A folder with all that the page needs.

    Attributes
    ----------
    folder
        Where it is.
    """

    folder: Path

    @property
    def model(self) -> Path:
        """The model folder."""
        return self.folder / "model"

    @property
    def state(self) -> Path:
        """The state, with the users' histories up to the split."""
        return self.folder / "state"

    @property
    def log(self) -> Path:
        """What the page showed, and what was clicked."""
        return self.folder / "log"

    @property
    def story(self) -> Path:
        """Users to begin with."""
        return self.folder / "story.json"

    @property
    def prices(self) -> Path:
        """What policies cost, as `tailrank evaluate --frontier` writes it."""
        return self.folder / "metrics.json"

    def is_made_of(self, data: Dataset, seed: int) -> bool:
        """Whether a run of this version made it of these data."""
        try:
            made: object = msgspec.json.decode(self._made.read_bytes())
        except (OSError, msgspec.DecodeError):
            return False
        return made == _made_of(data, seed)

    def make(
        self,
        split: Split,
        reranker: Reranker,
        vectors: ItemVectors,
        data: Dataset,
        seed: int,
        progress: Progress,
    ) -> None:
        """Choose users, turn dials, and write all that.

        Parameters
        ----------
        split
            Whose test queries to choose from, and whose events before them are remembered.
        reranker
            Fitted on it.
        vectors
            Of the items, as it was fitted with.
        data, seed
            What all this is made of.
        progress
            Is told how far it is.

        Raises
        ------
        RequestError
            If there is no user to show, or the folder can't be written.
        """
        self._made.unlink(missing_ok=True)
        with step(progress, "choosing users"):
            story, chosen = _story(split, reranker, vectors)
        frontier = _frontier(split.sampled(PRICED, seed), reranker, vectors.values, progress)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            reranker.save(self.model, {"data": data.name})
            self._write(self.story, story)
            self._write(self.prices, {"dataset": data.name, "frontier": frontier})
            events = _events(split.full_train, chosen)
            asyncio.run(load_events(str(self.state), events, progress=progress))
            self._write(self._made, _made_of(data, seed))
        except OSError as why:
            raise RequestError(
                f"{self.folder}: can't be written ({why.strerror}): give another --out"
            ) from None

    @property
    def _made(self) -> Path:
        return self.folder / "made.json"

    @staticmethod
    def _write(file: Path, value: Any) -> None:
        with written_file(file) as new:
            new.write_bytes(msgspec.json.encode(value))


def _made_of(data: Dataset, seed: int) -> dict[str, object]:
    return {"data": data.fingerprint, "seed": seed, "version": version("tailrank")}


def _events(data: Dataset, chosen: Sequence[Chosen]) -> pl.DataFrame:
    """List the events of users up to the split; those of the chosen ones, up to what is shown."""
    owners = data.histories.owners.tolist()
    events = data.events(data.histories, slice(None))
    rows = [(data.user_ids[owner], *event) for owner, event in zip(owners, events, strict=True)]
    rows += [(each.user.id, *event) for each in chosen for event in each.events]
    names = (Columns.USER, Columns.ITEM, Columns.EVENT, Columns.TIMESTAMP)
    return pl.DataFrame(rows, names, orient="row").unique(maintain_order=True)


def _story(split: Split, reranker: Reranker, vectors: ItemVectors) -> tuple[Story, list[Chosen]]:
    """Choose users as the walkthrough chooses one: by the answer, not by who ranks it well."""
    finder = next(signal for signal in reranker.signals if isinstance(signal, ItemKNN))
    compared = reranker.spaces["semantic"].transform(vectors.values)
    queries = TailQueries.find(split, finder, {"item-kNN": finder, "tailrank": reranker}, compared)
    if queries is None:
        raise RequestError(NOBODY)
    users: dict[str, Chosen] = {}
    for row in np.argsort(-queries.closeness, kind="stable").tolist():
        shown = {each.user.target for each in users.values()}
        answer = split.full_train.item_ids[queries.queries.targets[row]]
        if len(users) < USERS and answer not in shown:
            found = _user(split.full_train, queries, row, reranker, compared)
            if found is not None:
                users.setdefault(found.user.id, found)
    if not users:
        raise RequestError(NOBODY)
    rule = (
        f"Of {len(queries.queries):,} test queries whose answer is a tail item among the {FOUND} that "
        f"item-kNN finds, the {len(users)} whose answers read most like an item of the user's history, each "
        "user and answer once; first those whose answers tailrank moves up furthest."
    )
    chosen = sorted(users.values(), key=lambda each: -each.gain)
    return Story(rule, [each.user for each in chosen]), chosen


def _user(
    data: Dataset, queries: TailQueries, row: int, reranker: Reranker, vectors: Floats
) -> Chosen | None:
    """Describe a query; None if the page would not find its answer."""
    events = data.events(queries.queries.take(np.array([row])).histories, slice(None))
    history = [event.item_id for event in events][-reranker.settings.max_history :]
    target = int(queries.queries.targets[row])
    answer, known = data.item_ids[target], reranker.catalogue.known_codes
    candidates = reranker.catalogue.ids_of(plain_candidates(reranker, history, FOUND, known).codes)
    if answer not in candidates:
        return None
    before = 1 + candidates.index(answer)
    after = 1 + reranker.rank(history, candidates).item_ids.index(answer)
    codes = reranker.catalogue.codes_of(history[-READ:])
    cosines = vectors[codes] @ vectors[target]
    like = history[-READ:][int(np.argmax(np.where(cosines < SAME, cosines, -1)))]
    titles, count = titles_of(reranker.catalogue, [answer, like], LONGEST_TITLE), int(data.counts[target])
    why = (
        f"What came next, “{titles[answer]}”, has {count:,} events in training and reads most like "
        f"“{titles[like]}” of the history: rank {before} by item-kNN, rank {after} by tailrank."
    )
    user = data.user_ids[int(queries.queries.users[row])]
    return Chosen(before - after, StoryUser(user, f"User {user}", history, answer, why), events)


def _frontier(split: Split, reranker: Reranker, vectors: Floats, progress: Progress) -> Frontier:
    """Turn the dials that the page has, on test queries alone: nothing is chosen by them."""
    sample = Sample.of_test(reranker, split)
    steps = [one for dial in TURNED.values() for one in dial.steps()]
    outcomes = apply_each(steps, sample, progress, "turning dials")
    plain, *found = [sample.metrics(outcome, vectors, ()) for outcome in outcomes]
    points = iter(found)
    curves = [
        Curve(name, dial.setting, [Point(value, {}, next(points)) for value in dial.values], None)
        for name, dial in TURNED.items()
    ]
    return Frontier(MAX_LOSS, SHORTLIST, (0, len(sample.queries)), Point(None, {}, plain), curves)
