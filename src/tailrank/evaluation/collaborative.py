"""Baselines that compare behaviour: item neighbours, EASE and session neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from scipy.linalg import lapack

from tailrank.arrays import Doubles, Floats
from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError
from tailrank.evaluation.profiles import interactions
from tailrank.signals.strongest import strongest

if TYPE_CHECKING:
    import scipy.sparse as sp

EASE_ITEMS: Final = 20_000
"""Above this many items, a matrix of items by items takes more than 1.6 GB, and fitting takes several."""


@dataclass(frozen=True)
class ItemToItem:
    """Adds up what each item of a profile says about every item.

    Attributes
    ----------
    weights
        Dense, or a scipy `csr_array`; shape (items, items). The row is the item of the profile, the column
        the candidate.
    """

    weights: Any

    def score_profiles(self, profiles: Any) -> Floats:
        """Add up; shape (profiles, items)."""
        total = profiles @ self.weights
        scores: Floats = total if isinstance(total, np.ndarray) else total.toarray()
        return scores

    @classmethod
    def ease(cls, dataset: Dataset, regularisation: float) -> Self:
        """Solve for the item weights of least squared error under a zero diagonal.

        Equation 8 of Steck, "Embarrassingly shallow autoencoders for sparse data" (WWW, 2019):
        ``B = I - P diag(1 / diag(P))`` with ``P`` the inverse of ``X'X + regularisation I``.

        Parameters
        ----------
        dataset
            Users and their items; how often doesn't count.
        regularisation
            The paper's lambda.

        Raises
        ------
        RequestError
            If the catalogue is too large for a dense matrix of items by items.
        """
        n = dataset.n_items
        if n > EASE_ITEMS:
            raise RequestError(
                f"{dataset.name}: ease inverts a matrix of {n:,} by {n:,} items, {4 * n * n / 1e9:,.1f} GB: "
                f"leave it out of --models for more than {EASE_ITEMS:,} items"
            )
        found = interactions(dataset.histories, n)
        gram: Floats = (found.T @ found).toarray()
        gram[np.diag_indices(n)] += regularisation
        # By Cholesky, as the matrix is symmetric and positive: thrice as fast as a general inverse.
        factor, _ = lapack.spotrf(gram, lower=True, clean=False, overwrite_a=True)
        half, _ = lapack.spotri(factor, lower=True, overwrite_c=True)
        weights: Floats = np.tril(half) + np.tril(half, -1).T
        weights /= -np.diag(weights)
        np.fill_diagonal(weights, 0)
        return cls(weights)


@dataclass(frozen=True)
class SessionNeighbours:
    """V-SKNN (Ludewig and Jannach, UMUAI 2018, section 3.4), with the history of a user as a session.

    Sessions are compared with a profile by the sum of the profile's weights of the items that both have.
    The most similar ones vote for their items, each with its similarity times the largest of these
    weights, so that a session counts most if it shares the latest item. Votes for an item count
    ``1 + idf_weight * log(sessions / sessions with it)``.

    Attributes
    ----------
    sessions
        A scipy `csr_array` of ones, (sessions, items).
    latest
        When each session ended, as a rank from 1 for the earliest, shape (sessions,); None if times can't be
        compared between users, and then all sessions are.
    idf
        Of each item, shape (items,).
    neighbours
        Sessions that vote.
    sample
        Of the sessions that share an item with the profile, so many of the latest are compared.
    idf_weight
        0 lets all votes count alike.
    """

    sessions: Any
    latest: Doubles | None
    idf: Floats
    neighbours: int
    sample: int
    idf_weight: float

    @classmethod
    def from_dataset(cls, dataset: Dataset, neighbours: int, sample: int, idf_weight: float) -> Self:
        """Take the users' histories as sessions; those without an event are never neighbours."""
        h = dataset.histories
        sessions = interactions(h, dataset.n_items)
        latest = None
        if dataset.clock == "timestamp":
            ends = np.full(len(h), -np.inf)
            ends[h.lengths > 0] = h.times[h.offsets[1:][h.lengths > 0] - 1]
            latest = 1 + np.argsort(np.argsort(ends, kind="stable"), kind="stable").astype(np.float64)
        users = np.maximum(np.bincount(sessions.indices, minlength=dataset.n_items), 1)
        idf = np.log(max(len(h), 1) / users).astype(np.float32)
        return cls(sessions, latest, idf, neighbours, sample, idf_weight)

    def score_profiles(self, profiles: Any) -> Floats:
        """Let the nearest sessions vote; shape (profiles, items)."""
        similarity, largest = self._overlaps(profiles)
        if self.latest is not None:
            compared = similarity.copy()
            compared.data = self.latest[compared.indices]
            compared = strongest(compared, self.sample)
            compared.data[:] = 1
            similarity = similarity.multiply(compared).tocsr()
        nearest = strongest(similarity, self.neighbours)
        votes = nearest.multiply(largest).tocsr() @ self.sessions
        scores: Floats = votes.toarray().astype(np.float32) * (1 + self.idf_weight * self.idf)
        return scores

    def _overlaps(self, profiles: Any) -> tuple[sp.csr_array, sp.csr_array]:
        """Give the sum and the largest of the shared items' weights, each (profiles, sessions)."""
        import scipy.sparse as sp

        shape = (profiles.shape[0], self.sessions.shape[0])
        entries = profiles.tocoo()
        holders = sp.csr_array(self.sessions.T)[entries.col]
        of = np.repeat(np.arange(len(entries.data)), np.diff(holders.indptr))
        cells = entries.row[of].astype(np.int64) * shape[1] + holders.indices
        order = np.argsort(cells)
        cells, weights = cells[order], entries.data[of[order]]
        starts = np.flatnonzero(np.diff(cells, prepend=-1))
        at = np.divmod(cells[starts], shape[1])
        total, largest = (
            sp.csr_array((reduce.reduceat(weights, starts), at), shape=shape)
            for reduce in (np.add, np.maximum)
        )
        return total, largest
