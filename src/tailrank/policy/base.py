"""What a policy is: a step from scored candidates to scored candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
import polars as pl

from tailrank.arrays import Bools, Floats, Offsets
from tailrank.errors import RequestError

Scalar: TypeAlias = str | int | float | bool | None

Reader: TypeAlias = Callable[[Sequence[Any]], Sequence[Any]]
"""Reads values, each by itself."""


def plain(values: Sequence[Any]) -> Sequence[Any]:
    """Read values as they are; lists as tuples, by which other things can be looked up."""
    return [tuple(value) if isinstance(value, list) else value for value in values]


class Listing(Protocol):
    """What a step may ask of the list that it works on; each is looked up when it is first asked for."""

    @property
    def ids(self) -> Sequence[str]:
        """Item ids of the candidates."""
        ...

    @property
    def history(self) -> Sequence[str]:
        """Item ids of the user's events, oldest first, unknown ones included."""
        ...

    @property
    def times(self) -> Sequence[float]:
        """Of these events, in seconds; minus infinity for one without a time."""
        ...

    @property
    def types(self) -> Sequence[str]:
        """Of these events; empty for one without a type."""
        ...

    @property
    def now(self) -> float:
        """When the list is made, in seconds since 1970."""
        ...

    @property
    def shown(self) -> Mapping[str, Sequence[float]]:
        """When items were shown to the user lately, in seconds since 1970, by their ids."""
        ...

    @property
    def context(self) -> Mapping[str, Scalar]:
        """What the request says of itself, such as the market, by name."""
        ...

    @property
    def tail(self) -> Bools:
        """Which candidates are outside the most popular 20%, shape (candidates,); new ones are."""
        ...

    @property
    def history_tail(self) -> Bools:
        """Which items of the history are, shape (events,)."""
        ...

    @property
    def vectors(self) -> Floats | None:
        """What the candidates mean, as unit vectors, shape (candidates, dimensions).

        Zero for one without text; None if the model reads no texts.
        """
        ...

    def attribute(self, name: str, read: Reader = plain) -> npt.NDArray[np.object_]:
        """Give what the data say of the candidates, as `read` reads it, shape (candidates,).

        It reads values of the column, None where nothing is said. Those of the items learned from are read
        once for all requests.

        Raises
        ------
        RequestError
            If the data have no such column.
        """
        ...

    def of_history(self, name: str, read: Reader = plain) -> npt.NDArray[np.object_]:
        """Give the same of the items of the history, shape (events,)."""
        ...

    def derived(self, name: str, find: Callable[[pl.DataFrame], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Give what follows from the columns of each candidate, shape (candidates, ...).

        `find` takes items as a frame of the columns that the data have, and gives a row for each. It is
        called for all items once, and again for those that change; `name` tells what it finds out.
        """
        ...

    def derived_of_history(
        self, name: str, find: Callable[[pl.DataFrame], npt.NDArray[Any]]
    ) -> npt.NDArray[Any]:
        """Give the same of the items of the history, shape (events, ...)."""
        ...


class Reordering(NamedTuple):
    """The best of a list before a step, as positions of candidates, and which of them came to each rank."""

    best: Offsets
    order: Sequence[int]


@dataclass(frozen=True)
class Scored:
    """Candidates on their way through the policies.

    Attributes
    ----------
    scores
        Log-odds so far, shape (..., candidates): each row of the last axis is one list.
    rarity
        Of each candidate, shape (candidates,): 1 without any training interaction, 0 for the most popular.
    contributions
        What each step added, by its name; each broadcasts to the shape of `scores`.
    bonus
        What exploration would like to add to each score, of their shape; None if nothing is explored.
    listing
        What steps that look at the list may ask of it; None where only scores are known.
    removed
        Which candidates leave the list, by the reason; each broadcasts to the shape of `scores`. They keep
        their scores.
    explored
        What exploration did to one list; None if nothing.
    """

    scores: Floats
    rarity: Floats
    contributions: Mapping[str, Floats] = field(default_factory=dict)
    bonus: Floats | None = None
    listing: Listing | None = None
    removed: Mapping[str, Bools] = field(default_factory=dict)
    explored: Reordering | None = None

    def listing_for(self, name: str) -> Listing:
        """Give the listing to the step of that name.

        Raises
        ------
        RequestError
            If only scores are known.
        """
        if self.listing is None:
            raise RequestError(f"policy {name!r} looks at the list, and only its scores are known here")
        return self.listing

    def plus(self, name: str, contribution: Floats) -> Scored:
        """Add a step's contribution to the scores; what steps of one name add is added up."""
        return replace(self, scores=self.scores + contribution, contributions=self._with(name, contribution))

    def _with(self, name: str, contribution: Floats) -> Mapping[str, Floats]:
        before = self.contributions.get(name)
        return {**self.contributions, name: contribution if before is None else before + contribution}

    def without(self, reason: str, which: Bools) -> Scored:
        """Take candidates from the list; the first reason of each counts."""
        before = self.removed.get(reason)
        return replace(self, removed={**self.removed, reason: which if before is None else before | which})

    @property
    def left(self) -> Bools:
        """Which candidates are still in the list, of the shape of `scores`."""
        left = np.ones(self.scores.shape, bool)
        for which in self.removed.values():
            left &= ~which
        return left

    @cached_property
    def order(self) -> Offsets:
        """The candidates of one list that are left, best first; equal ones as in the request."""
        ranked: Offsets = (-self.scores).argsort(kind="stable")
        return ranked[self.left[ranked]] if self.removed else ranked

    def reordered(self, name: str, top: Offsets) -> Scored:
        """Put one list into another order, in which each candidate takes over the score of its new rank.

        So the scores of the list stay as they were, and what a step moved is a contribution like any other.

        Parameters
        ----------
        name
            Of the step.
        top
            Positions of the candidates that come first, best first, shape (ranks,): distinct ones, and none
            that was removed. The others follow as they did.
        """
        before = self.order
        others = np.ones(len(self.scores), bool)
        others[top] = False
        order, scores = np.concatenate([top, before[others[before]]]), self.scores.copy()
        scores[order] = falling(self.scores[before])
        # Not by `plus`: adding up rounds, which could reorder what is nearly equal.
        found = replace(self, scores=scores, contributions=self._with(name, scores - self.scores))
        vars(found)["order"] = order  # sorting would only find it again
        return found

    def rows(self) -> Iterator[Scored]:
        """Give the lists one by one."""
        lists = self.scores.reshape(-1, self.scores.shape[-1])
        bonus = np.zeros((), np.float32) if self.bonus is None else self.bonus
        bonuses = np.broadcast_to(bonus, self.scores.shape).reshape(lists.shape)
        for scores, wish in zip(lists, bonuses, strict=True):
            yield replace(self, scores=scores, bonus=None if self.bonus is None else wish)


class Policy(Protocol):
    """One step; a dataclass whose fields are its settings.

    A step may look at the whole list, which signals never do.
    """

    name: ClassVar[str]
    listwise: ClassVar[bool]
    """Whether it takes one list at a time."""

    def apply(self, scored: Scored) -> Scored:
        """Give the candidates new scores, noted under the step's name, or take some away."""
        ...


@runtime_checkable
class ChecksItems(Protocol):
    """A step that can say before any ranking whether it fits the items."""

    def check(self, listing: Listing) -> None:
        """Check a listing of all items.

        Raises
        ------
        RequestError
            If the step can't work on them, or contradicts itself.
        """
        ...


def apply_all(policies: Iterable[Policy], scored: Scored) -> Scored:
    """Apply steps one after the other.

    Raises
    ------
    RequestError
        If a step needs to know what `scored` doesn't say.
    """
    steps = tuple(policies)
    if scored.scores.ndim > 1 and any(policy.listwise for policy in steps):
        return _stacked([apply_all(steps, row) for row in scored.rows()], scored)
    for policy in steps:
        scored = policy.apply(scored)
    return scored


def _stacked(rows: Sequence[Scored], given: Scored) -> Scored:
    """Put lists together again; what a step didn't add to one of them is 0."""
    shape = given.scores.shape

    def together(found: Sequence[Mapping[str, npt.NDArray[Any]]], none: npt.NDArray[Any]) -> dict[str, Any]:
        names = dict.fromkeys(name for each in found for name in each)
        return {name: np.array([each.get(name, none) for each in found]).reshape(shape) for name in names}

    nothing = np.zeros(shape[-1], np.float32)
    return replace(
        given,
        scores=np.array([row.scores for row in rows], np.float32).reshape(shape),
        contributions=together([row.contributions for row in rows], nothing),
        removed=together([row.removed for row in rows], nothing.astype(bool)),
    )


def falling(scores: Floats) -> Floats:
    """Lower equal scores by the least that can be, so that their order is that of ranks; shape (ranks,)."""
    if (scores[1:] < scores[:-1]).all():
        return scores
    lowered = scores.copy()
    for rank in range(1, len(lowered)):
        lowered[rank] = min(lowered[rank], np.nextafter(lowered[rank - 1], np.float32(-np.inf)))
    return lowered
