"""Which pairs of items a teacher learns from, and which it scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.sparse as sp

from tailrank.arrays import Bools, Codes, Floats
from tailrank.data.dataset import Dataset
from tailrank.errors import DataError
from tailrank.signals.covisitation import CoVisitation
from tailrank.signals.lexical import Lexical
from tailrank.signals.strongest import strongest

WINDOW: Final = 3
"""Events between two items that are chosen together, at most."""

HELD_OUT: Final = 0.1
"""Share of the items with events of which no pair is learned from, so that they can validate."""

NEAR, POPULAR = 2, 2
"""Items beside the one that was chosen: near in meaning or words, and drawn as often as they are chosen."""

ROWS: Final = 1_024
"""Items that are compared with all others at once."""


def near_pairs(lists: Sequence[Any]) -> tuple[Codes, Codes]:
    """Pair each item with its neighbours in every list, each pair once: the nearest of all items first.

    Parameters
    ----------
    lists
        Sparse matrices of shape (items, items); the larger an entry, the nearer.

    Returns
    -------
    tuple[Codes, Codes]
        The items of each pair, the lower code first; each of shape (pairs,).

    Examples
    --------
    >>> near = sp.csr_array([[0, 2, 1], [2, 0, 0], [3, 0, 0]])
    >>> [codes.tolist() for codes in near_pairs([near])]
    [[0, 0], [1, 2]]
    """
    n, keys, ranks = lists[0].shape[0], [], []
    for near in lists:
        rows = np.repeat(np.arange(n), np.diff(near.indptr))
        order = np.lexsort((-near.data, rows))
        ranks.append(np.arange(len(rows)) - near.indptr[rows])
        columns = near.indices[order]
        keys.append(np.minimum(rows, columns).astype(np.int64) * n + np.maximum(rows, columns))
    key, rank = np.concatenate(keys), np.concatenate(ranks)
    order = np.lexsort((key, rank))
    found, first = np.unique(key[order], return_index=True)
    found = found[np.argsort(first)]
    found = found[found // n != found % n]
    return (found // n).astype(np.int32), (found % n).astype(np.int32)


def near_by_vectors(vectors: Floats, k: int) -> Any:
    """Find the k nearest others of each unit vector, shape (items, d); a sparse matrix of cosines."""
    blocks = []
    for start in range(0, len(vectors), ROWS):
        cosines = np.maximum(vectors[start : start + ROWS] @ vectors.T, 0)
        cosines[np.arange(len(cosines)), start + np.arange(len(cosines))] = 0
        last = min(k, cosines.shape[1]) - 1
        low = -np.partition(-cosines, last, axis=1)[:, last : last + 1]
        blocks.append(strongest(sp.csr_array(np.where(cosines >= low, cosines, 0)), k))
    return sp.csr_array(sp.vstack(blocks))


def near_by_words(texts: Sequence[str], k: int) -> Any:
    """Find the k others that share most words with each text; a sparse matrix of TF-IDF cosines."""
    rows = Lexical.from_texts(texts).rows.matrix
    blocks = []
    for start in range(0, len(texts), ROWS):
        block = sp.csr_array(rows[start : start + ROWS] @ rows.T)
        own = np.arange(start, start + block.shape[0]).repeat(np.diff(block.indptr))
        block.data[block.indices == own] = 0
        block.eliminate_zeros()
        blocks.append(strongest(block, k))
    return sp.csr_array(sp.vstack(blocks))


def near_by_behaviour(dataset: Dataset, k: int) -> Any:
    """Find the k items that most often come soon after each; a sparse matrix."""
    return strongest(CoVisitation.counted(dataset), k)


@dataclass(frozen=True)
class ChosenPairs:
    """Pairs that users chose, and what each is compared with.

    Attributes
    ----------
    first, second
        Items that some user chose within `WINDOW` events, once for every time; shape (pairs,).
    validates
        Whether one of them is held out; shape (pairs,).
    together
        Items that some user has both of; a sparse matrix, shape (items, items).
    near
        Items near one in meaning or words; likewise.
    """

    first: Codes
    second: Codes
    validates: Bools
    together: Any
    near: Any

    @classmethod
    def from_events(cls, dataset: Dataset, near: Any, seed: int) -> ChosenPairs:
        """Find the pairs in every history, and hold items out.

        Raises
        ------
        DataError
            If there is none to learn from, or none to validate on.
        """
        h, ends = dataset.histories, []
        for distance in range(1, WINDOW + 1):
            before = np.arange(len(h.items) - distance)
            same = (h.owners[before] == h.owners[before + distance]) & (
                h.items[before] != h.items[before + distance]
            )
            ends.append((h.items[before[same]], h.items[before[same] + distance]))
        first, second = (np.concatenate(side) for side in zip(*ends, strict=True))
        known = np.flatnonzero(dataset.counts)
        held = np.zeros(dataset.n_items, bool)
        held[np.random.default_rng(seed).choice(known, round(HELD_OUT * len(known)), replace=False)] = True
        validates = held[first] | held[second]
        if not validates.any() or validates.all():
            raise DataError(
                f"{dataset.name}: too few users chose two different items: there are no pairs to learn from, "
                "or none to hold out. Get more events, or take a generative model as the teacher"
            )
        by_user = sp.csr_array(
            (np.ones(len(h.items), np.float32), (h.owners, h.items)), shape=(len(h), dataset.n_items)
        )
        return cls(first, second, validates, sp.csr_array(by_user.T @ by_user), sp.csr_array(near))

    def groups(self, rows: Codes, rng: np.random.Generator) -> tuple[Codes, Codes]:
        """Put each pair, or its reverse, before the same first item with others that nobody chose with it.

        Returns
        -------
        tuple[Codes, Codes]
            Codes of shape (rows,) and (rows, 1 + NEAR + POPULAR): the chosen one comes first.
        """
        swapped = rng.random(len(rows)) < 0.5
        anchors = np.where(swapped, self.second[rows], self.first[rows])
        chosen = np.where(swapped, self.first[rows], self.second[rows])
        others = [self._others(anchor, rng) for anchor in anchors]
        return anchors, np.column_stack([chosen, np.array(others, np.int32)])

    def _others(self, anchor: int, rng: np.random.Generator) -> Codes:
        """Draw items that nobody has with one."""
        bought = self.together.indices[self.together.indptr[anchor] : self.together.indptr[anchor + 1]]
        near = self.near.indices[self.near.indptr[anchor] : self.near.indptr[anchor + 1]]
        near = rng.permutation(np.setdiff1d(near, bought))[:NEAR]
        drawn = rng.choice(self.second, 8 * (NEAR + POPULAR))
        rest = drawn[~np.isin(drawn, bought)]
        found = np.concatenate([near, rest])[: NEAR + POPULAR]
        return found if len(found) == NEAR + POPULAR else np.resize(np.append(found, drawn), NEAR + POPULAR)
