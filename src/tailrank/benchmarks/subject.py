"""What the server is measured with: a model, people with long histories, and requests about them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import msgspec
import numpy as np
import typer

from tailrank.cli.options import item_vectors, load
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories
from tailrank.errors import RequestError
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings

EVENTS: Final = 50
BATCH: Final = 500

Model: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="Model folder of the same data; by default one with every signal is trained."),
]
Epochs: TypeAlias = Annotated[
    int, typer.Option("--sequence-epochs", min=0, help="Of the sequence model that is trained; 0: without.")
]


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
    users
        Everybody who has 50 events.
    histories
        The latest 50 events of each of them.
    """

    dataset: Dataset
    model: Path
    state: Path
    users: list[str]
    histories: Histories

    def events(self) -> Iterator[list[dict[str, object]]]:
        """Give everybody's events as `/v1/events` takes them, in batches of 500."""
        h, names = self.histories, self.dataset.item_ids
        rows = zip(h.owners.tolist(), h.items.tolist(), h.types.tolist(), h.times.tolist(), strict=True)
        made: list[dict[str, object]] = [
            {
                "event_id": str(at),
                "user_id": self.users[owner],
                "item_id": names[item],
                "event": self.dataset.event_types[kind],
                "timestamp": time,
            }
            for at, (owner, item, kind, time) in enumerate(rows)
        ]
        yield from (made[at : at + BATCH] for at in range(0, len(made), BATCH))

    def candidates(self, n: int, size: int, rng: np.random.Generator) -> list[list[str]]:
        """Draw lists of distinct items.

        Raises
        ------
        RequestError
            Where there are fewer items.
        """
        names = self.dataset.item_ids
        if size > len(names):
            raise RequestError(f"{self.dataset.name} has fewer than {size} items: name larger --data")
        drawn = (rng.choice(len(names), size, replace=False).tolist() for _ in range(n))
        return [[names[code] for code in codes] for codes in drawn]

    def rankings(
        self,
        n: int,
        size: int,
        rng: np.random.Generator,
        users: Sequence[str] | None = None,
        new_event: bool = False,
    ) -> list[bytes]:
        """Draw bodies for `/v1/rank`: one person after the other, random candidates.

        With a new event, each brings one that isn't stored, so that recalling a person's past doesn't help.
        """
        people = rng.permutation(self.users if users is None else np.asarray(users)).tolist()
        lists, events = self.candidates(n, size, rng), self.candidates(n if new_event else 0, 1, rng)
        return [
            msgspec.json.encode(
                {"user": people[at % len(people)], "candidates": some}
                | ({"history": events[at]} if new_event else {})
            )
            for at, some in enumerate(lists)
        ]


@contextmanager
def subject(data: str, model: Path | None, sequence_epochs: int, seed: int) -> Iterator[Subject]:
    """Prepare what is measured, in a folder that is removed afterwards."""
    dataset = load(data)
    users, histories = recent(dataset)
    with tempfile.TemporaryDirectory(prefix="tailrank-bench-") as name:
        folder = Path(name)
        if model is None:
            model = folder / "model"
            reranker, about = trained(dataset, seed, sequence_epochs)
            reranker.save(model, about)
        yield Subject(dataset, model, folder / "state", users, histories)


def trained(dataset: Dataset, seed: int, sequence_epochs: int = 0) -> tuple[Reranker, dict[str, object]]:
    """Fit a model with the default encoder; gives what its manifest says of that encoder, too."""
    vectors, about = item_vectors(dataset, "default", None)
    return Reranker.fit(dataset, vectors, Settings(seed=seed, sequence_epochs=sequence_epochs)), about


def recent(dataset: Dataset) -> tuple[list[str], Histories]:
    """Give everybody who has 50 events, and the latest 50 of each.

    Raises
    ------
    RequestError
        Where nobody has as many.
    """
    h = dataset.histories
    long = np.flatnonzero(h.lengths >= EVENTS)
    if not len(long):
        raise RequestError(f"{dataset.name}: nobody has {EVENTS} events")
    return dataset.user_ids[long].to_list(), h.cut(h.offsets[long + 1] - EVENTS, h.offsets[long + 1])
