"""What is known of the lists of another system: what users had done before each, and what they chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from tailrank.arrays import Seconds
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Event
from tailrank.data.lists import Lists
from tailrank.data.splits import before
from tailrank.errors import DataError

LEARNED: Final = (0.25, 0.5)
"""Shares of all lists that are earlier than those that weights are learned from, and those measured."""


class Occasion(NamedTuple):
    """A list, what its user had done before, and what the user chose.

    Attributes
    ----------
    row
        Of the list.
    history
        Events before it, oldest first.
    chosen
        Item ids, at least one; the list may lack some.
    """

    row: int
    history: Sequence[Event]
    chosen: frozenset[str]


@dataclass(frozen=True)
class Plan:
    """What is learned from, and what is measured.

    Attributes
    ----------
    learning, measured
        Lists that the weights of the scores are learned from, and others, that are measured.
    early, late
        What signals know when they rank the first, and the second.
    chosen
        How it is known what a user chose, in words.
    unmeasured
        How many lists aren't measured, by the reason.
    """

    learning: Sequence[Occasion]
    measured: Sequence[Occasion]
    early: Dataset
    late: Dataset
    chosen: str
    unmeasured: Mapping[str, int]


def plan(lists: Lists, dataset: Dataset, seed: int) -> Plan:
    """Find what users chose, and part lists into those that are learned from and those that are measured.

    Nothing that ranks a list knows what was chosen from it, or later; so what was taught is left out. If
    lists and events have times, the later half of the lists is measured, and the second quarter learned from.
    What a user chose is what was clicked or, if that isn't known, the next event. Without times it is the
    last event, and one half of the users is learned from.

    Parameters
    ----------
    lists
        Of another system.
    dataset
        Events of their users, and others.
    seed
        Of the halves.

    Raises
    ------
    DataError
        If lists with clicks lack times, or there aren't enough events.
    """
    dataset = replace(dataset, taught=None)
    if lists.times is not None and dataset.clock == "timestamp":
        return _plan_by_time(lists, lists.times, dataset)
    if lists.clicked is not None:
        raise DataError(
            f"{lists.name}: lists with `clicked` need a `timestamp`, and so do the events of {dataset.name}: "
            "otherwise nobody can tell what a user had done before."
        )
    return _plan_by_order(lists, dataset, seed)


def _plan_by_order(lists: Lists, dataset: Dataset, seed: int) -> Plan:
    h, user_of = dataset.histories, {user: code for code, user in enumerate(dataset.user_ids)}
    ends = h.offsets[1:] - (h.lengths > 1)
    later = np.random.default_rng(seed).random(dataset.n_users) < 0.5
    learning: list[Occasion] = []
    measured: list[Occasion] = []
    for row, name in enumerate(lists.users):
        user = user_of.get(name)
        if user is not None and h.lengths[user] > 1:
            history = dataset.events(h, slice(h.offsets[user], ends[user]))
            occasion = Occasion(row, history, frozenset([dataset.item_ids[h.items[ends[user]]]]))
            (measured if later[user] else learning).append(occasion)
    known = dataset.until(ends)
    unmeasured = {
        "of users with fewer than 2 events": len(lists) - len(learning) - len(measured),
        "of the half of the users that is left to learning": len(learning),
    }
    return Plan(learning, measured, known, known, "a user's last event, held out", unmeasured)


def _plan_by_time(lists: Lists, times: Seconds, dataset: Dataset) -> Plan:
    user_of, h = {user: code for code, user in enumerate(dataset.user_ids)}, dataset.histories
    occasions = []
    for row, (name, moment) in enumerate(zip(lists.users, times.tolist(), strict=True)):
        user = user_of.get(name)
        start, end = (0, 0) if user is None else h.offsets[user : user + 2].tolist()
        now = start + int(np.searchsorted(h.times[start:end], moment))
        if lists.clicked is not None:
            chosen = {name for name, hit in zip(lists.items[row], lists.clicked[row], strict=True) if hit}
        else:
            chosen = {dataset.item_ids[code] for code in h.items[now:end][:1]}
        if chosen:
            occasions.append(Occasion(row, dataset.events(h, slice(start, now)), frozenset(chosen)))
    moments = times[[occasion.row for occasion in occasions]]
    first, middle = np.quantile(moments, LEARNED) if len(moments) else (np.inf, np.inf)
    learning = [o for o, moment in zip(occasions, moments, strict=True) if first <= moment < middle]
    measured = [o for o, moment in zip(occasions, moments, strict=True) if moment >= middle]
    clicks = lists.clicked is not None
    chosen_by = "what the user clicked" if clicks else "the user's next event"
    unmeasured = {
        "without a click" if clicks else "after which their user has no event": len(lists) - len(occasions),
        "of the earlier half by time, which is left to learning": len(occasions) - len(measured),
    }
    early, late = before(dataset, first), before(dataset, middle)
    return Plan(learning, measured, early, late, chosen_by, unmeasured)
