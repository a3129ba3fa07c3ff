"""Evaluation protocols: which events train, which queries validate, which test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal

import numpy as np

from tailrank.arrays import Bools, Offsets, Seconds
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories, Queries
from tailrank.errors import DataError

Ties = Literal["original", "shuffled"]
STRAYS: Final = 0.01
"""Share of items that may have slipped through a data set's filter."""

VALIDATED: Final = 0.1
"""Share of all events, the latest, that fitting is validated on where there are times."""

PER_USER: Final = 10
"""Queries a user at most in a period."""

ENOUGH: Final = 200
"""Queries from which on a period is worth more than each user's last event."""


@dataclass(frozen=True)
class Split:
    """One data set, cut for training, validation and test.

    Attributes
    ----------
    protocol
        Name and settings, as printed in reports.
    train
        Events before validation, to fit signals on.
    validation
        Queries that fusion weights are fitted on.
    full_train
        Events before the test, to refit signals on.
    test
        Queries that metrics are computed on.
    repeats
        Whether targets may occur in the history; if not, items of the history are masked.
    least_count
        Fewest events of an item that has any, in the data before anything was held out, one item in a
        hundred aside: where data sets are filtered, the filter's own number. An item with fewer in training
        than this is, strays aside, one whose events were held out, so that its count gives it away as a
        target. 0 if counts say nothing of the kind, as when training ends at a moment.
    cold
        Items whose events were taken out of training and of every history, shape (items,); None if none
        were. See `cold_items`.
    """

    protocol: str
    train: Dataset
    validation: Queries
    full_train: Dataset
    test: Queries
    repeats: bool
    least_count: int
    cold: Bools | None = None

    def __repr__(self) -> str:
        return f"Split({self.protocol!r} of {self.full_train!r}: {len(self.test):,} test queries)"

    @property
    def fair_items(self) -> Bools:
        """Items whose counts say nothing of what was held out: those of fair ground; shape (items,)."""
        known = self.full_train.counts >= self.least_count
        return known if self.cold is None else known | self.cold

    @property
    def learnable_items(self) -> Bools:
        """Items whose counts in `train` say nothing of what is validated on; shape (items,)."""
        return self.train.counts >= self.least_count

    def sampled(self, n: int, seed: int) -> Split:
        """Test on at most `n` of the queries, drawn without replacement."""
        protocol = f"{self.protocol}, sample of {n}" if len(self.test) > n else self.protocol
        return replace(self, protocol=protocol, test=self.test.sample(n, seed))


def leave_one_out(dataset: Dataset, ties: Ties = "original", seed: int = 0, repeats: bool = False) -> Split:
    """Hold out each user's last event for the test and the last but one for validation.

    Signals are never refitted on validation events (histories do contain them), as in published results
    of this protocol, so `full_train` is `train`. Users with fewer than three events only train.

    Parameters
    ----------
    dataset
        Any clock.
    ties
        Whether events of one user at the same time keep the order of the file or are shuffled.
    seed
        Seed of the shuffle.
    repeats
        Whether to keep queries whose target occurs in the history.

    Raises
    ------
    DataError
        If no user has three events, or ties are to be shuffled in data without times.
    """
    if ties == "shuffled":
        dataset = shuffle_ties(dataset, seed)
    train, last = _without_last(dataset, 2, "leave-one-out")
    new = _new_to_user(dataset.histories, dataset.n_items)
    validation, test = (
        _queries_of(dataset.histories, at if repeats else at[new[at]]) for at in (last - 1, last)
    )
    name = "leave-one-out" + ("" if ties == "original" else f", ties shuffled with seed {seed}")
    return Split(name, train, validation, train, test, repeats, _least_count(dataset))


def temporal(
    dataset: Dataset,
    per_user: int = PER_USER,
    staleness: float | None = 0.0,
    test_share: float = 0.1,
    validation_share: float = VALIDATED,
    repeats: bool = False,
) -> Split:
    """Train before a moment, then rank every later event in time order.

    The history of a query holds the events strictly earlier than its own second, those after the
    split included, so that users' latest behaviour counts.

    Parameters
    ----------
    dataset
        With timestamps.
    per_user
        At most this many queries a user, the earliest first.
    staleness
        Seconds by which events reach the ranker late; None freezes histories at the split.
    test_share, validation_share
        Shares of all events that lie after the split, and between validation's start and the split.
    repeats
        Whether to keep queries whose target occurs in the history.

    Raises
    ------
    DataError
        If the data have no timestamps, or no event lies in one of the three periods.
    """
    if dataset.clock != "timestamp":
        raise DataError(f"{dataset.name}: the temporal protocol needs a `timestamp` column in events")
    times = dataset.histories.times
    first, split = np.quantile(times, [1 - test_share - validation_share, 1 - test_share])
    periods = [(times < first).any(), ((times >= first) & (times < split)).any(), (times >= split).any()]
    if not all(periods):
        raise DataError(
            f"{dataset.name}: too few distinct timestamps: get more events, or choose leave-one-out"
        )
    train, full_train = before(dataset, first), before(dataset, split)
    validation = _queries_between(dataset, first, split, per_user, staleness, repeats)
    test = _queries_between(dataset, split, np.inf, per_user, staleness, repeats)
    delay = "frozen" if staleness is None else f"{staleness:g} s"
    moment = datetime.fromtimestamp(split, UTC)
    name = (
        f"temporal, split at {moment:%Y-%m-%d %H:%M} UTC, at most {per_user} events a user, staleness {delay}"
    )
    return Split(name, train, validation, full_train, test, repeats, least_count=0)


