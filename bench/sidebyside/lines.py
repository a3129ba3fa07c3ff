"""`Line`: what a table says of two builds, computed from rounds in which they took turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from bench.study import Json
from tailrank.arrays import Doubles, Offsets

OLD, NEW = "old", "new"
Round: TypeAlias = dict[str, dict[str, float]]
"""Metrics of each side, by its name."""

RESAMPLES: Final = 5_000


@dataclass(frozen=True)
class Line:
    """One line.

    Attributes
    ----------
    label
        What it is about.
    metric
        Of the measurement.
    bound
        What is aimed at; None for what is only told.
    over
        Another metric of the same side, which the first is divided by.
    judged
        What the bound is of: the new build's value over the old one's, or the new build's value.
    least
        Whether the bound is the least, not the most.
    """

    label: str
    metric: str
    bound: float | None = None
    over: str = ""
    judged: Literal["ratio", "new"] = "ratio"
    least: bool = False

    def summary(self, rounds: Sequence[Round]) -> Json:
        """Sum rounds up: medians of both sides, and what is judged, with a 95% interval over rounds.

        The percentile bootstrap draws rounds, with what both sides did in them (Efron and Tibshirani, "An
        introduction to the bootstrap", 1993, chapter 13).
        """
        drawn = np.random.default_rng(0).integers(len(rounds), size=(RESAMPLES, len(rounds)))
        whole = np.arange(len(rounds))[None]
        [value], values = self._judged(rounds, whole), self._judged(rounds, drawn)
        return {
            **{"label": self.label, "judged": self.judged, "bound": self.bound, "least": self.least},
            **{side: float(self._of(side, rounds, whole)[0]) for side in (OLD, NEW)},
            "value": float(value),
            "ci95": np.percentile(values, [2.5, 97.5]).tolist(),
        }

    def _judged(self, rounds: Sequence[Round], rows: Offsets) -> Doubles:
        new = self._of(NEW, rounds, rows)
        judged: Doubles = new / self._of(OLD, rounds, rows) if self.judged == "ratio" else new
        return judged

    def _of(self, side: str, rounds: Sequence[Round], rows: Offsets) -> Doubles:
        """Give a side's value from each choice of rounds; `rows` has shape (choices, rounds)."""

        def medians(metric: str) -> Doubles:
            found: Doubles = np.median(np.array([each[side][metric] for each in rounds])[rows], axis=1)
            return found

        return medians(self.metric) / medians(self.over) if self.over else medians(self.metric)
