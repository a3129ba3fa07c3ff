"""Lists for tests of policies: what a step may ask of them is drawn, or stated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tailrank.arrays import Bools, Floats
from tailrank.policy.base import Reader, Scalar, Scored, plain

GENRES = ("Comedy", "Drama", "Horror", "War")


@dataclass(frozen=True)
class StatedListing:
    """A `Listing` that says what it was given."""

    ids: Sequence[str]
    tail: Bools
    vectors: Floats | None
    columns: Mapping[str, Sequence[object]] = field(default_factory=dict)
    history: Sequence[str] = ()
    history_tail: Bools = field(default_factory=lambda: np.zeros(0, bool))
    history_columns: Mapping[str, Sequence[object]] = field(default_factory=dict)
    now: float = 1_700_000_000.0

    @property
    def times(self) -> Sequence[float]:
        return [-np.inf] * len(self.history)

    @property
    def types(self) -> Sequence[str]:
        return [""] * len(self.history)

    @property
    def context(self) -> Mapping[str, Scalar]:
        return {}

    @property
    def shown(self) -> Mapping[str, Sequence[float]]:
        return {}

    def attribute(self, name: str, read: Reader = plain) -> npt.NDArray[np.object_]:
        return objects(read(self.columns[name]))

    def of_history(self, name: str, read: Reader = plain) -> npt.NDArray[np.object_]:
        return objects(read(self.history_columns[name]))

    def derived(self, name: str, find: Callable[[pl.DataFrame], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return find(pl.DataFrame(dict(self.columns)))

    def derived_of_history(
        self, name: str, find: Callable[[pl.DataFrame], npt.NDArray[Any]]
    ) -> npt.NDArray[Any]:
        return find(pl.DataFrame(dict(self.history_columns)))


def objects(values: Sequence[object]) -> npt.NDArray[np.object_]:
    """An array whose elements may be lists."""
    found = np.empty(len(values), np.object_)
    found[:] = [*values]
    return found


def drawn_categories(rng: np.random.Generator, n: int) -> list[list[str] | None]:
    """Draw none to three categories each."""
    sizes = rng.integers(0, 4, n)
    return [sorted(rng.choice(GENRES, size, replace=False).tolist()) or None for size in sizes]


def drawn(seed: int, n: int = 30, width: int = 8, events: int = 12) -> Scored:
    """Draw a list of distinct scores, vectors, categories, times and a history."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, width)).astype(np.float32)
    if n:
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    listing = StatedListing(
        [f"item{at}" for at in range(n)],
        rng.random(n) < 0.5,
        vectors,
        {"genres": drawn_categories(rng, n), "since": (1.7e9 - rng.exponential(1e6, n)).tolist()},
        [f"old{at}" for at in range(events)],
        rng.random(events) < 0.3,
        {"genres": drawn_categories(rng, events)},
    )
    return Scored(rng.normal(size=n).astype(np.float32), rng.random(n).astype(np.float32), listing=listing)
