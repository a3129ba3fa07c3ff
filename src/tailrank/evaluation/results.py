"""`Evaluation`: everything that one evaluation found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import msgspec
import numpy as np

from tailrank.arrays import Offsets
from tailrank.evaluation.frontier import Frontier
from tailrank.metrics.group_exposure import GroupExposure
from tailrank.metrics.user_groups import UserGroup
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
class Ground:
    """What models did where the same items competed, for the queries whose target is one of them.

    Attributes
    ----------
    users, queries
        How many users were tested, with how many queries.
    items
        How many competed.
    targets
        Queries whose target is in each group of `target_groups`.
    models
        Metrics of each model: those of `full_ranking.measure`, `fit_seconds` and `rank_ms_per_user`.
    comparisons
        Paired differences between models.
    tradeoff
        The long-tail policy at rising strengths.
    intervals
        For each model, 95% intervals of some metrics, by bootstrap over users.
    exposure
        How often each model put each item in the first ten, shape (items of the catalogue,).
    earlier_tradeoff
        The same policy in the first of two runs that are shown side by side.
    groups
        Exposure of groups of items, by model and group.
    user_groups
        Lists of users whose histories are of the head, of the tail or of both, by model and group.
    """

    users: int
    queries: int
    items: int
    targets: dict[str, int]
    models: dict[str, dict[str, float | None]]
    comparisons: list[Comparison] = field(default_factory=list)
    tradeoff: list[TradeoffPoint] = field(default_factory=list)
    intervals: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)
    exposure: dict[str, Offsets] = field(default_factory=dict)
    earlier_tradeoff: list[TradeoffPoint] = field(default_factory=list)
    groups: dict[str, dict[str, GroupExposure]] = field(default_factory=dict)
    user_groups: dict[str, dict[str, UserGroup]] = field(default_factory=dict)

    def queries_behind(self, metric: str) -> int | None:
        """Count the queries that a metric is the mean of; None if there is no such group of targets."""
        group = metric.partition("/")[2]
        return self.targets.get(group) if group else self.queries

    def contents(self) -> dict[str, object]:
        """Give what `metrics.json` holds: what one run found, but for exposure; groups if there are any."""
        left_out = {"exposure", "earlier_tradeoff"}
        left_out |= {name for name in ("groups", "user_groups") if not any(vars(self)[name].values())}
        return {name: value for name, value in vars(self).items() if name not in left_out}


@dataclass(frozen=True)
class Evaluation:
    """Metrics of several models on the same queries.

    Attributes
    ----------
    dataset, protocol
        What was ranked and how it was split, as printed.
    settings
        Whatever one needs to repeat it: seed, machine, versions, date, encoder.
    counts
        Interactions of each item in training, shape (items,).
    full
        On all items, as in published results.
    fair
        On the items whose counts say nothing of what was held out (`Split.fair_items`); None if that
        is true of all.
    least_count
        That of the split: the training interactions that make an item one of fair ground.
    fusion
        Of the fused model, if one was fitted.
    runs
        Names of the two runs that are shown side by side; empty if it is one.
    frontier
        What dials of policies give for what they take; None if none was turned.
    """

    dataset: str
    protocol: str
    settings: dict[str, object]
    counts: Offsets
    full: Ground
    fair: Ground | None = None
    least_count: int = 0
    fusion: Fusion | None = None
    runs: tuple[str, ...] = ()
    frontier: Frontier | None = None

    def __repr__(self) -> str:
        found = {name: metrics.get("ndcg@10") for name, metrics in self.lead.models.items()}
        shown = ", ".join(f"{name} {'-' if ndcg is None else f'{ndcg:.4f}'}" for name, ndcg in found.items())
        return (
            f"Evaluation({self.dataset!r}, {self.protocol}, {self.lead.queries:,} queries; ndcg@10: {shown})"
        )

    @property
    def lead(self) -> Ground:
        """The ground to judge by: the fair one, if it has a query."""
        return self.fair if self.fair and self.fair.queries else self.full

    @property
    def grounds(self) -> dict[str, Ground]:
        """Each ground by what competes there, the one to judge by first."""
        everything, lists = f"all {self.full.items:,} items", self.settings.get("lists")
        if isinstance(lists, dict):
            everything = f"{lists['measured']:,} lists of {lists['items_per_list']:.0f} items"
        if self.fair is None or self.lead is self.full:
            return {everything: self.full}
        known = f"at least {self.least_count} training interaction{'s' * (self.least_count > 1)}"
        cold = " or made cold" if "cold" in self.fair.targets else ""
        some = f"the {self.fair.items:,} items with {known}{cold}"
        return {f"fair ground: {some}": self.fair, f"full ground: {everything}": self.full}

    def to_json(self) -> str:
        """Write out the contents of `metrics.json`; a metric that does not exist is None, never NaN."""
        fair = None if self.fair is None else {"least_count": self.least_count} | self.fair.contents()
        about = {"dataset": self.dataset, "protocol": self.protocol}
        contents = about | self.full.contents() | {"fair": fair, "settings": self.settings}
        contents |= {"frontier": self.frontier} if self.frontier else {}
        return msgspec.json.format(msgspec.json.encode(contents, enc_hook=_plain), indent=2).decode() + "\n"

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Take back what `to_json` wrote, but for the frontier; counts, exposure and fusion are not in it.

        Raises
        ------
        msgspec.DecodeError
            If it is something else.
        """
        found, no_counts = msgspec.json.decode(text, type=_Stored), np.zeros(0, np.int64)
        full = msgspec.json.decode(text, type=Ground)
        fair = None if found.fair is None else msgspec.convert(found.fair, Ground)
        least = 0 if found.fair is None else int(found.fair["least_count"])
        return cls(found.dataset, found.protocol, found.settings, no_counts, full, fair, least)


class _Stored(msgspec.Struct):
    """What `metrics.json` holds beside the metrics on full ground."""

    dataset: str
    protocol: str
    settings: dict[str, object]
    fair: dict[str, Any] | None


def _plain(value: object) -> object:
    """Turn what JSON doesn't know into what it does."""
    return value.item() if isinstance(value, np.generic) else str(value)
