"""Whether lists of another system go together with a data set, and what can be judged or learned by them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from tailrank.data.dataset import Dataset
from tailrank.data.lists import Lists
from tailrank.errors import DataError
from tailrank.evaluation.occasions import Occasion, Plan

FEWEST: Final = 20
"""Lists that are measured, at least."""

NAMED: Final = 3
MIN_EVENTS: Final = 2
"""Events of one user that fitting needs: one to learn from, one to choose its settings by."""


def unknown_users(lists: Lists, dataset: Dataset) -> list[str]:
    """List the users without events."""
    return sorted(set(lists.users).difference(dataset.user_ids.to_list()))


def doubts(lists: Lists, dataset: Dataset) -> list[str]:
    """Say what may not be meant as it is: in the table itself, and in the ids of its users."""
    return [f"{lists.name}: {doubt}" for doubt in (*lists.doubts, *_doubt_of_users(lists, dataset))]


def _doubt_of_users(lists: Lists, dataset: Dataset) -> list[str]:
    unknown, n = unknown_users(lists, dataset), len(set(lists.users))
    if not unknown:
        return []
    if len(unknown) == n:
        return [
            f"NONE of the {n:,} users is in events, so that tailrank knows nobody's history, and seems worse "
            f"than it is. Each user_id must be one of events, such as {dataset.user_ids[0]!r}; the lists "
            f"have {lists.users[0]!r}."
        ]
    return [
        f"{len(unknown):,} of {n:,} users aren't in events, and are ranked without a history: "
        f"{some(unknown, len(unknown))}. If they aren't new, write each user_id as in events."
    ]


def some(names: Sequence[str], n: int) -> str:
    """Name the first few of `n`."""
    return ", ".join(names[:NAMED]) + (", …" if n > NAMED else "")


def check_plan(lists: Lists, planned: Plan, dataset: Dataset) -> None:
    """Check that there are enough lists to measure, of items and after events that the data set has.

    Raises
    ------
    DataError
        If not; with the reason.
    """
    if max(map(len, lists.items)) < 2:
        raise DataError(
            f"{lists.name}: each list holds a single item, so there is no order to judge. Give the items of "
            "a list the same ranking_id, or the same user and time."
        )
    if not any(name in dataset.item_index for items in lists.items for name in items):
        raise DataError(
            f"{lists.name}: no item of the lists is in items of {dataset.name}: they have "
            f"{lists.items[0][0]!r}, items has {dataset.item_ids[0]!r}. Write each item_id as in items."
        )
    if len(planned.measured) < FEWEST:
        why = " ".join(filter(None, (not_measured(planned), *_doubt_of_users(lists, dataset))))
        told = (
            f"{lists.name}: {len(planned.measured)} of {len(lists):,} lists can be measured, by "
            f"{planned.chosen}; give at least {FEWEST} lists of users with events. {why}"
        )
        raise DataError(told.rstrip())
    _check_events(lists, planned.measured, planned.late)


def check_learning(lists: Lists, planned: Plan) -> None:
    """Check that the weights of scores can be learned from other lists than those that are measured.

    Raises
    ------
    DataError
        If not; with the reason.
    """
    if not planned.learning:
        raise DataError(
            f"{lists.name}: the lists can't be parted into those that weights of scores are learned from and "
            f"later ones that are measured{_at_one_time(lists)}. Give each list the time when it was made, "
            "or leave out the scores."
        )
    check_choices(lists, planned.learning)
    _check_events(lists, planned.learning, planned.early)


def check_choices(lists: Lists, occasions: Sequence[Occasion]) -> None:
    """Check that lists hold what was chosen, once at least.

    Raises
    ------
    DataError
        If not.
    """
    if all(each.chosen.isdisjoint(lists.items[each.row]) for each in occasions):
        raise DataError(
            f"{lists.name}: none of the {len(occasions):,} lists that weights of scores are learned from "
            "holds what its user chose. Give lists that were shown before the choice, with the ids of items."
        )


def not_measured(planned: Plan) -> str:
    """Say why lists aren't measured; nothing if all are."""
    reasons = [f"{n:,} {why}" for why, n in planned.unmeasured.items() if n]
    return f"Not measured: {'; '.join(reasons)}." if reasons else ""


def _at_one_time(lists: Lists) -> str:
    if lists.times is None or lists.times.min() < lists.times.max():
        return ""
    return f": all of them are of {_moment(lists.times[0])}"


def _check_events(lists: Lists, occasions: Sequence[Occasion], known: Dataset) -> None:
    """Check that a model can be fitted on what is known before some lists."""
    if known.histories.lengths.max() >= MIN_EVENTS or lists.times is None:
        return
    n, first = len(known.histories.items), min(lists.times[each.row] for each in occasions)
    few = f"only {n:,} events of {known.name} are" if n else f"no event of {known.name} is"
    raise DataError(
        f"{lists.name}: {few} before the lists from {_moment(first)} on: too little to fit a model on, which "
        f"needs users with at least {MIN_EVENTS}. Give later lists, or earlier events."
    )


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
