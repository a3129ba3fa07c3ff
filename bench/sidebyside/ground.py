"""`Ground`: what builds are measured on. One of them makes what all must open."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from bench.sidebyside.side import Side
from bench.sizes import tables
from bench.study import Json
from tailrank.benchmarks.subject import Subject, draw_candidates, long_histories
from tailrank.cli.options import load
from tailrank.data.dataset import Dataset

LISTS: Final = 64
HISTORIES: Final = 200
WIDTH: Final = 64
"""Of the drawn vectors of made-up items: narrow, so that a million of them need little."""

EVENTS_OF_ONE: Final = 3
"""Events of each made-up user."""


@dataclass(frozen=True)
class Sizes:
    """How much there is of everything.

    Attributes
    ----------
    items, users
        Of the large catalogue, and of the state.
    requests, seconds
        That are timed, of each kind and in each round.
    texts
        That are encoded in each round.
    """

    items: int = 1_000_000
    users: int = 20_000
    requests: int = 1_000
    seconds: float = 5
    texts: int = 1_000


@dataclass(frozen=True)
class Ground:
    """Data, models and requests; what is computed lies in `folder`, once.

    Attributes
    ----------
    maker
        Trains the models that all open.
    folder
        Keeps models and requests.
    name
        A data folder, or the name of a public data set, with users of 50 events.
    given
        Folder of a model of these data for all builds; None lets each train its own.
    training
        Data that fitting is measured on.
    sizes
        How much there is of everything.
    """

    maker: Side
    folder: Path
    name: str
    given: Path | None = None
    training: str = ""
    sizes: Sizes = Sizes()

    @cached_property
    def dataset(self) -> Dataset:
        """The data."""
        return load(self.name)

    @property
    def model(self) -> Path:
        """The maker's model, which all builds open."""
        return self.model_of(self.maker)

    def model_of(self, side: Side) -> Path:
        """Give a build's own model, with every signal: part of its speed may be what it learns."""
        if self.given is not None:
            return self.given
        words = ["train", "--data", self.name, "--sequence-epochs", "1", "--out"]
        name = f"model-{side.about['source'][:12]}"
        return self._made(name, lambda new: side.probe("command", words=[*words, str(new)]))

    def subject(self, state: Path, side: Side) -> Subject:
        """Give what a server of a build is measured with; `state` is a folder that isn't there yet."""
        return Subject(self.dataset, self.model_of(side), state, *long_histories(self.dataset))

    def requests(self, candidates: int) -> Path:
        """Write real histories of 50 events, and random lists of so many candidates."""
        ids, (_, found) = self.dataset.item_ids, long_histories(self.dataset)
        rows = [[ids[code] for code in codes] for codes in np.split(found.items, found.offsets[1:-1])]
        lists = draw_candidates(self.dataset, LISTS, candidates, np.random.default_rng(0))
        return self._listed(f"real-{candidates}", rows, lists)

    def made_up_data(self, n_items: int) -> Path:
        """Write a data folder of so many made-up items and users."""

        def write(folder: Path) -> None:
            folder.mkdir()
            for name, table in zip(("items", "events"), tables(n_items, EVENTS_OF_ONE), strict=True):
                table.write_parquet(folder / f"{name}.parquet")

        return self._made(f"data-{n_items}", write)

    def made_up_model(self, n_items: int, sequence_epochs: int = 0) -> Path:
        """Fit a model of made-up data with drawn vectors; by default without the sequence model."""
        given: Json = {"data": self.made_up_data(n_items), "width": WIDTH, "sequence_epochs": sequence_epochs}
        name = f"model-{n_items}-{sequence_epochs}"
        return self._made(name, lambda new: self.maker.probe("fit", model=new, **given))

    def made_up_requests(self, n_items: int, events: int, candidates: int) -> Path:
        """Write histories in which few items are popular, and random candidates."""
        rng = np.random.default_rng(0)
        histories = (n_items * rng.random((HISTORIES, events)) ** 3).astype(int).astype(str).tolist()
        lists = [rng.choice(n_items, candidates, replace=False).astype(str).tolist() for _ in range(LISTS)]
        return self._listed(f"made-up-{n_items}-{events}-{candidates}", histories, lists)

    def _listed(self, name: str, histories: Sequence[Sequence[str]], lists: Sequence[Sequence[str]]) -> Path:
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps({"histories": histories, "lists": lists}))
        return file

    def _made(self, name: str, make: Callable[[Path], object]) -> Path:
        """Make a folder if it isn't there; a half-made one never is."""
        folder, new = self.folder / name, self.folder / f"{name}.new"
        if not folder.exists():
            print(f"making {name}", flush=True)
            shutil.rmtree(new, ignore_errors=True)
            make(new)
            new.rename(folder)
        return folder
