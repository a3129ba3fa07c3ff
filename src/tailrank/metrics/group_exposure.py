"""How much of the attention that lists get goes to groups of items, and whether that is their share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles
from tailrank.metrics.ranking import TOP
from tailrank.metrics.significance import Difference, ratio_bootstrap

Interval = tuple[float, float]


@dataclass(frozen=True)
class GroupExposure:
    """Exposure of one group of items, in the first ten ranks.

    Attributes
    ----------
    items, targets
        Share of the items that compete, and of the targets, that are in the group.
    exposure
        Its share of the attention to lists, in which a rank has 1 / log2(1 + rank).
    to_items, to_targets
        Ratio of its exposure to these shares: 1 if it is shown as if items were, or targets are, alike
        (demographic parity, and exposure by merit, of Singh and Joachims, KDD 2018); None if there are none.
    to_items_ci95, to_targets_ci95
        Their intervals by bootstrap over users; None where users are too few.
    """

    items: float
    targets: float
    exposure: float
    to_items: float | None
    to_targets: float | None
    to_items_ci95: Interval | None
    to_targets_ci95: Interval | None


def group_exposure(
    top: Codes, targets: Codes, users: Codes, groups: Mapping[str, Bools], eligible: Bools, seed: int = 0
) -> dict[str, GroupExposure]:
    """Measure the exposure of groups, which may overlap.

    Parameters
    ----------
    top
        Items of each list, -1 if it is shorter, shape (queries, 10).
    targets, users
        Of each query, shape (queries,).
    groups
        Items of each by name, shape (items,).
    eligible
        Items that could be in a list, shape (items,).
    seed
        Of the bootstrap.
    """
    weights = np.where(top >= 0, 1 / np.log2(np.arange(2, TOP + 2)), 0.0)
    attention: Doubles = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
    found = {}
    for name, items in groups.items():
        share = float(items[eligible].mean())
        shown, chosen = (attention * items[top]).sum(axis=1), items[targets].astype(np.float64)
        to_items = ratio_bootstrap(shown, np.full(len(shown), share), users, seed=seed)
        to_targets = ratio_bootstrap(shown, chosen, users, seed=seed)
        exposure, wanted = float(shown.mean()), float(chosen.mean())
        found[name] = GroupExposure(
            share,
            wanted,
            exposure,
            exposure / share if share else None,
            exposure / wanted if wanted else None,
            _interval(to_items),
            _interval(to_targets),
        )
    return found


def _interval(found: Difference | None) -> Interval | None:
    return None if found is None else (found.low, found.high)
