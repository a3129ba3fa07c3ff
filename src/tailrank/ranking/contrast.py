"""Why one item is above another: the difference of their scores, taken apart."""

from __future__ import annotations

from dataclasses import dataclass

from tailrank.errors import RequestError
from tailrank.ranking.display import html_table
from tailrank.ranking.explanation import LEAST, Explanation, Reason, reasons
from tailrank.ranking.parts import LIST_MEAN


@dataclass(frozen=True)
class Contrast:
    """What sets an item apart from one below it.

    Attributes
    ----------
    above, below
        Explanations of the two, of one ranking.

    Raises
    ------
    RequestError
        If they are of different rankings, or the first has the lower score.
    """

    above: Explanation
    below: Explanation

    def __post_init__(self) -> None:
        names = [each.contributions.keys() for each in (self.above, self.below)]
        means = [each.contributions[LIST_MEAN] for each in (self.above, self.below)]
        if self.above.events != self.below.events or names[0] != names[1] or means[0] != means[1]:
            raise RequestError("two items can be compared only if one call of `explain` explained both")
        if self.difference < 0:
            raise RequestError(
                f"{self.above.item_id!r} is below {self.below.item_id!r}: give the higher one first"
            )

    def __repr__(self) -> str:
        parts = ", ".join(f"{each.name} {each.lift:+.2f}" for each in self.reasons if abs(each.lift) >= LEAST)
        return f"Contrast({self.above.item_id!r} above {self.below.item_id!r}: {parts})"

    def _repr_html_(self) -> str:
        rows = [(each.name, each.lift, each.event or "") for each in self.reasons]
        heading = f"{self.above.item_id} above {self.below.item_id}"
        return html_table([heading, "log-odds", "most by"], [*rows, ("difference", self.difference, "")])

    @property
    def difference(self) -> float:
        """Of the two scores."""
        return self.above.score - self.below.score

    @property
    def reasons(self) -> list[Reason]:
        """What the upper item has more of, from what speaks for it most to what speaks against it most.

        The lifts are differences of contributions and add up to that of the scores.
        """
        return self.strongest()

    def strongest(self, first: int | None = None) -> list[Reason]:
        """Give the first of the reasons, and the last; None gives all."""
        contributions = _less(self.above.contributions, self.below.contributions)
        return reasons(contributions, self._by_event, self.above.events, first)

    def _by_event(self, name: str) -> list[float] | None:
        """Give the difference of the shares of events; none to an unknown item, which has none."""
        above, below = self.above.by_event.get(name), self.below.by_event.get(name)
        if above is None or below is None:
            return None
        return [a - b for a, b in zip(above, below, strict=True)]

    @property
    def leanings(self) -> dict[str, float]:
        """How much more of a signal the upper item has, before weights."""
        return _less(self.above.leanings, self.below.leanings)

    @property
    def lacking(self) -> frozenset[str]:
        """Names of the vector spaces that say nothing of one of the two, and so don't compare them."""
        return self.above.lacking | self.below.lacking


def _less(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    return {name: value - other[name] for name, value in one.items() if name in other}
