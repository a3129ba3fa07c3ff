"""Made-up users put into a real log: the profiles of the literature on shilling, and floods of clicks.

Lam and Riedl (WWW, 2004) and Mobasher, Burke, Bhaumik and Williams (ACM TOIT, 2007) describe them for
ratings. Events have no rating to copy, so an average profile is one that others' choices are drawn for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

import numpy as np
import polars as pl

from tailrank.arrays import Codes, Doubles, Offsets
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories, flat_offsets

Attack = Literal["random", "average", "bandwagon", "flood", "poison"]
ATTACKS: Final[tuple[Attack, ...]] = get_args(Attack)

WAGON: Final = 3
"""Most popular items in a bandwagon profile."""

FLOOD: Final = 100
"""Clicks on the target in a flood, by each user, a second apart."""

POISON: Final = 0.2
"""Share of all events that are clicks on the target, in a poisoned log."""

CAMPAIGN: Final = 7 * 86_400.0
"""Seconds before the end of the log in which the made-up users come."""


@dataclass(frozen=True)
class Attacked:
    """A log with made-up users in it, behind the real ones.

    Attributes
    ----------
    dataset
        All of them.
    target
        Code of the item that they push.
    users
        Ids of the made-up ones.
    """

    dataset: Dataset
    target: int
    users: list[str]


def target_of(dataset: Dataset, attack: Attack, seed: int) -> int:
    """Draw an item to push: of those with at least five events one of the less popular half.

    For `poison` it is one of the most popular fiftieth, which have an exposure to begin with.
    """
    counts = dataset.counts
    known = np.flatnonzero(counts >= 5)
    if attack == "poison":
        known = known[counts[known] >= np.quantile(counts[known], 0.98)]
    else:
        known = known[counts[known] <= np.median(counts[known])]
    return int(np.random.default_rng(seed).choice(known))


def attacked(dataset: Dataset, attack: Attack, share: float, seed: int) -> Attacked:
    """Add made-up users who push one item.

    Parameters
    ----------
    dataset
        A real log.
    attack
        `random`, `average` and `bandwagon` choose the target once, after fillers; `flood` and `poison` click
        on it again and again, `poison` until its clicks are `POISON` of all events.
    share
        Made-up users for each real one.
    seed
        Of the target and the profiles. Profiles are as long as real ones, drawn from them.
    """
    random, target = np.random.default_rng(seed), target_of(dataset, attack, seed)
    n = max(1, round(share * dataset.n_users))
    lengths = random.choice(dataset.histories.lengths, n)
    clicks = {"flood": FLOOD, "poison": -(-int(POISON / (1 - POISON) * dataset.counts.sum()) // n)}.get(
        attack, 1
    )
    profiles = [_profile(dataset, attack, target, int(length), clicks, random) for length in lengths]
    times = [_times(dataset, profile, target, random) for profile in profiles]
    users = [f"made-up-{number}" for number in range(n)]
    added = Histories(
        items=np.concatenate(profiles).astype(np.int32),
        types=np.zeros(sum(map(len, profiles)), np.int32),
        times=np.concatenate(times),
        offsets=flat_offsets(np.array([len(profile) for profile in profiles])),
    )
    histories = Histories.concatenate([dataset.histories, added])
    return Attacked(
        replace(dataset, user_ids=pl.concat([dataset.user_ids, pl.Series(users)]), histories=histories),
        target,
        users,
    )


def _profile(
    dataset: Dataset, attack: Attack, target: int, length: int, clicks: int, random: np.random.Generator
) -> Codes | Offsets:
    """Fill a profile, the target last."""
    counts, n_items = dataset.counts, dataset.n_items
    popular = np.argsort(-counts, kind="stable")[: WAGON if attack == "bandwagon" else 0]
    chances: Doubles = np.ones(n_items) if attack != "average" else counts.astype(np.float64)
    chances[[target, *popular]] = 0
    size = min(max(1, length - 1 - len(popular)), int(np.count_nonzero(chances)))
    filler = random.choice(n_items, size, replace=False, p=chances / chances.sum())
    return np.concatenate([random.permutation(np.concatenate([popular, filler])), np.repeat(target, clicks)])


def _times(dataset: Dataset, profile: Codes | Offsets, target: int, random: np.random.Generator) -> Doubles:
    """Let a profile come with the gaps of a real user, and clicks on the target a second apart."""
    h, last = dataset.histories, profile == target
    if dataset.clock == "position":
        return np.arange(1.0, len(profile) + 1)
    user = int(random.integers(len(h)))
    gaps = np.diff(h.times[h.offsets[user] : h.offsets[user + 1]])
    steps = np.where(last, 1.0, random.choice(gaps, len(profile)))
    steps[0] = 0
    times = np.cumsum(steps)
    if dataset.clock == "timestamp":
        times += h.latest_time - times[-1] - random.random() * CAMPAIGN
    return times
