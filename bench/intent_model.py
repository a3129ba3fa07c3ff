"""What a user seems to be after, read off the latest events: by rules, and as a mixture without names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from sklearn.mixture import GaussianMixture

from tailrank.arrays import Bools, Doubles, Floats
from tailrank.data.histories import Histories

RECENT: Final = 10
COMPARED: Final = 5
SITTING: Final = 1_800.0
"""Seconds before the latest event that belong to one visit."""

KINDS: Final = 4
"""Of users, in the mixture."""

MOST: Final = 3.0
TOGETHER: Final = "all of them"
MIXTURE: Final = f"mixture of {KINDS}"


def read_off(histories: Histories, vectors: Floats, types: Sequence[str], timed: bool) -> dict[str, Doubles]:
    """Say how a user behaved last: each of shape (histories,), NaN for one with fewer than two events.

    ``repeating`` is the share of the last 10 events whose item had come before, ``comparing`` the mean cosine
    between the last 5 items, ``in a basket`` the logarithm of the events of the last half hour, and
    ``share of T`` that of the type T in the last 10 events, if there are several.
    """
    owners, n = histories.owners, len(histories)

    def share(marked: Bools, among: Bools) -> Doubles:
        part, whole = (np.bincount(owners, rows, n) for rows in (marked & among, among))
        return np.where(histories.lengths > 1, part / np.maximum(whole, 1), np.nan)

    recent, last = histories.ages < RECENT, histories.ages < COMPARED
    again = np.ones(len(owners), bool)
    again[np.unique(owners * len(vectors) + histories.items, return_index=True)[1]] = False
    found = {"repeating": share(again, recent)}
    sums = np.zeros((n, vectors.shape[1]))
    latest = vectors[histories.items[last]].astype(np.float64)
    np.add.at(sums, owners[last], latest)
    size = np.bincount(owners[last], minlength=n)
    own = np.bincount(owners[last], (latest**2).sum(axis=1), n)
    pairs = np.where(size > 1, size * (size - 1), np.nan)
    found["comparing"] = ((sums**2).sum(axis=1) - own) / pairs
    if timed:
        sitting = np.bincount(owners, histories.gaps <= SITTING, n)
        found["in a basket"] = np.where(histories.lengths > 1, np.log(np.maximum(sitting, 1)), np.nan)
    if len(types) > 1:
        found |= {f"share of {name}": share(histories.types == at, recent) for at, name in enumerate(types)}
    return found


@dataclass(frozen=True)
class Intents:
    """Intents of histories, each with mean 0 and deviation 1 over those that it was fitted on."""

    vectors: Floats
    types: Sequence[str]
    timed: bool
    means: Mapping[str, float]
    spreads: Mapping[str, float]
    mixture: GaussianMixture | None = None

    @classmethod
    def fit(cls, histories: Histories, vectors: Floats, types: Sequence[str], timed: bool, seed: int) -> Self:
        """Learn scales, then a mixture of normal distributions; what never varies is left out."""
        raw = read_off(histories, vectors, types, timed)
        spreads = {name: float(np.nanstd(values)) for name, values in raw.items()}
        spreads = {name: spread for name, spread in spreads.items() if spread > 1e-6}
        means = {name: float(np.nanmean(raw[name])) for name in spreads}
        plain = cls(vectors, types, timed, means, spreads)
        found = np.stack(list(plain(histories).values()), axis=1)
        mixture = GaussianMixture(KINDS, covariance_type="diag", reg_covar=1e-2, random_state=seed)
        return replace(plain, mixture=mixture.fit(found[histories.lengths > 1]))

    def __call__(self, histories: Histories) -> dict[str, Floats]:
        """Give every intent, 0 if too little is known; each of shape (histories,)."""
        raw = read_off(histories, self.vectors, self.types, self.timed)
        scaled = {name: (raw[name] - self.means[name]) / self.spreads[name] for name in self.spreads}
        found = {
            name: np.clip(np.nan_to_num(values), -MOST, MOST).astype(np.float32)
            for name, values in scaled.items()
        }
        if self.mixture is None:
            return found
        chances = self.mixture.predict_proba(np.stack(list(found.values()), axis=1)) - self.mixture.weights_
        chances[histories.lengths < 2] = 0
        mixed = {f"kind {at}": chances[:, at].astype(np.float32) for at in range(1, KINDS)}
        return found | mixed

    @property
    def ways(self) -> dict[str, tuple[str, ...]]:
        """Which intents ways of ranking use together."""
        kinds = tuple(f"kind {at}" for at in range(1, KINDS))
        alone = {name: (name,) for name in self.spreads}
        return {**alone, TOGETHER: tuple(self.spreads), MIXTURE: kinds}
