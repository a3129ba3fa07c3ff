"""Off-policy evaluation of whole rankings, for users who look at more than the item at hand.

Here a ranking is made from the top: `propensities` and `target`, of shape (n, positions), hold the chance of
each item at its position *given the items above it*, so that products of them are chances of the top of a
ranking. The value is the reward of a whole ranking. The less a click depends on, the fewer chances have to be
multiplied, and the narrower is the interval:

| what a click may depend on | unbiased |
|---|---|
| the item and its position | all, and `off_policy.ips` with the chance of an item at a position |
| also the items above, and clicks there | `reward_interaction_ips`, `cascade_doubly_robust`, `slate_ips` |
| the whole ranking | `slate_ips` |
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tailrank.arrays import Codes
from tailrank.metrics.estimate import Estimate
from tailrank.metrics.importance import checked, down_to, weights_of
from tailrank.metrics.off_policy import mean_of


def slate_ips(
    rewards: npt.ArrayLike,
    propensities: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    users: Codes | None = None,
) -> Estimate:
    """Weigh a ranking's reward by how much more often the target would have made that whole ranking.

    Inverse propensity scoring with rankings as the choices. Unbiased whatever users do, but rankings of more
    than a few positions are hardly ever made twice: expect it to be refused, or a wide interval.

    Parameters
    ----------
    rewards
        Of each item, shape (n, positions). Shorter rankings are filled up by positions with reward 0 and
        chances of 1.
    propensities
        The chance with which the log put each item there, given those above it, in (0, 1], same shape.
    target
        The chance with which the target would, in [0, 1], same shape.
    users
        User code of each ranking, shape (n,), if users have several: intervals then are over users.

    Raises
    ------
    RequestError
        As `off_policy.ips` does.

    Examples
    --------
    >>> rewards = np.array([[1, 0], [0, 1], [1, 1], [0, 0]] * 25)
    >>> chance, target = np.full((100, 2), 0.5), np.array([[0.6, 0.5], [0.4, 0.5]] * 50)
    >>> round(slate_ips(rewards, chance, target).value, 3)
    1.1
    """
    earned = checked("rewards", rewards)
    weights = down_to(weights_of(propensities, target, earned))[:, -1:]
    return mean_of(weights * earned, weights, earned, users)


def reward_interaction_ips(
    rewards: npt.ArrayLike,
    propensities: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    users: Codes | None = None,
) -> Estimate:
    """Weigh each reward by how much more often the target would have made the ranking down to it.

    Reward-interaction inverse propensity scoring (McInerney et al., "Counterfactual evaluation of slate
    recommendations with sequential reward interactions", KDD 2020), not normalised. Unbiased for users who go
    down the ranking: what they do at a position may depend on all that is above.

    Parameters and errors are those of `slate_ips`.

    Examples
    --------
    >>> rewards = np.array([[1, 0], [0, 1], [1, 1], [0, 0]] * 25)
    >>> chance, target = np.full((100, 2), 0.5), np.array([[0.5, 0.6], [0.5, 0.4]] * 50)
    >>> round(reward_interaction_ips(rewards, chance, target).value, 3)
    1.0
    """
    earned = checked("rewards", rewards)
    weights = down_to(weights_of(propensities, target, earned))
    return mean_of(weights * earned, weights, earned, users)


def cascade_doubly_robust(
    rewards: npt.ArrayLike,
    propensities: npt.ArrayLike,
    target: npt.ArrayLike,
    predicted: npt.ArrayLike,
    predicted_target: npt.ArrayLike,
    *,
    users: Codes | None = None,
) -> Estimate:
    """Predict what the rest of a ranking earns, and weigh only what the log shows that to be wrong by.

    Cascade doubly robust (Kiyohara et al., "Doubly robust off-policy evaluation for ranking policies under
    the cascade behavior model", WSDM 2022): the sum over positions of w' q_target + w (r - q), w being the
    weight of the ranking down to a position and w' down to the one before. Unbiased for the users of
    `reward_interaction_ips` whatever is predicted, as long as that was learned from other users.

    Parameters
    ----------
    rewards, propensities, target, users
        As in `slate_ips`.
    predicted
        What was predicted to be earned at and below each position, from the items down to it, same shape.
    predicted_target
        The mean of that over all items that the target could have put there, below the same items, by its
        chances, same shape.

    Raises
    ------
    RequestError
        As `off_policy.ips` does.

    Examples
    --------
    >>> rewards = np.array([[1, 0], [0, 1], [1, 1], [0, 0]] * 25)
    >>> chance, target = np.full((100, 2), 0.5), np.array([[0.5, 0.6], [0.5, 0.4]] * 50)
    >>> nothing = np.zeros((100, 2))  # predicted, which is `reward_interaction_ips`
    >>> round(cascade_doubly_robust(rewards, chance, target, nothing, nothing).value, 3)
    1.0
    """
    earned = checked("rewards", rewards)
    weights = down_to(weights_of(propensities, target, earned))
    above = np.hstack([np.ones((len(weights), 1)), weights[:, :-1]])
    logged, expected = (
        checked("predicted", predicted, earned),
        checked("predicted_target", predicted_target, earned),
    )
    return mean_of(above * expected + weights * (earned - logged), weights, earned, users)
