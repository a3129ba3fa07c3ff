"""What goes with recent items, as a teacher says that has read both texts: a larger model, offline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import polars as pl

from tailrank.data.columns import Columns
from tailrank.data.dataset import Dataset
from tailrank.data.histories import flat_offsets
from tailrank.signals.decay_choice import fit_recency_decay
from tailrank.signals.recency_decay import DecayedNeighbours
from tailrank.signals.sparse import SparseRows
from tailrank.signals.training_data import TrainingData

if TYPE_CHECKING:
    import scipy.sparse as sp


@dataclass(frozen=True, kw_only=True)
class Taught(DecayedNeighbours):
    """How well candidates go with recent items, looked up in a table that `tailrank teach` made.

    `rows` are the neighbours of each item. What comes after training has none, until it is taught again; nor
    have items without an event, where counts give targets away: fusion knows what new items deserve there
    only from items that it sees as new.
    """

    name: ClassVar[str] = "taught"

    @classmethod
    def fit(cls, data: TrainingData) -> list[Self]:
        """Take the table, then choose the recency decay; none if the data hold no table."""
        train = data.split.train
        if train.taught is None:
            return []
        return [fit_recency_decay(cls(rows=_rows(train, train.taught, data.split.least_count)), data)]

    def refit(self, data: TrainingData) -> Self:
        """Take the table again: more items have events."""
        train = data.split.full_train
        if train.taught is None:
            return self
        return replace(self, rows=_rows(train, train.taught, data.split.least_count))


def _rows(train: Dataset, table: pl.DataFrame, least_count: int) -> SparseRows:
    """Look up the neighbours of each item; `least_count` is that of the split."""
    if least_count:
        known = train.items[Columns.ITEM].filter(train.counts > 0).implode()
        table = table.filter(pl.all_horizontal(pl.col(Columns.ITEM, Columns.NEIGHBOUR).is_in(known)))
    return SparseRows.from_scipy(weighted(train.item_ids, table))


def weighted(item_ids: list[str], table: pl.DataFrame) -> sp.csr_array:
    """Weigh the neighbours of each item by e to their score, less the best one's, in standard deviations.

    So the best neighbour of every item weighs 1, whatever the scale of a teacher's scores.

    Parameters
    ----------
    item_ids
        Of all items, in the order of their codes.
    table
        `item_id`, `neighbour` and `score`: a pair counts in both directions; of several scores, the mean.

    Returns
    -------
    csr_array
        Shape (items, items), without a diagonal.

    Examples
    --------
    >>> table = pl.DataFrame({"item_id": ["a", "a"], "neighbour": ["b", "c"], "score": [3.0, 1.0]})
    >>> weighted(["a", "b", "c"], table).toarray().astype(float).round(2).tolist()
    [[0.0, 1.0, 0.14], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    """
    import scipy.sparse as sp

    kind, n = pl.Enum(item_ids), len(item_ids)
    ends = [table[column].cast(kind).to_physical().to_numpy() for column in (Columns.ITEM, Columns.NEIGHBOUR)]
    both = pl.DataFrame({"row": np.concatenate(ends), "column": np.concatenate(ends[::-1])})
    scores = table[Columns.SCORE].to_numpy()
    scores = scores / max(np.abs(scores).max(initial=0), np.finfo(float).tiny)  # so that no sum is infinite
    both = both.with_columns(score=pl.Series(np.tile(scores, 2)))
    pairs = both.filter(pl.col("row") != pl.col("column")).group_by("row", "column").mean()
    spread = pl.col("score").std(ddof=0)
    below = pl.col("score") - pl.col("score").max().over("row")
    weights = pairs.select(
        "row", "column", weight=(below / pl.when(spread > 0).then(spread).otherwise(1)).exp()
    )
    ordered = weights.sort("row", "column")
    bounds = flat_offsets(np.bincount(ordered["row"].to_numpy(), minlength=n))
    values = ordered["weight"].to_numpy().astype(np.float32)
    return sp.csr_array((values, ordered["column"].to_numpy().astype(np.int32), bounds), shape=(n, n))
