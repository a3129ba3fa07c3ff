"""`Evaluation`: everything that one evaluation found."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import numpy as np

from tailrank.arrays import Offsets
from tailrank.ranking.fusion import Fusion


@dataclass(frozen=True)
class Comparison:
    """Model `a` against model `b`: the difference a - b of a metric and its 95% interval."""

    a: str
    b: str
    metric: str
    difference: float
    ci95: tuple[float, float]

    @property
    def may_be_chance(self) -> bool:
        """Whether the interval holds 0."""
        low, high = self.ci95
        return low <= 0 <= high


@dataclass(frozen=True)
class TradeoffPoint:
    """Metrics of the long-tail policy at one strength."""

    strength: float
    metrics: dict[str, float | None]


@dataclass(frozen=True)
class Evaluation:
    """Metrics of several models on the same queries.

    Attributes
    ----------
    dataset, protocol
        What was ranked and how it was split, as printed.
    users, queries
        How many users were tested, with how many queries.
    settings
        Whatever one needs to repeat it: seed, machine, versions, date, encoder.
    models
        Metrics of each model: those of `full_ranking.measure`, `fit_seconds` and `rank_ms_per_user`.
    counts
        Interactions of each item in training, shape (items,).
    exposure
        How often each model put each item in the first ten, shape (items,).
    comparisons
        Paired differences between models.
    tradeoff
        The long-tail policy at rising strengths.
    fusion
        Of the fused model, if one was fitted.
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
    fusion: Fusion | None = None

    def to_json(self) -> str:
        """Write out the contents of `metrics.json`; a metric that does not exist is None, never NaN."""
        names = ("dataset", "protocol", "users", "queries", "models", "comparisons", "tradeoff", "settings")
        contents = msgspec.json.encode({name: getattr(self, name) for name in names}, enc_hook=_plain)
        return msgspec.json.format(contents, indent=2).decode() + "\n"


def _plain(value: object) -> object:
    """Turn what JSON doesn't know into what it does."""
    return value.item() if isinstance(value, np.generic) else str(value)
