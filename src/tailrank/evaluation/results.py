"""`Evaluation`: everything that one evaluation found, and its two files."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tailrank.arrays import Doubles, Offsets
from tailrank.errors import RequestError


@dataclass(frozen=True)
class Comparison:
    """Model `a` against model `b`: the difference a - b of a metric and its 95% interval."""

    a: str
    b: str
    metric: str
    difference: float
    ci95: tuple[float, float]


@dataclass(frozen=True)
class TradeoffPoint:
    """Figures of the long-tail policy at one position of its dial."""

    dial: float
    metrics: dict[str, float | None]


@dataclass(frozen=True)
class FusionWeights:
    """What fusion learned.

    Attributes
    ----------
    signals
        Names of the signals.
    candidates
        Labels of the buckets of a candidate's training interactions.
    histories
        Labels of the buckets of history length.
    weights
        Shape (candidates, histories, signals).
    """

    signals: tuple[str, ...]
    candidates: tuple[str, ...]
    histories: tuple[str, ...]
    weights: Doubles


@dataclass(frozen=True)
class Evaluation:
    """Figures of several models on the same queries.

    Attributes
    ----------
    dataset, protocol
        What was ranked and how it was split, as printed.
    users, queries
        How many people were tested, with how many queries.
    settings
        Whatever one needs to repeat it: seed, machine, versions, date, encoder.
    models
        Figures of each model: those of `metrics.measure`, `fit_seconds` and `rank_ms_per_user`.
    counts
        Interactions of each item in training, shape (items,).
    exposure
        How often each model put each item in the first ten, shape (items,).
    comparisons
        Paired differences between models.
    tradeoff
        The long-tail policy at a rising dial.
    fusion
        Weights of the fused model, where one was fitted.
    """

    dataset: str
    protocol: str
    users: int
    queries: int
    settings: dict[str, object]
    models: dict[str, dict[str, float | None]]
    counts: Offsets
    exposure: dict[str, Offsets] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    tradeoff: list[TradeoffPoint] = field(default_factory=list)
    fusion: FusionWeights | None = None

    def as_json(self) -> dict[str, object]:
        """Give the contents of `metrics.json`; a figure that does not exist is None, never NaN."""
        contents = {
            "dataset": self.dataset,
            "protocol": self.protocol,
            "users": self.users,
            "queries": self.queries,
            "models": self.models,
            "comparisons": [vars(comparison) for comparison in self.comparisons],
            "tradeoff": [vars(point) for point in self.tradeoff],
            "settings": self.settings,
        }
        return {name: _plain(value) for name, value in contents.items()}

    def write(self, folder: Path | str) -> None:
        """Write `metrics.json` and `report.html`; each file appears whole or not at all.

        Parameters
        ----------
        folder
            Made where it does not exist.

        Raises
        ------
        RequestError
            Where the folder can't be written to, or a package that draws the report is missing.
        """
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            figures = json.dumps(self.as_json(), indent=2, ensure_ascii=False, allow_nan=False)
            _replace(folder / "metrics.json", figures + "\n")
            from tailrank.evaluation.report import render

            _replace(folder / "report.html", render(self))
        except OSError as why:
            raise RequestError(f"can't write to {folder} ({why.strerror}): name another folder") from None
        except ModuleNotFoundError as missing:
            raise RequestError(
                f"metrics.json is in {folder}; report.html also needs {missing.name}: "
                "install it with `pip install 'tailrank[report]'`"
            ) from None


def _plain(value: object) -> object:
    """Turn settings and figures into what JSON knows."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int) else str(value)


def _replace(path: Path, text: str) -> None:
    """Write beside the file, then rename, so that a reader never sees half of it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
