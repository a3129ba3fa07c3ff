"""The guard: what was learned comes into service only if it would have done no worse."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal, Self

import numpy as np
from msgspec import Meta

from tailrank.arrays import Codes, Doubles
from tailrank.bounds import check_bounds
from tailrank.feedback.attribution import Outcome
from tailrank.feedback.corrections import fused_scores
from tailrank.feedback.learning_settings import LearningSettings
from tailrank.feedback.online_fusion import OnlineFusion
from tailrank.feedback.outcome_sums import LARGEST_SUM
from tailrank.feedback.records import user_digest
from tailrank.metrics.estimate import Estimate
from tailrank.ranking.fusion import Fusion
from tailrank.signals.base import Arrays
from tailrank.signals.stored import StoredArrays

SERVED: Final = "served"
"""Of `Guard.arrays`: the sums behind the weights in service."""

Action = Literal["publish", "hold", "roll back"]


@dataclass(frozen=True)
class GuardSettings:
    """When learned weights come into service.

    Attributes
    ----------
    window
        Outcomes between two decisions.
    tolerance
        How much worse than the weights in service they may be, as a share of what these get, at the lower end
        of the 95% interval.

    Raises
    ------
    RequestError
        On a setting out of its bounds.
    """

    window: Annotated[int, Meta(ge=2)] = 500
    tolerance: Annotated[float, Meta(ge=0, le=1)] = 0.01

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True)
class Decision:
    """What became of learned weights, and why.

    Attributes
    ----------
    action
        "publish": they are in service now; "roll back": what was learned since those in service is
        forgotten; "hold": learning goes on, ranking stays.
    outcomes
        Lists that the estimates are of.
    served, candidate
        Clicks a list that the weights in service, and the learned ones, would have got.
    low, high
        Ends of the 95% interval, over users, of the candidate's minus the others'.
    """

    action: Action
    outcomes: int
    served: float
    candidate: float
    low: float
    high: float

    @classmethod
    def between(cls, served: Doubles, candidate: Doubles, users: Codes, tolerance: float) -> Self:
        """Decide by what lists would have got, shape (lists,), and the user of each."""
        difference = candidate - served
        value, worst = float(difference.mean()), -tolerance * float(served.mean())
        low, high = -np.inf, np.inf
        if np.ptp(users) and (served.any() or candidate.any()):  # else nothing is known
            bounds = Estimate.from_influence(value, difference - value, len(users), users)
            low, high = bounds.low, bounds.high
        action: Action = "roll back" if high < 0 else "publish" if low >= worst else "hold"
        return cls(action, len(users), float(served.mean()), float(candidate.mean()), low, high)

    def __str__(self) -> str:
        why = {
            "publish": "no worse than those in service, so they are in service now",
            "hold": "not known to be no worse than those in service, which stay for now",
            "roll back": "worse than those in service, so what was learned since is forgotten",
        }[self.action]
        return (
            f"learned weights are {why}: {self.candidate:.4f} clicks a list where those in service get"
            f" {self.served:.4f} (difference {self.low:+.4f} to {self.high:+.4f}, {self.outcomes} lists)"
        )


class Guard:
    """Learns from outcomes, and decides after each window of them what to rank by.

    Learned weights are judged by outcomes that they haven't learned from: those that come after them. The
    shown items are put in the order of either weights, and a click counts
    ``examination(new rank) / examination(rank shown)``, by the position-based model (Joachims et al., 2017,
    section 4). So nothing needs to be explored, and both weights are compared on the same clicks; but
    the estimate is as good as `LearningSettings.examination`.

    Parameters
    ----------
    online
        What goes on learning.
    settings
        When to publish.
    """

    def __init__(self, online: OnlineFusion, settings: GuardSettings | None = None) -> None:
        self.online = online
        self.settings = GuardSettings() if settings is None else settings
        self.served, self._served_sums = online.fusion(), deepcopy(online.sums)
        self._propose()

    def learn(self, outcomes: Iterable[Outcome]) -> list[Decision]:
        """Learn from outcomes, the earliest first; returns what was decided meanwhile.

        `served` are the weights to rank by afterwards.

        Raises
        ------
        RequestError
            As `OnlineFusion.learn` does.
        """
        decided = [self._learn_one(outcome) for outcome in outcomes]
        return [decision for decision in decided if decision is not None]

    def learn_more(self, before: Outcome, after: Outcome) -> Decision | None:
        """Learn what a list has become since it was learned, and nothing twice.

        The likelihood of draws adds up, so an event can be learned when it comes: by the difference that it
        makes to the rewards of its list, which counts as one outcome. If there is none, nothing is done.

        Parameters
        ----------
        before, after
            Of the same list.

        Raises
        ------
        RequestError
            As `OnlineFusion.learn` does.
        """
        was, now = (self.online.settings.rewards_of(outcome) for outcome in (before, after))
        if np.array_equal(was, now):
            return None
        return self._learn_one(after, before if was.any() else None)

    def arrays(self) -> Arrays:
        """Give everything for storage but the offline weights, which are those of the model."""
        parts = {"learned": self.online.arrays(), SERVED: self._served_sums.arrays()}
        parts["candidate"] = self._candidate_sums.arrays()
        found = {f"{part}/{name}": array for part, each in parts.items() for name, array in each.items()}
        users, gains = np.array(self._users, np.int64), np.array(self._gains).reshape(-1, 2)
        return found | {"users": users, "gains": gains}

    @classmethod
    def from_arrays(
        cls,
        offline: Fusion,
        arrays: StoredArrays,
        learning: LearningSettings | None = None,
        settings: GuardSettings | None = None,
    ) -> Self:
        """Take back what `arrays` gave.

        Raises
        ------
        ModelError
            If it is something else.
        """
        guard = cls(OnlineFusion.start(offline, learning), settings)
        start = guard.online
        guard._served_sums = start.stored_sums(arrays.part(SERVED))
        guard._candidate_sums = start.stored_sums(arrays.part("candidate"))
        guard.served = replace(start, sums=guard._served_sums).fusion()
        guard._candidate = replace(start, sums=guard._candidate_sums).fusion()
        guard.online = OnlineFusion.from_arrays(offline, start.settings, arrays.part("learned"))
        largest = np.iinfo(np.int64).max
        guard._users = arrays.offsets("users", None, largest=largest).tolist()
        gains = arrays.doubles("gains", len(guard._users), 2, least=-LARGEST_SUM, largest=LARGEST_SUM)
        guard._gains = list(map(tuple, gains.tolist()))
        return guard

    def _learn_one(self, outcome: Outcome, before: Outcome | None = None) -> Decision | None:
        """Learn from a list, less what it was before; returns what was decided, if the window is full."""
        if outcome.impression.signal_names != self.online.offline.signals:
            return None
        self.online.learn([outcome])
        if before is not None:
            self.online.unlearn([before])
        self._users.append(user_number(outcome.impression.user_id))
        self._gains.append(self._gain(outcome, before))
        return self._decide() if len(self._gains) == self.settings.window else None

    def _propose(self) -> None:
        """Take what was learned so far as the candidate, to be judged by what comes next."""
        self._candidate, self._candidate_sums = self.online.fusion(), deepcopy(self.online.sums)
        self._users, self._gains = list[int](), list[tuple[float, float]]()

    def _decide(self) -> Decision:
        served, candidate = np.array(self._gains).T
        users = np.unique(np.array(self._users), return_inverse=True)[1].astype(np.int32)
        decision = Decision.between(served, candidate, users, self.settings.tolerance)
        if decision.action == "publish":
            self.served, self._served_sums = self._candidate, self._candidate_sums
        elif decision.action == "roll back":
            self.online.sums = deepcopy(self._served_sums)
        self._propose()
        return decision

    def _gain(self, outcome: Outcome, before: Outcome | None = None) -> tuple[float, float]:
        """Estimate what a list would have got in the order of either weights, in clicks."""
        seen, examination = outcome.impression, np.array(self.online.settings.examination)
        rewards = self.online.settings.rewards_of(outcome)
        if before is not None:
            rewards = rewards - self.online.settings.rewards_of(before)
        at = np.flatnonzero(seen.known[: len(examination)])
        signals, levels, examined = seen.signals[at], seen.count_levels[at], examination[at]
        worth = rewards[at] / examined

        def gain(fusion: Fusion) -> float:
            order = (-fused_scores(fusion, signals, levels, seen.history_bucket)).argsort(kind="stable")
            return float(worth[order] @ examined)

        return gain(self.served), gain(self._candidate)


def user_number(user_id: str) -> int:
    """Give what tells a user from others, from 0, and doesn't name them."""
    return int(user_digest(user_id)[:15], 16)
