"""Online fusion: the weights of signals go on learning from what users do with the lists that they see."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Self

import numpy as np

from tailrank.arrays import Codes, Doubles, Floats, Offsets
from tailrank.bounds import latest_plausible_time
from tailrank.errors import RequestError
from tailrank.feedback.attribution import Outcome
from tailrank.feedback.corrections import Corrections
from tailrank.feedback.learning_settings import LearningSettings
from tailrank.feedback.outcome_sums import LARGEST_SUM, OutcomeSums
from tailrank.feedback.posterior import Posterior
from tailrank.ranking.fusion import Fusion
from tailrank.signals.base import Arrays
from tailrank.signals.stored import StoredArrays

SCALE_SD: Final = 1.0
"""Standard deviation of the prior of the scale, which the log-odds of training say little of."""


@dataclass
class OnlineFusion:
    """A normal posterior over corrections of the offline weights, which each outcome moves.

    Which item of a list was clicked is a conditional logit (McFadden, 1974): ``P(item)`` is in proportion to
    ``examination(rank) * exp(score)``, which is the position-based model (Richardson et al., 2007) if clicks
    are rare. So position is accounted for without dividing by small chances, and users who click at
    everything count like others. An event against an item is a draw by the opposite score. The likelihood of
    each outcome is replaced by its quadratic approximation at the weights of then (online Laplace, as in
    Chapelle and Li, 2011, algorithm 3, with the whole covariance); so outcomes are sums that add up.

    Attributes
    ----------
    offline
        The weights as training left them: the mean of the prior.
    settings
        How to learn.
    sums
        What outcomes said.
    around
        Corrections at which outcomes are approximated: the likeliest when `fusion` was last called; of the
        shape of `corrections`.
    """

    offline: Fusion
    settings: LearningSettings
    sums: OutcomeSums
    around: Doubles

    @classmethod
    def start(cls, offline: Fusion, settings: LearningSettings | None = None) -> Self:
        """Start at the offline weights."""
        settings = LearningSettings() if settings is None else settings
        shape = Corrections(offline).shape
        return cls(offline, settings, OutcomeSums.none(*shape, settings.seconds_to_half), np.zeros(shape))

    def learn(self, outcomes: Iterable[Outcome]) -> None:
        """Learn from what users did with lists; those of other models, and items unknown to it, say nothing.

        Raises
        ------
        RequestError
            As `update` does.
        """
        for outcome in outcomes:
            seen = outcome.impression
            if seen.signal_names == self.offline.signals:
                at = seen.known[: len(self._log_examination)].nonzero()[0]
                signals, levels = seen.signals.take(at, axis=0), seen.count_levels.take(at)
                rewards, examined = self.settings.rewards_of(outcome).take(at), self._log_examination.take(at)
                self._add(signals, levels, seen.history_bucket, rewards, seen.time, examined)

    def update(
        self,
        signals: Floats,
        levels: Codes,
        bucket: int,
        rewards: Doubles,
        time: float = 0.0,
        ranks: Offsets | None = None,
    ) -> None:
        """Learn from one list.

        Parameters
        ----------
        signals
            As they were when the list was shown, in the order shown, shape (items, signals).
        levels
            Count levels, shape (items,).
        bucket
            That of the history.
        rewards
            What became of each item, in clicks, shape (items,): above 0 for it, below 0 against it.
        time
            When the list was shown, in seconds since 1970.
        ranks
            Where each item was shown, ascending, from 1, shape (items,); None for one after the other.

        Raises
        ------
        RequestError
            If a signal, a reward or the time isn't finite, or the time in the future, by which all that was
            learned would be forgotten; nothing is learned then.
        """
        ranks = np.arange(1, len(rewards) + 1) if ranks is None else ranks
        examined = self._log_examination.take(ranks[: bisect_right(ranks, len(self._log_examination))] - 1)
        n = len(examined)
        self._add(signals[:n], levels[:n], bucket, rewards[:n], time, examined)

    def _add(
        self, signals: Floats, levels: Codes, bucket: int, rewards: Doubles, time: float, examined: Doubles
    ) -> None:
        """Learn as `update` does, given the logarithm of how likely each item was looked at."""
        listed = rewards.tolist()
        if not any(listed):
            return
        with np.errstate(invalid="ignore"):  # what isn't finite is refused in a moment
            features, offline = self.corrections.scored(signals, levels, bucket)
        if not math.isfinite(offline.dot(rewards) + time):
            raise RequestError("signals, rewards and time must be finite numbers")
        if time > latest_plausible_time():
            raise RequestError(f"time {time:.15g} is in the future: give seconds since 1970")
        around = self.around[bucket]
        scores = offline + features.dot(around)
        if min(listed) < 0:
            pull, root = _quadratic(features, scores + examined, np.maximum(rewards, 0))
            against, more = _quadratic(features, examined - scores, np.maximum(-rewards, 0))
            pull, root = pull - against, np.concatenate([root, more])
        else:
            pull, root = _quadratic(features, scores + examined, rewards)
        self.sums.add(bucket, root.T.dot(root), pull + root.dot(around).dot(root), time)

    def unlearn(self, outcomes: Iterable[Outcome]) -> None:
        """Take back what these outcomes said, as far as it would be learned in the same way now."""
        taken = copy(self)
        taken.sums = OutcomeSums.none(*self.corrections.shape, self.settings.seconds_to_half)
        taken.learn(outcomes)
        self.sums = self.sums.minus(taken.sums)

    def posterior(self) -> Posterior:
        """Tell how likely corrections are after all outcomes so far."""
        shared_sd = np.full(self.corrections.shape[1], self.settings.shared_sd)
        shared_sd[-1] = SCALE_SD
        return Posterior.given(self.sums, shared_sd, self.settings.own_sd)

    def fusion(self) -> Fusion:
        """Give the offline weights with the likeliest corrections, to rank by, and learn around them."""
        self.around = self.posterior().means
        return self.corrections.applied(self.around)

    def plus(self, other: OnlineFusion) -> Self:
        """Add what was learned elsewhere from other outcomes; what both learned from would count twice.

        Raises
        ------
        RequestError
            If the other started from other weights, or forgets otherwise.
        """
        ours, theirs = self.offline, other.offline
        if ours.signals != theirs.signals or not (
            np.array_equal(ours.weights, theirs.weights) and np.array_equal(ours.biases, theirs.biases)
        ):
            raise RequestError("what was learned adds up only if it started from the same offline weights")
        return replace(self, sums=self.sums.plus(other.sums))

    def arrays(self) -> Arrays:
        """Give everything learned, for storage; the offline weights are those of the model."""
        return {**self.sums.arrays(), "around": self.around}

    @classmethod
    def from_arrays(cls, offline: Fusion, settings: LearningSettings, arrays: StoredArrays) -> Self:
        """Take back what `arrays` gave.

        Raises
        ------
        ModelError
            If it is something else than sums for corrections of these weights.
        """
        found = cls.start(offline, settings)
        bounds = {"least": -LARGEST_SUM, "largest": LARGEST_SUM}
        found.around = arrays.doubles("around", *found.corrections.shape, **bounds)
        found.sums = found.stored_sums(arrays)
        return found

    def stored_sums(self, arrays: StoredArrays) -> OutcomeSums:
        """Take back sums of such corrections that `OutcomeSums.arrays` gave; raises as `from_arrays`."""
        return OutcomeSums.from_arrays(*self.corrections.shape, self.settings.seconds_to_half, arrays)

    @cached_property
    def corrections(self) -> Corrections:
        """How corrections change scores."""
        return Corrections(self.offline)

    @cached_property
    def _log_examination(self) -> Doubles:
        return np.log(self.settings.examination)


def _quadratic(features: Doubles, log_odds: Doubles, draws: Doubles) -> tuple[Doubles, Doubles]:
    """Approximate the log-likelihood of draws from a softmax, so many of each item.

    Returns
    -------
    tuple[Doubles, Doubles]
        The gradient, shape (corrections,), and a root R, shape (items, corrections), of the negative Hessian
        ``R.T @ R``.
    """
    chances = np.exp(log_odds - np.maximum.reduce(log_odds))
    chances /= np.add.reduce(chances)
    apart = features - chances.dot(features)
    return draws.dot(apart), np.sqrt(np.add.reduce(draws) * chances)[:, None] * apart
