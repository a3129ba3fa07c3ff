"""Off-policy evaluation: what another policy would have earned, from a log that says how it was made.

Each estimator takes arrays of shape (n,), a choice a row, or (n, positions), a ranking a row; then the value
is the reward of a whole ranking, and each position counts by the chance of its own item, whatever is shown
beside it (Li et al., "Offline evaluation of ranking policies with click models", KDD 2018, the item-position
model). That is unbiased if a click depends on the item and its position alone: an impression's propensities
fit it. `off_policy_slates` has estimators for users who look at the other items, too.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tailrank.arrays import Codes, Doubles
from tailrank.metrics.estimate import Estimate
from tailrank.metrics.importance import check, checked, smallest_size, weights_of

__all__ = ["Estimate", "doubly_robust", "ips", "on_policy", "snips"]


def on_policy(rewards: npt.ArrayLike, *, users: Codes | None = None) -> Estimate:
    """Average what the log itself earned: what others are compared with by `Estimate.minus`.

    Parameters
    ----------
    rewards
        Shape (n,) or (n, positions).
    users
        User code of each row, shape (n,), if users have several rows: intervals then are over users.

    Raises
    ------
    RequestError
        If rewards aren't finite, are all the same, too rare, or of one user only.
    """
    earned = checked("rewards", rewards)
    return mean_of(earned, np.ones_like(earned), earned, users)


def ips(
    rewards: npt.ArrayLike,
    propensities: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    users: Codes | None = None,
) -> Estimate:
    """Weigh each reward by how much more often the target would have earned it.

    Inverse propensity scoring: the mean of w r (Horvitz and Thompson, "A generalization of sampling without
    replacement from a finite universe", JASA, 1952). Unbiased; of a large variance if w is.

    Parameters
    ----------
    rewards
        Of each choice, such as 1 for a click, shape (n,) or (n, positions). Shorter rankings are filled up by
        positions with reward 0 and equal chances.
    propensities
        The chance with which the log made each choice, in (0, 1], same shape.
    target
        The chance with which the target would, in [0, 1], same shape.
    users
        As in `on_policy`.

    Raises
    ------
    RequestError
        Naming the array and the index of a value that makes no sense; if rewards are all the same, or too
        rare; or if the log lacks what the target shows, or shows it too rarely.

    Examples
    --------
    >>> rewards, chance = np.array([1.0, 0.0, 0.0, 1.0] * 25), np.full(100, 0.5)
    >>> found = ips(rewards, chance, np.array([0.8, 0.2, 0.8, 0.2] * 25))
    >>> round(found.value, 3), round(found.effective_size, 1), found.low < found.value < found.high
    (0.5, 73.5, True)
    """
    earned = checked("rewards", rewards)
    weights = weights_of(propensities, target, earned)
    return mean_of(weights * earned, weights, earned, users)


def snips(
    rewards: npt.ArrayLike,
    propensities: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    users: Codes | None = None,
) -> Estimate:
    """Weigh rewards as `ips` does, and divide by the sum of the weights instead of the number of rows.

    Self-normalised inverse propensity scoring (Swaminathan and Joachims, "The self-normalized estimator for
    counterfactual learning", NeurIPS 2015), at each position by itself. Its bias shrinks as 1 / n; it stays
    within the range of the rewards and is steadier than `ips`. The interval knows that the sum of the weights
    varies, too: a row moves the value by w (r - value) / mean(w).

    Parameters and errors are those of `ips`.

    Examples
    --------
    >>> rewards, chance = np.array([1.0, 1.0, 1.0, 0.0] * 25), np.full(100, 0.5)
    >>> round(snips(rewards, chance, np.array([0.6, 0.4, 0.6, 0.4] * 25)).value, 3)
    0.8
    """
    earned = checked("rewards", rewards)
    weights = weights_of(propensities, target, earned)
    check(weights, earned, users)
    average = weights.mean(axis=0)
    values = (weights * earned).mean(axis=0) / average
    influence = (weights * (earned - values) / average).sum(axis=1)
    return Estimate.from_influence(float(values.sum()), influence, smallest_size(weights), users)


def doubly_robust(
    rewards: npt.ArrayLike,
    propensities: npt.ArrayLike,
    target: npt.ArrayLike,
    predicted: npt.ArrayLike,
    predicted_target: npt.ArrayLike,
    *,
    users: Codes | None = None,
) -> Estimate:
    """Take a prediction of what the target earns, and weigh only what the log shows it to be wrong by.

    The mean of q_target + w (r - q) (Dudík, Langford and Li, "Doubly robust policy evaluation and learning",
    ICML 2011). Unbiased whatever is predicted, as long as that was learned from other users; the
    better it predicts, the smaller is the variance.

    Parameters
    ----------
    rewards, propensities, target, users
        As in `ips`.
    predicted
        What was predicted of each logged choice, same shape.
    predicted_target
        The mean of the predictions over all that the target could have chosen, by its chances, same shape.

    Raises
    ------
    RequestError
        As `ips` does.

    Examples
    --------
    >>> rewards, chance = np.array([1.0, 1.0, 1.0, 0.0] * 25), np.full(100, 0.5)
    >>> target, predicted = np.array([0.6, 0.4, 0.6, 0.4] * 25), np.array([0.9, 0.6, 0.9, 0.6] * 25)
    >>> round(doubly_robust(rewards, chance, target, predicted, np.full(100, 0.78)).value, 3)
    0.8
    """
    earned = checked("rewards", rewards)
    weights = weights_of(propensities, target, earned)
    logged, expected = (
        checked("predicted", predicted, earned),
        checked("predicted_target", predicted_target, earned),
    )
    return mean_of(expected + weights * (earned - logged), weights, earned, users)


def mean_of(terms: Doubles, weights: Doubles, rewards: Doubles, users: Codes | None) -> Estimate:
    """Average what each ranking adds at its positions; all arrays of shape (n, positions).

    Raises
    ------
    RequestError
        As `ips` does of rewards and weights.
    """
    check(weights, rewards, users)
    sums = terms.sum(axis=1)
    value = float(sums.mean())
    return Estimate.from_influence(value, sums - value, smallest_size(weights), users)
