"""What the server is measured with: a model, users with long histories, and requests about them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from tailrank.benchmarks.connection import Connection
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories
from tailrank.errors import RequestError
from tailrank.language.encoder import TextEncoder
from tailrank.language.store import VectorStore
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings

EVENTS: Final = 50
BATCH: Final = 500
START: Final = 1_700_000_000
"""Time of the first event that a benchmark makes up."""


@dataclass(frozen=True)
class Subject:
    """A model, and the data that it learned from.

    Attributes
    ----------
    dataset
        The data.
    model
        The model's folder.
    state
        A folder that is not there yet.
    users, histories
        Every user with 50 events, and the latest 50 of each.
    """

    dataset: Dataset
    model: Path
    state: Path
    users: list[str]
    histories: Histories

    def store_events(self, port: int) -> None:
        """Send the events of all users to a server, in batches of 500."""
        h = self.histories
        real = self.dataset.clock == "timestamp"  # or they are no more than an order
        times = h.times if real else START + np.arange(len(h.items)) / 1000
        rows = zip(h.owners.tolist(), self.dataset.events(h, slice(None)), times.tolist(), strict=True)
        events = [
            event_json(at, self.users[owner], event.item_id, event.event or "event", time)
            for at, (owner, event, time) in enumerate(rows)
        ]
        connection = Connection(port)
        for at in range(0, len(events), BATCH):
            connection.ask("/v1/events", events[at : at + BATCH])
        connection.close()

    def rankings(
        self,
        n: int,
        size: int,
        rng: np.random.Generator,
        users: Sequence[str] | None = None,
        new_event: bool = False,
        **fields: float,
    ) -> list[bytes]:
        """Draw bodies for `/v1/rank`: one user after the other, random candidates, other fields as given.

        With a new event, each brings one that isn't stored, so that recalling a history doesn't help.
        """
        order = rng.permutation(self.users if users is None else np.asarray(users)).tolist()
        lists = draw_candidates(self.dataset, n, size, rng)
        found = [
            {"user": order[at % len(order)], "candidates": names, **fields} for at, names in enumerate(lists)
        ]
        if new_event:
            events = draw_candidates(self.dataset, n, 1, rng)
            found = [body | {"history": event} for body, event in zip(found, events, strict=True)]
        return list(map(msgspec.json.encode, found))


def draw_candidates(dataset: Dataset, n: int, size: int, rng: np.random.Generator) -> list[list[str]]:
    """Draw so many lists of distinct items.

    Raises
    ------
    RequestError
        If there are fewer items.
    """
    names = dataset.item_ids
    if size > len(names):
        raise RequestError(f"{dataset.name} has fewer than {size} items: name larger --data")
    drawn = (rng.choice(len(names), size, replace=False).tolist() for _ in range(n))
    return [[names[code] for code in codes] for codes in drawn]


def event_json(n: int, user: str, item: str, event_type: str, timestamp: float) -> dict[str, Any]:
    """Write an event, the n-th, as `/v1/events` reads it."""
    event = {"event_id": str(n), "user_id": user, "item_id": item, "event": event_type}
    return event | {"timestamp": timestamp}


@contextmanager
def subject(dataset: Dataset, model: Path | None, sequence_epochs: int, seed: int) -> Iterator[Subject]:
    """Prepare what is measured, in a folder that is removed afterwards; without a model, one is trained."""
    users, histories = long_histories(dataset)
    with tempfile.TemporaryDirectory(prefix="tailrank-bench-") as name:
        folder = Path(name)
        if model is None:
            model = folder / "model"
            fit_reranker(dataset, seed, sequence_epochs).save(model)
        yield Subject(dataset, model, folder / "state", users, histories)


def fit_reranker(dataset: Dataset, seed: int, sequence_epochs: int = 0) -> Reranker:
    """Fit a model with the default encoder."""
    vectors = ItemVectors.encode(dataset.items, TextEncoder.load(), store=VectorStore())
    return Reranker.fit(dataset, vectors, Settings(seed=seed, sequence_epochs=sequence_epochs))


def long_histories(dataset: Dataset) -> tuple[list[str], Histories]:
    """Give the users who have 50 events, and the latest 50 of each.

    Raises
    ------
    RequestError
        If no user has as many.
    """
    h = dataset.histories
    long = np.flatnonzero(h.lengths >= EVENTS)
    if not len(long):
        raise RequestError(f"{dataset.name}: no user has {EVENTS} events")
    return dataset.user_ids[long].to_list(), h.cut(h.offsets[long + 1] - EVENTS, h.offsets[long + 1])
