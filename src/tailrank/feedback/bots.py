"""Users who look like programs or made-up profiles, each with a reason: what learning leaves out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl

from tailrank.arrays import Doubles, Offsets
from tailrank.data.columns import Columns
from tailrank.data.dataset import Dataset
from tailrank.feedback.shilling import pushed_items
from tailrank.feedback.synchrony import synchronised_users

MINUTE: Final = 60.0
DAY: Final = 86_400.0

FASTEST: Final = 120
"""Events in a minute up to which a user may be a person, whatever others do."""

MOST_OF_ONE: Final = 20
"""Events on one item up to which a user may be a person, whatever others do."""

BUSY: Final = 0.9
"""Quantile of users, by the same measure, that says what is usual in a log."""

TIMES: Final = 5
"""How often as much as is usual no person does."""

TOO_MANY: Final = 0.1
"""Share of users above which it is the log that is unusual, not they."""


@dataclass(frozen=True)
class Suspicion:
    """Why a user looks like a program or a made-up profile.

    Attributes
    ----------
    user_id
        Who.
    kind
        `burst`, `one item`, `synchronised` or `push`.
    item_id
        The item that it is about; None if it isn't about one.
    seen, expected
        What was measured, and the most, or for `push` the least, that would have been no reason.
    """

    user_id: str
    kind: str
    item_id: str | None
    seen: float
    expected: float

    def __str__(self) -> str:
        return REASONS[self.kind].format(item=self.item_id, seen=self.seen, expected=self.expected)


REASONS: Final = {
    "burst": "{seen:.0f} events within a minute, more than {expected:.0f}",
    "one item": "{seen:.0f} events on item {item}, more than {expected:.0f}",
    "synchronised": "the same items in the same hours as {seen:.0f} other users",
    "push": "has item {item}, whose audience has little else in common: {seen:.3f}, usually {expected:.3f}",
}


@dataclass(frozen=True)
class Anomalies:
    """What looks wrong in a log.

    Attributes
    ----------
    data
        Name of the data set.
    n_users
        Users in it.
    suspicions
        One or several a user.
    """

    data: str
    n_users: int
    suspicions: tuple[Suspicion, ...]

    @property
    def users(self) -> list[str]:
        """Ids of the users, each once."""
        return list(dict.fromkeys(each.user_id for each in self.suspicions))

    @property
    def too_many(self) -> bool:
        """Whether so many users look wrong that the log itself must be unusual."""
        return len(self.users) > TOO_MANY * self.n_users

    def frame(self) -> pl.DataFrame:
        """Give a row each: `user_id`, `kind`, `item_id`, `seen`, `expected`, `reason`."""
        text, number = pl.String, pl.Float64
        rows = [(e.user_id, e.kind, e.item_id, e.seen, e.expected, str(e)) for e in self.suspicions]
        columns = {Columns.USER: text, "kind": text, Columns.ITEM: text, "seen": number, "expected": number}
        return pl.DataFrame(rows, columns | {"reason": text}, orient="row")


def find_anomalies(dataset: Dataset) -> Anomalies:
    """Find users whom learning is better without.

    - `burst`: more than 120 events within a minute, and more than five times as many as nine users in ten
      have in their busiest.
    - `one item`: more than 20 events on one item, and more than five times as many as nine users in ten
      have on any.
    - `synchronised`: the same items in the same hours as others; see `synchronised_users`.
    - `push`: a profile that doesn't hang together, and an item whose other users' profiles don't either; see
      `pushed_items`.

    Without timestamps nothing is synchronised, and times of whole days hold no bursts.

    Examples
    --------
    >>> items = pl.DataFrame({"item_id": ["a", "b"]})
    >>> clicks = {"user_id": ["u"] * 30 + ["v", "w"], "item_id": ["a"] * 31 + ["b"], "position": range(32)}
    >>> [str(each) for each in find_anomalies(Dataset.construct(items, pl.DataFrame(clicks))).suspicions]
    []
    """
    found = (*_bursts(dataset), *_one_item(dataset), *_synchronised(dataset), *_pushes(dataset))
    return Anomalies(dataset.name, dataset.n_users, found)


def without_users(dataset: Dataset, user_ids: Collection[str]) -> Dataset:
    """Leave users and their events out; ids that the data set doesn't have change nothing."""
    kept = np.flatnonzero(~dataset.user_ids.is_in(list(user_ids)).to_numpy())
    offsets = dataset.histories.offsets
    histories = dataset.histories.cut(offsets[kept], offsets[kept + 1])
    return replace(dataset, user_ids=dataset.user_ids.gather(kept), histories=histories)


def _bursts(dataset: Dataset) -> Iterator[Suspicion]:
    h = dataset.histories
    if dataset.clock == "position" or not (h.times % DAY).any():
        return
    ends = h.times - h.times.min()
    ends += h.owners * (ends.max() + 2 * MINUTE)
    within = np.searchsorted(ends, ends + MINUTE, side="right") - np.arange(len(ends))
    busiest = _largest(within, h.owners, len(h))
    limit = max(FASTEST, TIMES * float(np.quantile(busiest, BUSY)))
    for user in np.flatnonzero(busiest > limit):
        yield Suspicion(dataset.user_ids[int(user)], "burst", None, float(busiest[user]), limit)


def _one_item(dataset: Dataset) -> Iterator[Suspicion]:
    h, n = dataset.histories, dataset.n_items
    pairs, counts = np.unique(h.owners * n + h.items, return_counts=True)
    most = _largest(counts, pairs // n, len(h))
    limit = max(MOST_OF_ONE, TIMES * float(np.quantile(most, BUSY)))
    wrong = counts > limit
    for pair, count in zip(pairs[wrong].tolist(), counts[wrong].tolist(), strict=True):
        user, item = divmod(pair, n)
        yield Suspicion(dataset.user_ids[user], "one item", dataset.item_ids[item], count, limit)


def _synchronised(dataset: Dataset) -> Iterator[Suspicion]:
    for group in synchronised_users(dataset):
        for user in group.tolist():
            yield Suspicion(dataset.user_ids[user], "synchronised", None, len(group) - 1.0, 0.0)


def _pushes(dataset: Dataset) -> Iterator[Suspicion]:
    for push in pushed_items(dataset):
        for user in push.users.tolist():
            item = dataset.item_ids[push.item]
            yield Suspicion(dataset.user_ids[user], "push", item, push.coherence, push.usual)


def _largest(values: Offsets, users: Offsets, n_users: int) -> Doubles:
    """Find each user's largest value; shape (users,)."""
    largest = np.zeros(n_users)
    np.maximum.at(largest, users, values)
    return largest
