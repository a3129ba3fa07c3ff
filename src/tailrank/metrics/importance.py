"""Importance weights: how much more often a target policy would have made each logged choice."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from tailrank.arrays import Bools, Codes, Doubles
from tailrank.errors import RequestError
from tailrank.metrics.estimate import by_user, effective_size, standard_error

LEAST_SIZE: Final = 30
"""Effective size below which a log says nothing of a target."""

LEAST_REWARDS: Final = 5.0
"""Rewards, out of the rows of the effective size, below which their spread isn't known."""

LARGEST: Final = 1e15
"""What no reward or prediction exceeds: of larger ones, fourth powers may be no numbers any more."""

LARGEST_WEIGHT: Final = 1e30
"""What no weight exceeds, for the same reason; a log with such a weight says nothing of the target."""

SURE: Final = 4.0
"""Standard errors by which weights are off for sure, though their own spread is estimated, too."""

TOLERANCE: Final = 0.05
"""How far weights may be off on average if propensities are rounded, or simulated."""


def checked(name: str, given: npt.ArrayLike, like: Doubles | None = None) -> Doubles:
    """Read values of a log as an array of shape (n, positions).

    Parameters
    ----------
    name
        Of the values, for messages.
    given
        Shape (n,), which is one position, or (n, positions).
    like
        Values that these must be as many as.

    Raises
    ------
    RequestError
        If they are none, have another shape, or hold a value that isn't finite, or beyond `LARGEST`.
    """
    values = np.asarray(given, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or not values.size:
        raise RequestError(
            f"{name} has shape {values.shape}: give (n,) or (n, positions), with a row at least"
        )
    if like is not None and values.shape != like.shape:
        raise RequestError(f"{name} has shape {values.shape}, rewards have {like.shape}: give one for each")
    _refuse(name, values, ~(np.abs(values) <= LARGEST), f"give a finite number, within ±{LARGEST:g}")
    return values


def chances(name: str, given: npt.ArrayLike, like: Doubles, *, logged: bool) -> Doubles:
    """Read the chances of choices; those of choices that were logged are above 0.

    Raises
    ------
    RequestError
        As `checked` does, or if a value isn't a chance.
    """
    values = checked(name, given, like)
    low = values <= 0 if logged else values < 0
    remedy = "it was chosen, so its chance is above 0 and at most 1" if logged else "a chance is from 0 to 1"
    _refuse(name, values, low | (values > 1), remedy)
    return values


def weights_of(propensities: npt.ArrayLike, target: npt.ArrayLike, rewards: Doubles) -> Doubles:
    """Divide a target's chances by the logged ones; shape (n, positions).

    Raises
    ------
    RequestError
        If either isn't the chances of choices, or a weight is too large to say anything.
    """
    logged = chances("propensities", propensities, rewards, logged=True)
    with np.errstate(over="ignore"):
        return _bounded(chances("target", target, rewards, logged=False) / logged)


def down_to(weights: Doubles) -> Doubles:
    """Multiply weights from the top of each ranking down to each position; shape (n, positions).

    Raises
    ------
    RequestError
        If a product is too large to say anything.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return _bounded(weights.cumprod(axis=1))


def _bounded(weights: Doubles) -> Doubles:
    remedy = "the log hardly ever shows what the target would: take a target nearer to the log"
    _refuse("weights", weights, ~(weights <= LARGEST_WEIGHT), remedy)
    return weights


def smallest_size(weights: Doubles) -> float:
    """Give the effective size at the position where it is smallest; weights have shape (n, positions)."""
    return min(map(effective_size, weights.T))


def check(weights: Doubles, rewards: Doubles, users: Codes | None) -> None:
    """Check that a log shows what a target would, often enough, and what comes of it.

    Wherever the log has a chance of it, weights average 1 (the control of Lefortier et al., "Large-scale
    validation of counterfactual learning methods", 2016): less is what the target shows and the log can't.

    Parameters
    ----------
    weights, rewards
        Shape (n, positions).
    users
        User code of each row, shape (n,), or None.

    Raises
    ------
    RequestError
        If weights are off by more than chance or too unequal, or rewards too rare, with the remedy.
    """
    if users is not None and len(users) != len(rewards):
        raise RequestError(
            f"users has {len(users)} values, rewards have {len(rewards)} rows: give one for each"
        )
    if not np.ptp(rewards):
        raise RequestError(f"rewards are all {rewards.flat[0]:g}: log until some differ")
    for position, each in enumerate(weights.T):
        fault = _fault(each, users)
        if fault is not None:
            place = f"position {position + 1}: " if weights.shape[1] > 1 else ""
            raise RequestError(place + fault)
    told = smallest_size(weights) / _kurtosis(rewards.sum(axis=1))
    if told < LEAST_REWARDS:
        raise RequestError(
            f"rewards are too rare: {told:.1f} of them would tell (at least {LEAST_REWARDS:g} must): log "
            "more, or take a target nearer to the log"
        )


def _fault(weights: Doubles, users: Codes | None) -> str | None:
    """Say what is wrong with the weights of one position, shape (n,); None if nothing is."""
    average, size = float(weights.mean()), effective_size(weights)
    spread = standard_error(by_user(weights - average, users))
    allowed = max(SURE * spread, TOLERANCE)
    if average < 1 - allowed:
        return (
            f"the log never shows about {1 - average:.0%} of what the target would: the weights average "
            f"{average:.2f} instead of 1. Log with exploration, or take a target nearer to the log"
        )
    if average > 1 + allowed:
        return (
            f"the weights average {average:.2f} instead of 1, so propensities or target aren't the chances "
            "of what was shown: check that both are of the same choice"
        )
    if size < LEAST_SIZE:
        return (
            f"{len(weights):,} rows say as much of the target as {size:.1f} would of the log (effective "
            f"sample size; at least {LEAST_SIZE}): log more, or with more exploration, or take a target "
            "nearer to the log"
        )
    return None


def _kurtosis(rewards: Doubles) -> float:
    """Divide the fourth moment by the squared variance: one row in so many has a reward, if it is rare."""
    squares = (rewards - rewards.mean()) ** 2
    return float(np.mean(squares**2) / np.mean(squares) ** 2) if np.any(squares) else 1.0


def _refuse(name: str, values: Doubles, bad: Bools, remedy: str) -> None:
    if bad.any():
        row, position = map(int, np.argwhere(bad)[0])
        place = f"{row}, {position}" if values.shape[1] > 1 else f"{row}"
        raise RequestError(f"{name}[{place}] is {values[row, position]:g}: {remedy}")
