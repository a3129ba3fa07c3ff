"""What each step does to a list: which candidates it takes away or moves, and by which rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tailrank.policy.base import Policy, Scored
from tailrank.policy.rule import Rule
from tailrank.policy.rules import Rules


class Moved(NamedTuple):
    """A candidate that changed places, with its rank before, which counts those removed since, and after."""

    item_id: str
    before: int
    after: int


class ActingOn(NamedTuple):
    """A rule that holds, and the candidates that meet it."""

    rule: Rule
    items: tuple[str, ...]


@dataclass(frozen=True)
class Effect:
    """What a step did.

    Attributes
    ----------
    removed
        Candidates that it took from the list, and why.
    moved
        The others whose place among each other changed, best first.
    acting
        Of rules, those that hold and that a candidate meets.
    """

    removed: dict[str, str]
    moved: list[Moved]
    acting: list[ActingOn]


@dataclass(frozen=True)
class Watched:
    """A step that notes what it does to one list.

    Attributes
    ----------
    step
        What it does.
    effects
        One a list.
    """

    step: Policy
    effects: list[Effect] = field(default_factory=list)

    @property
    def name(self) -> str:
        """That of the step."""
        return self.step.name

    @property
    def listwise(self) -> bool:
        """Always: lists are watched one by one."""
        return True

    def apply(self, scored: Scored) -> Scored:
        """Do what the step does, and note it."""
        listing, after = scored.listing_for(self.name), self.step.apply(scored)
        ids = np.array(listing.ids, np.object_)
        rules = list[ActingOn]()
        if isinstance(self.step, Rules):
            acting = self.step.table.acting(listing)
            rules = [
                ActingOn(rule, tuple(ids[met])) for rule, met in zip(acting.rules, acting.which, strict=True)
            ]
        self.effects.append(Effect(_removed(scored, after, ids), _moved(scored, after, ids), rules))
        return after


def _removed(before: Scored, after: Scored, ids: npt.NDArray[np.object_]) -> dict[str, str]:
    found, left = dict[str, str](), before.left
    for reason, which in after.removed.items():
        for name in ids[which & left]:
            found.setdefault(name, reason)
    return found


def _moved(before: Scored, after: Scored, ids: npt.NDArray[np.object_]) -> list[Moved]:
    old, stays = before.order.tolist(), after.left
    ranks = {at: rank for rank, at in enumerate(old, 1)}
    stayed = [at for at in old if stays[at]]
    pairs = enumerate(zip(after.order.tolist(), stayed, strict=True), 1)
    return [Moved(ids[at], ranks[at], rank) for rank, (at, former) in pairs if at != former]
