"""What each dial of a policy gives for what it takes, and the point that meets a constraint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl

from tailrank.arrays import Bools, Doubles
from tailrank.errors import RequestError, instead_of
from tailrank.policy.base import Policy
from tailrank.policy.objective import Objective, as_numbers
from tailrank.policy.registry import from_description

MAX_LOSS: Final = 0.01
"""Share of ndcg@10 that a chosen setting may lose on validation queries."""

Metrics = dict[str, float | None]


@dataclass(frozen=True)
class Dial:
    """One setting of a step, to be turned.

    Attributes
    ----------
    step
        Name of the step.
    setting
        Name of the setting.
    values
        What it is turned to, the weakest first; before the first of them the step changes nothing.
    fixed
        The other settings.
    """

    step: str
    setting: str
    values: tuple[float, ...]
    fixed: Mapping[str, object] = field(default_factory=dict)

    @property
    def column(self) -> str | None:
        """What the dial is to raise the mean of: a column of the items; None for other dials."""
        return str(self.fixed["column"]) if self.step == Objective.name else None

    def check(self, items: pl.DataFrame) -> None:
        """Check that items have what the dial is to raise.

        Raises
        ------
        RequestError
            If they don't, or it holds no numbers.
        """
        if self.column is not None:
            if self.column not in items.columns:
                known = {name: name for name in items.columns}
                remedy = instead_of(self.column, known)
                raise RequestError(f"--frontier: items have no column `{self.column}`: {remedy}")
            as_numbers(self.column, items[self.column])

    def steps(self) -> list[Policy]:
        """Make the step with each value."""
        fixed = {"name": self.step, **self.fixed}
        return list(from_description({**fixed, self.setting: value} for value in self.values))


STRENGTHS: Final = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6)

DIALS: Final = {
    "exposure": Dial(
        "exposure", "price", (0.0002, 0.0003, 0.0005, 0.0007, 0.001, 0.0014, 0.002, 0.003, 0.005)
    ),
    "tail": Dial("tail", "strength", (0.0625, 0.125, 0.1875, 0.25, 0.3125, 0.375, 0.5, 0.75, 1.0)),
    "xquad": Dial("xquad", "strength", STRENGTHS),
    "calibration": Dial("calibration", "strength", STRENGTHS),
    "mmr": Dial("diversity", "strength", STRENGTHS, {"strategy": "mmr"}),
    "msd": Dial("diversity", "strength", STRENGTHS, {"strategy": "msd"}),
    "dpp": Dial("diversity", "strength", STRENGTHS, {"strategy": "dpp"}),
}
"""What can be turned, by name: `tail` subtracts popularity."""

WEIGHTS: Final = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2)
"""Of an objective: log-odds for a standard deviation."""

OBJECTIVE: Final = f"{Objective.name}:"
"""What the name of such a dial begins with; the column follows."""


def find_dials(names: Sequence[str]) -> dict[str, Dial]:
    """Find dials by their names.

    Raises
    ------
    RequestError
        On a name that has none, listing those there are.
    """
    return {name: _find_dial(name) for name in names}


def _find_dial(name: str) -> Dial:
    column = name.removeprefix(OBJECTIVE)
    if column and column != name:
        return Dial(Objective.name, "weight", WEIGHTS, {"column": column})
    if name not in DIALS:
        known = ", ".join((*DIALS, f"{OBJECTIVE}COLUMN"))
        raise RequestError(f"--frontier {name or repr(name)}: no dial to turn: choose from {known}")
    return DIALS[name]


def mean_of(column: str) -> str:
    """Name the metric that is the mean of a column over the first ten."""
    return f"mean {column}@10"


def undominated(points: Doubles) -> Bools:
    """Say which points no other one beats: has more of one coordinate, and no less of any; shape (points,).

    Parameters
    ----------
    points
        Shape (points, coordinates).

    Examples
    --------
    >>> undominated(np.array([[1.0, 1.0], [0.9, 2.0], [0.8, 1.5], [0.9, 2.0]])).tolist()
    [True, True, False, True]
    """
    beaten = [((points >= one).all(axis=1) & (points > one).any(axis=1)).any() for one in points]
    return ~np.array(beaten, bool)


@dataclass(frozen=True)
class Change:
    """How a metric of a chosen setting differs from that without the step, on the same test queries.

    `relative` is a share of the latter; `ci95` bounds `difference` by bootstrap over users, None without two
    users.
    """

    metric: str
    difference: float
    relative: float | None
    ci95: tuple[float, float] | None


@dataclass(frozen=True)
class Point:
    """Metrics of the lists at one value of a dial; `value` is None without the step."""

    value: float | None
    validation: Metrics
    test: Metrics


@dataclass(frozen=True)
class Curve:
    """One dial from its weakest value to its strongest.

    Attributes
    ----------
    dial, setting
        What is turned.
    points
        One a value.
    chosen
        Which of the points is the choice; None if none meets the constraint.
    changes
        What the choice changes on test queries.
    gain
        Of an objective: the metric that it is to raise.
    front
        Of an objective: the values on its Pareto front, where none has more of ndcg@10 or of `gain` without
        less of the other on test queries; None is the list without the step.
    """

    dial: str
    setting: str
    points: list[Point]
    chosen: int | None
    changes: list[Change] = field(default_factory=list)
    gain: str | None = None
    front: list[float | None] = field(default_factory=list)

    def at_loss(self, metric: str, loss: float, plain: Point) -> float | None:
        """Read a test metric where the curve has lost a share of ndcg@10; None if it never loses that much.

        Between points it is linear; of several crossings the last counts.
        """
        rows = [(each.test["ndcg@10"], each.test[metric]) for each in (plain, *self.points)]
        gains, values = np.array(rows, np.float64).T
        least = (1 - loss) * gains[0]
        crossed = np.flatnonzero((gains[:-1] >= least) & (gains[1:] < least))
        if not len(crossed):
            return None
        ends = slice(crossed[-1], crossed[-1] + 2)
        return float(np.interp(-least, -gains[ends], values[ends]))


@dataclass(frozen=True)
class Frontier:
    """Curves of several dials, on the fair ground.

    Attributes
    ----------
    max_loss
        The constraint: the share of ndcg@10 that a choice may lose on validation queries.
    shortlist
        How many of the best items of each list the steps saw.
    queries
        How many were measured, on validation and on test.
    plain
        The lists without any step.
    curves
        One a dial.
    """

    max_loss: float
    shortlist: int
    queries: tuple[int, int]
    plain: Point
    curves: list[Curve]


def choose(plain: float, found: Sequence[float], max_loss: float) -> int | None:
    """Choose the strongest of settings, the weakest first, that loses no more than it may.

    Examples
    --------
    >>> choose(0.1, [0.1002, 0.0995, 0.097], max_loss=0.01)
    1
    >>> choose(0.1, [0.09, 0.08], max_loss=0.01)
    """
    affordable = np.flatnonzero(np.array(found) >= (1 - max_loss) * plain)
    return int(affordable[-1]) if len(affordable) else None
