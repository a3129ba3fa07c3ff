"""Items made cold: a split as if nobody had had some of the items before the test."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from tailrank.arrays import Bools, Offsets
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories, Queries
from tailrank.data.splits import ENOUGH, Split


def natural_protocol(dataset: Dataset) -> Literal["leave-one-out", "temporal"]:
    """Name the protocol to make items cold under: by time, if there are times."""
    return "temporal" if dataset.clock == "timestamp" else "leave-one-out"


def cold_items(split: Split, seed: int = 0, share: float = 0.1) -> Split:
    """Take the events of some items out of training and of every history; what is tested stays the same.

    The items keep their texts, and their place among the candidates. Nothing is validated on them, so a
    model can't learn what becomes of them.

    Parameters
    ----------
    split
        Of any protocol.
    seed
        Seed of the draw.
    share
        Share of the items, drawn uniformly.

    Returns
    -------
    Split
        With `cold`, and a `least_count` of at least 1: without the cold items, an item of which training
        has no event is no evidence of anything.

    Examples
    --------
    >>> import polars as pl
    >>> from tailrank.data.dataset import Dataset
    >>> from tailrank.data.splits import leave_one_out
    >>> items = pl.DataFrame({"item_id": ["a", "b", "c", "d"]})
    >>> events = pl.DataFrame({"user_id": ["u"] * 4, "item_id": ["b", "a", "d", "c"], "position": range(4)})
    >>> split = cold_items(leave_one_out(Dataset.construct(items, events)), share=0.5)
    >>> split.protocol
    'cold-items, 50% of the items with seed 0, leave-one-out'
    >>> bool(split.cold[split.full_train.histories.items].any())
    False
    """
    n_items = split.train.n_items
    cold = np.zeros(n_items, dtype=bool)
    cold[np.random.default_rng(seed).choice(n_items, round(share * n_items), replace=False)] = True
    train = _without(split.train, cold)
    refitted = split.full_train is not split.train
    return replace(
        split,
        protocol=f"cold-items, {share:.0%} of the items with seed {seed}, {split.protocol}",
        train=train,
        full_train=_without(split.full_train, cold) if refitted else train,
        validation=_forget(split.validation.take(~cold[split.validation.targets]), cold),
        test=_forget(split.test, cold),
        least_count=max(1, split.least_count),
        cold=cold,
    )


def with_held_out_items(split: Split, seed: int = 0, share: float = 0.1) -> Split:
    """Take the events of some items out of training and of validation's histories, and validate on them too.

    So what learns from behaviour is validated on items that it knows by text alone, as on new ones.

    Parameters
    ----------
    split
        Of any protocol; only its `train` and `validation` change.
    seed
        Seed of the draw.
    share
        Share of the items that have events in training, drawn uniformly.

    Returns
    -------
    Split
        With `cold`; the split as it was if fewer than 200 queries would ask for such items.
    """
    known = np.flatnonzero(split.train.counts)
    drawn = np.random.default_rng(seed).choice(known, round(share * len(known)), replace=False)
    cold = np.zeros(split.train.n_items, dtype=bool)
    cold[drawn] = True
    if cold[split.validation.targets].sum() < ENOUGH:
        return split
    train, validation = _without(split.train, cold), _forget(split.validation, cold)
    return replace(split, train=train, validation=validation, cold=cold)


def _without(data: Dataset, cold: Bools) -> Dataset:
    """Drop the events of cold items from a data set."""
    return replace(data, histories=_warm(data.histories, cold))


def _forget(queries: Queries, cold: Bools) -> Queries:
    """Drop the events of cold items from the histories of queries."""
    at = _kept_before(queries.source, cold)
    starts, ends, full_ends = at[queries.starts], at[queries.ends], at[queries.full_ends]
    source = _warm(queries.source, cold)
    return replace(queries, source=source, starts=starts, ends=ends, full_ends=full_ends)


def _warm(histories: Histories, cold: Bools) -> Histories:
    """Drop the events of cold items from histories."""
    h, kept = histories, ~cold[histories.items]
    return Histories(h.items[kept], h.types[kept], h.times[kept], _kept_before(h, cold)[h.offsets])


def _kept_before(histories: Histories, cold: Bools) -> Offsets:
    """Count the events that are kept before each position of the flat arrays, the end included."""
    return np.concatenate([[0], np.cumsum(~cold[histories.items])])
