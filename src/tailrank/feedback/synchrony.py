"""Users who do the same things at the same times: one program behind many names."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from tailrank.arrays import Bools, Offsets
from tailrank.data.dataset import Dataset
from tailrank.data.histories import flat_offsets

HOUR: Final = 3600.0

LEAST: Final = 5
"""Different actions that a user needs to be compared."""

ALIKE: Final = 0.5
"""Share of the actions of two users, taken together, that are those of both."""

TOGETHER: Final = 3
"""Users that make a group."""

BANDS: Final = 20
"""Sketches of a user, each of two minimal hashes: of users alike by a half, one in 300 pairs is missed."""

Hashes = npt.NDArray[np.uint64]


def synchronised_users(dataset: Dataset) -> list[Offsets]:
    """Group users who chose the same items in the same hours.

    An action is an item and the hour in which a user first chose it. Users are joined if they share at least
    half of all actions that either has (their Jaccard similarity), as in SynchroTrap (Cao et al., CCS, 2014).
    Pairs to compare come from minimal hashes (Broder, 1997), so that the work grows with the events and
    not with pairs of users.

    Returns
    -------
    list[Offsets]
        Codes of the users of each group of at least `TOGETHER`; empty if the data have no timestamps.
    """
    if dataset.clock != "timestamp":
        return []
    h = dataset.histories
    hours = ((h.times - h.times.min()) // HOUR).astype(np.int64)
    _, first = np.unique(h.owners * dataset.n_items + h.items, return_index=True)
    users, acted = h.owners[first], h.items[first] * (hours.max() + 1) + hours[first]
    cells, actions = np.unique(acted, return_inverse=True)
    lengths = np.bincount(users, minlength=len(h))
    compared = np.flatnonzero(lengths >= LEAST)
    if len(compared) < TOGETHER:
        return []
    offsets = flat_offsets(lengths[compared])
    actions = actions[(lengths >= LEAST)[users]]
    pairs = _similar(_near(actions, offsets), actions, offsets, len(cells))
    from scipy.sparse import coo_array  # a third of a second, which what learns from a log needn't wait for
    from scipy.sparse.csgraph import connected_components

    n = len(compared)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, group = connected_components(graph, directed=False)
    sizes = np.bincount(group)
    return [compared[group == one] for one in np.flatnonzero(sizes >= TOGETHER)]


def _near(actions: Offsets, offsets: Offsets) -> Offsets:
    """Pair users who share a sketch, each with the first one who has it; shape (pairs, 2)."""
    random = np.random.default_rng(0)
    found = [np.zeros((0, 2), np.int64)]
    for seeds in random.integers(1, 1 << 63, (BANDS, 2), dtype=np.uint64):
        lowest = [np.minimum.reduceat(_mixed(actions, seed), offsets[:-1]) for seed in seeds]
        _, first, sketch = np.unique(_mixed(lowest[0], 1) ^ lowest[1], return_index=True, return_inverse=True)
        pairs = np.stack([first[sketch], np.arange(len(sketch))], axis=1)
        found.append(pairs[pairs[:, 0] != pairs[:, 1]])
    return np.unique(np.concatenate(found), axis=0)


def _similar(pairs: Offsets, actions: Offsets, offsets: Offsets, n_actions: int) -> Offsets:
    """Keep the pairs that share enough; shape (kept, 2)."""
    from scipy.sparse import csr_array

    shape = (len(offsets) - 1, n_actions)
    done = csr_array((np.ones(len(actions), np.int64), actions, offsets), shape=shape)
    lengths = np.diff(offsets)
    shared: Offsets = np.asarray(done[pairs[:, 0]].multiply(done[pairs[:, 1]]).sum(axis=1)).ravel()
    alike: Bools = shared >= ALIKE * (lengths[pairs].sum(axis=1) - shared)
    return pairs[alike]


def _mixed(values: Offsets | Hashes, seed: np.uint64 | int) -> Hashes:
    """Hash numbers by the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA, 2014)."""
    mixed = values.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
