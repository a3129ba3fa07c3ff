"""Items that the same users choose: directed co-visitation and symmetric neighbours."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np

from tailrank.data.dataset import Dataset
from tailrank.data.histories import parts
from tailrank.signals.decay_choice import fit_recency_decay
from tailrank.signals.following_pairs import FollowingPairs, damp
from tailrank.signals.out_of_core import OutOfCore, PairCount
from tailrank.signals.recency_decay import DecayedNeighbours
from tailrank.signals.shared_users import SharedUsers, nearest, user_weights
from tailrank.signals.sparse import SparseRows
from tailrank.signals.strongest import NEIGHBOURS, strongest
from tailrank.signals.training_data import TrainingData

if TYPE_CHECKING:
    import scipy.sparse as sp

PAIRS_AT_ONCE: Final = 5_000_000
"""Pairs of items that are compared at once."""


@dataclass(frozen=True, kw_only=True)
class ItemToItem(DecayedNeighbours):
    """A sparse item-to-item matrix, scaled by its mean strongest entry so that one prior fits all data."""

    scale: ClassVar[float]

    @classmethod
    def from_events(cls, dataset: Dataset, counting: OutOfCore | None = None) -> Self:
        """Count how items occur together.

        Parameters
        ----------
        dataset
            Whose events.
        counting
            Counts in bounded memory, with the same result; None counts all at once.
        """
        pairs = cls.counted(dataset) if counting is None else counting.strongest(cls.pair_count(), dataset)
        return cls(rows=SparseRows.from_scipy(_scaled(pairs, cls.scale)))

    @classmethod
    @abstractmethod
    def counted(cls, dataset: Dataset) -> sp.csr_array:
        """Count all at once, and keep each item's strongest pairs."""

    @classmethod
    @abstractmethod
    def pair_count(cls) -> PairCount:
        """Say how the same is counted in parts."""

    @classmethod
    def fit(cls, data: TrainingData) -> list[Self]:
        """Count, then choose the recency decay."""
        return [fit_recency_decay(cls.from_events(data.split.train, data.counting), data)]

    def refit(self, data: TrainingData) -> Self:
        """Count all events of training."""
        counted = self.from_events(data.split.full_train, data.counting)
        return replace(counted, recency_decay=self.recency_decay)


@dataclass(frozen=True, kw_only=True)
class CoVisitation(ItemToItem):
    """What users chose after an item, the sooner the stronger.

    An event `d` steps after another adds `1 / d` to their pair, within ten steps; the opposite
    direction counts 0.3 as much. Pairs are damped by the popularity of both items. Unlike cosine
    neighbours it knows the direction of time: a refill follows its printer.
    """

    name: ClassVar[str] = "covisitation"
    window: ClassVar[int] = 10
    backward: ClassVar[float] = 0.3
    source_damping: ClassVar[float] = 0.5
    target_damping: ClassVar[float] = 0.1
    scale: ClassVar[float] = 0.3

    @classmethod
    def pair_count(cls) -> FollowingPairs:
        """Count by how many steps apart."""
        return FollowingPairs(cls.window, cls.backward, cls.source_damping, cls.target_damping)

    @classmethod
    def counted(cls, dataset: Dataset) -> sp.csr_array:
        """Count the pairs of every history."""
        import scipy.sparse as sp

        h, n = dataset.histories, dataset.n_items
        items, owners = h.items, h.owners
        forward = sp.csr_array((n, n), dtype=np.float32)
        for step in range(1, min(cls.window, int(h.lengths.max(initial=1)) - 1) + 1):
            first = np.flatnonzero((owners[:-step] == owners[step:]) & (items[:-step] != items[step:]))
            values = np.full(len(first), 1 / step, dtype=np.float32)
            forward = forward + sp.csr_array((values, (items[first], items[first + step])), shape=(n, n))
        pairs = sp.csr_array(forward + cls.backward * forward.T)
        damp(pairs, slice(0, n), dataset.counts, cls.source_damping, cls.target_damping)
        return strongest(pairs, NEIGHBOURS)


@dataclass(frozen=True, kw_only=True)
class ItemKNN(ItemToItem):
    """Cosine between the sets of users who chose two items (Sarwar et al., 2001, section 3.1.1)."""

    name: ClassVar[str] = "item-knn"
    scale: ClassVar[float] = 1.0

    @classmethod
    def pair_count(cls) -> SharedUsers:
        """Compare the users of some items at a time."""
        return SharedUsers()

    @classmethod
    def counted(cls, dataset: Dataset) -> sp.csr_array:
        """Compare items by the users whom they share, and keep the nearest."""
        return item_neighbours(dataset, NEIGHBOURS)


def item_neighbours(dataset: Dataset, neighbours: int, shrinkage: float = 0.0) -> sp.csr_array:
    """Compare items by the users whom they share, some at a time; keep the most similar.

    The cosine of Sarwar et al. (2001, section 3.1.1), times ``shared / (shared + shrinkage)``, which trusts a
    pair the less the fewer users it has (Bell and Koren, 2007, "Improved neighborhood-based collaborative
    filtering", section 3.1).

    Parameters
    ----------
    dataset
        Users and their items; how often doesn't count.
    neighbours
        Items that each item keeps.
    shrinkage
        0 leaves the cosine as it is.

    Returns
    -------
    csr_array
        Shape (items, items), float32, without a diagonal.
    """
    import scipy.sparse as sp

    h = dataset.histories
    shape = (len(h), dataset.n_items)
    owners = h.owners.astype(np.int32)  # or all products would be of 64 bits
    by_user = sp.csr_array((np.ones(len(h.items), np.float32), (owners, h.items)), shape=shape)
    by_user.sum_duplicates()
    users = np.bincount(by_user.indices, minlength=dataset.n_items)
    lengths = np.diff(by_user.indptr)
    met = np.bincount(by_user.indices, lengths.repeat(lengths), dataset.n_items)
    by_user.data = user_weights(users)[by_user.indices]
    by_item = sp.csr_array(by_user.T)
    blocks = []
    for part in parts(met, PAIRS_AT_ONCE):
        pairs = sp.csr_array(by_item[part] @ by_user)
        if shrinkage:
            rows = np.arange(part.start, part.stop).repeat(np.diff(pairs.indptr))
            shared = pairs.data * np.sqrt(users[rows] * users[pairs.indices])
            pairs.data *= (shared / (shared + shrinkage)).astype(np.float32)
        blocks.append(nearest(pairs, part, neighbours))
    return sp.csr_array(sp.vstack(blocks))


def _scaled(pairs: Any, scale: float) -> Any:
    """Divide by `scale` times the mean of the rows' largest entries, in place."""
    if pairs.nnz:
        largest = pairs.max(axis=1).toarray()
        pairs.data *= 1 / (scale * largest[largest > 0].mean())
    return pairs