def hold_out(dataset: Dataset) -> Split:
    """Hold out the latest events for validation, test nothing, and refit signals on all events.

    Where there are times, these are the last tenth of all events, at most ten a user: what is counted before
    that moment is what was known then, so that counts give no target away. Otherwise, or if that gives
    fewer than 200 queries or leaves less than half of the events, they are each user's last event. Targets
    may recur, as they do in life, so that weights for repetition are learned.

    Raises
    ------
    DataError
        If no user has two events.
    """
    train, last = _without_last(dataset, 1, "fitting")
    queries, least_count = _queries_of(dataset.histories, last), _least_count(dataset)
    if dataset.clock == "timestamp":
        moment = float(np.quantile(dataset.histories.times, 1 - VALIDATED))
        recent = _queries_between(dataset, moment, np.inf, PER_USER, staleness=0.0, repeats=True)
        earlier = before(dataset, moment)
        if len(recent) >= ENOUGH and earlier.counts.sum() >= dataset.counts.sum() / 2:
            train, queries, least_count = earlier, recent, 0
    nothing = queries.take(slice(0, 0))
    return Split("none", train, queries, dataset, nothing, repeats=True, least_count=least_count)


def events_since(dataset: Dataset, moment: float) -> tuple[Dataset, Queries]:
    """Cut off the events after a moment, in seconds; gives the rest, and a query of each, at most ten a user.

    The history of a query holds all events of the user strictly before it, new ones included.
    """
    after = float(np.nextafter(moment, np.inf))
    queries = _queries_between(dataset, after, np.inf, PER_USER, staleness=0.0, repeats=True)
    return before(dataset, after), queries


def step_back(split: Split) -> Split:
    """Make the same split one event of each user earlier: validate on the last events of its training.

    Nothing is tested, and signals aren't fitted again. What was taught is left out: it may have learned from
    what is validated on.
    """
    h = split.train.histories
    users = np.flatnonzero(h.lengths > 1)
    last, ends = h.offsets[users + 1] - 1, h.offsets[1:].copy()
    ends[users] -= 1
    train = replace(split.train.until(ends), taught=None)
    queries = _queries_of(h, last if split.repeats else last[_new_to_user(h, split.train.n_items)[last]])
    nothing = queries.take(slice(0, 0))
    return replace(split, train=train, validation=queries, full_train=train, test=nothing)


def shuffle_ties(dataset: Dataset, seed: int) -> Dataset:
    """Shuffle the events of each user that carry the same time.

    Raises
    ------
    DataError
        If the data hold only positions, which never tie.
    """
    if dataset.clock == "position":
        raise DataError(f"{dataset.name}: events hold only positions, which never tie: use original order")
    h = dataset.histories
    order = np.lexsort((np.random.default_rng(seed).random(len(h.items)), h.times, h.owners))
    shuffled = Histories(h.items[order], h.types[order], h.times[order], h.offsets)
    return replace(dataset, histories=shuffled)


def _without_last(dataset: Dataset, n: int, purpose: str) -> tuple[Dataset, Offsets]:
    """Drop the last `n` events of users who have more; gives the rest, and where their last events are."""
    h = dataset.histories
    users = np.flatnonzero(h.lengths > n)
    if not len(users):
        raise DataError(f"{dataset.name}: {purpose} needs users with at least {n + 1} events: there are none")
    ends = h.offsets[1:].copy()
    ends[users] -= n
    return dataset.until(ends), h.offsets[users + 1] - 1


def before(dataset: Dataset, moment: float) -> Dataset:
    """Keep the events before a moment."""
    users = np.arange(dataset.n_users)
    return dataset.until(_first_at_or_after(dataset.histories, users, np.full(len(users), moment)))


def _least_count(dataset: Dataset) -> int:
    """Find the fewest events of an item that has any, strays aside."""
    counts = dataset.counts
    return int(np.quantile(counts[counts > 0], STRAYS, method="lower"))


def _queries_of(source: Histories, events: Offsets) -> Queries:
    """Make one query of each event, given by its position, with all of the user's events before it."""
    users, targets = source.owners[events], source.items[events]
    return Queries(source, users.astype(np.int32), source.offsets[users], events, events, targets)


def _first_at_or_after(source: Histories, users: Offsets, moments: Seconds) -> Offsets:
    """Find the first event of each user at or after a moment, as a position in the flat arrays."""
    distinct, nth = np.unique(source.times, return_inverse=True)
    width = len(distinct) + 1
    keys = source.owners * width + nth
    return np.searchsorted(keys, users * width + np.searchsorted(distinct, moments))


def _new_to_user(source: Histories, n_items: int) -> Bools:
    """Whether each event is the first of its user on its item."""
    new = np.zeros(len(source.items), dtype=bool)
    new[np.unique(source.owners * n_items + source.items, return_index=True)[1]] = True
    return new


def _queries_between(
    dataset: Dataset, start: float, end: float, per_user: int, staleness: float | None, repeats: bool
) -> Queries:
    """Make one query of each event in `start <= time < end`."""
    source = dataset.histories
    wanted = (source.times >= start) & (source.times < end)
    if not repeats:
        wanted &= _new_to_user(source, dataset.n_items)
    events = np.flatnonzero(wanted)
    users = source.owners[events]
    nth = np.arange(len(events)) - np.searchsorted(users, users)
    events, users = events[nth < per_user], users[nth < per_user]
    full_ends = _first_at_or_after(source, users, source.times[events])
    moments = np.full(len(users), start) if staleness is None else source.times[events] - staleness
    ends = full_ends if staleness == 0 else _first_at_or_after(source, users, moments)
    return replace(_queries_of(source, events), ends=ends, full_ends=full_ends)
