"""Small worlds in which all that users may see and do is known: logs to draw, and the truth behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations, product
from typing import Final

import numpy as np

from tailrank.arrays import Bools, Doubles, Offsets

CONTEXTS: Final = 4
ITEMS: Final = 6
DECAY: Final = 0.8
"""How much of its attraction an item has at a position, as a power of the number above it."""

Chance = Callable[[Doubles, Doubles, int], Doubles]
"""Chance of a click at a position, shape (n,): from attractions and clicks, each (n, positions)."""


def _by_position(attraction: Doubles, clicks: Doubles, k: int) -> Doubles:
    chance: Doubles = DECAY**k * attraction[:, k]
    return chance


def _cascade(attraction: Doubles, clicks: Doubles, k: int) -> Doubles:
    """Who has clicked looks no further."""
    chance: Doubles = attraction[:, k] * (clicks[:, :k].sum(axis=1) == 0)
    return chance


def _reward_interaction(attraction: Doubles, clicks: Doubles, k: int) -> Doubles:
    """Who has clicked looks on, who hasn't grows tired."""
    return attraction[:, k] * np.where(clicks[:, :k].sum(axis=1) > 0, 1.3, 0.8**k)


def _whole_ranking(attraction: Doubles, clicks: Doubles, k: int) -> Doubles:
    """Who sees something better, be it below, clicks less."""
    others = np.delete(attraction, k, axis=1)
    chance: Doubles = attraction[:, k] * (1 - 2 * others.max(axis=1))
    return chance


BEHAVIOURS: Final[Mapping[str, Chance]] = {
    "position": _by_position,
    "cascade": _cascade,
    "reward interaction": _reward_interaction,
    "whole ranking": _whole_ranking,
}


@dataclass(frozen=True)
class Log:
    """A log drawn from a world: arrays of shape (n, positions), and what was shown.

    `propensity` and `target` are the chances of an item at its position, `next_propensity` and `next_target`
    those given the items above.
    """

    contexts: Offsets
    slates: Offsets
    rewards: Doubles
    propensity: Doubles
    target: Doubles
    next_propensity: Doubles
    next_target: Doubles


@dataclass(frozen=True)
class World:
    """Contexts, items that attract by context, and two policies that draw rankings of items.

    Both are Plackett-Luce: the next item is drawn by its weight among those that are left.
    """

    positions: int
    behaviour: str
    attraction: Doubles
    logging: Doubles
    targeting: Doubles

    @classmethod
    def drawn(cls, positions: int, behaviour: str, seed: int = 0) -> World:
        """Draw attractions from 2% to 25%, a log that knows little of them, and a target that knows more."""
        rng = np.random.default_rng(seed)
        attraction = np.exp(rng.uniform(np.log(0.02), np.log(0.25), (CONTEXTS, ITEMS)))
        taste = np.log(attraction / 0.07)
        logging = np.exp(0.2 * taste + 0.3 * rng.normal(size=taste.shape))
        return cls(positions, behaviour, attraction, logging, np.exp(taste))

    @cached_property
    def slates(self) -> Offsets:
        """All rankings; shape (rankings, positions)."""
        return np.array(list(permutations(range(ITEMS), self.positions)))

    @cached_property
    def truth(self) -> float:
        """Expected clicks in a ranking of the target."""
        return float((self._joint(self.targeting) * self._clicks_expected()).sum() / CONTEXTS)

    def log(self, n: int, rng: np.random.Generator) -> Log:
        """Draw a log of the logging policy."""
        contexts = rng.integers(CONTEXTS, size=n)
        cumulated = self._joint(self.logging).cumsum(axis=1)
        chosen = (rng.random((n, 1)) > cumulated[contexts]).sum(axis=1)
        slates = self.slates[np.minimum(chosen, len(self.slates) - 1)]
        rewards = np.zeros(slates.shape)
        for k in range(self.positions):
            chance = BEHAVIOURS[self.behaviour](self.attraction[contexts[:, None], slates], rewards, k)
            rewards[:, k] = rng.random(n) < chance
        shown = contexts[:, None], np.arange(self.positions), slates
        by_log, by_target = self._marginal(self.logging)[shown], self._marginal(self.targeting)[shown]
        of_log, of_target = (_next(weights[contexts], slates) for weights in (self.logging, self.targeting))
        return Log(contexts, slates, rewards, by_log, by_target, of_log, of_target)

    def predictions(self, log: Log, other: Log) -> tuple[Doubles, Doubles]:
        """Predict clicks from each position on, by what another log shows of items there, in a context.

        Returns
        -------
        tuple[Doubles, Doubles]
            Of the items of `log`, and the mean over what the target could put there below the same items;
            shape (n, positions).
        """
        shape = CONTEXTS, self.positions, ITEMS
        seen = other.contexts[:, None], np.arange(self.positions), other.slates
        cells = np.ravel_multi_index(seen, shape).ravel()
        below = other.rewards[:, ::-1].cumsum(axis=1)[:, ::-1]
        sums = np.bincount(cells, below.ravel(), np.prod(shape))
        counts = np.bincount(cells, minlength=np.prod(shape))
        learned = ((sums + below.mean()) / (counts + 1)).reshape(shape)
        place = np.arange(self.positions)
        of_shown = learned[log.contexts[:, None], place, log.slates]
        left = _left(log.slates) * self.targeting[log.contexts][:, None, :]
        return of_shown, (left * learned[log.contexts]).sum(axis=2) / left.sum(axis=2)

    def _joint(self, weights: Doubles) -> Doubles:
        """Chance of each ranking by context; shape (contexts, rankings)."""
        each = [
            _next(np.broadcast_to(one, (len(self.slates), ITEMS)), self.slates).prod(axis=1)
            for one in weights
        ]
        return np.array(each)

    def _marginal(self, weights: Doubles) -> Doubles:
        """Chance of each item at each position; shape (contexts, positions, items)."""
        joint = self._joint(weights)
        return np.array([[np.bincount(items, row, ITEMS) for items in self.slates.T] for row in joint])

    def _clicks_expected(self) -> Doubles:
        """Expect clicks in each ranking; shape (contexts, rankings)."""
        expected = np.zeros((CONTEXTS, len(self.slates)))
        for context, pattern in product(range(CONTEXTS), product((0.0, 1.0), repeat=self.positions)):
            clicks = np.broadcast_to(pattern, self.slates.shape)
            chance = np.ones(len(self.slates))
            for k, clicked in enumerate(pattern):
                click = BEHAVIOURS[self.behaviour](self.attraction[context][self.slates], clicks, k)
                chance *= click if clicked else 1 - click
            expected[context] += chance * sum(pattern)
        return expected


def _left(slates: Offsets) -> Bools:
    """Whether an item isn't above a position yet; shape (n, positions, items)."""
    shown = np.eye(ITEMS, dtype=bool)[slates]
    above = np.cumsum(shown, axis=1) - shown
    left: Bools = above == 0
    return left


def _next(weights: Doubles, slates: Offsets) -> Doubles:
    """Chance of each item given those above it, by weights of shape (n, items); shape (n, positions)."""
    left = (_left(slates) * weights[:, None, :]).sum(axis=2)
    chances: Doubles = np.take_along_axis(weights, slates, axis=1) / left
    return chances
