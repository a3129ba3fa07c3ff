"""What a policy is: a step from scored candidates to scored candidates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol

from tailrank.arrays import Floats


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
    """

    scores: Floats
    rarity: Floats
    contributions: Mapping[str, Floats] = field(default_factory=dict)
    bonus: Floats | None = None

    def plus(self, name: str, contribution: Floats) -> Scored:
        """Add a step's contribution to the scores; what steps of one name add is added up."""
        before = self.contributions.get(name)
        added = contribution if before is None else before + contribution
        contributions = {**self.contributions, name: added}
        return replace(self, scores=self.scores + contribution, contributions=contributions)


class Policy(Protocol):
    """One step; a dataclass whose fields are its settings.

    A step may look at the whole list, which signals never do.
    """

    name: ClassVar[str]

    def apply(self, scored: Scored) -> Scored:
        """Give the candidates new scores; what was added is noted under the step's name."""
        ...


def apply_all(policies: Iterable[Policy], scored: Scored) -> Scored:
    """Apply steps one after the other."""
    for policy in policies:
        scored = policy.apply(scored)
    return scored
