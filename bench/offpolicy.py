"""Off-policy estimators where the truth is known, and on two policies of a shop: bias, spread, coverage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Final

import numpy as np
import typer

from bench import open_bandit
from bench.click_worlds import BEHAVIOURS, Log, World
from bench.coverage import made, summary
from bench.study import Data, Json, store
from tailrank.arrays import Doubles
from tailrank.metrics.estimate import NORMAL, Estimate, standard_error
from tailrank.metrics.off_policy import doubly_robust, ips, snips
from tailrank.metrics.off_policy_slates import cascade_doubly_robust, reward_interaction_ips, slate_ips

SIZES: Final = (500, 2_000, 8_000)
RARE: Final = (1_000, 2_000)
"""Rows of logs in which one choice in 90 is clicked."""

RESAMPLES: Final = 500
Estimators = Mapping[str, Callable[[], Estimate]]


def estimators(world: World, log: Log, other: Log) -> Estimators:
    """Give every estimator of a world's target."""
    by_item, by_next = (
        (log.rewards, log.propensity, log.target),
        (log.rewards, log.next_propensity, log.next_target),
    )
    if world.positions == 1:
        return {
            "ips": lambda: ips(*by_item),
            "snips": lambda: snips(*by_item),
            "dr": lambda: doubly_robust(*by_item, *world.predictions(log, other)),
        }
    return {
        "item-position ips": lambda: ips(*by_item),
        "item-position snips": lambda: snips(*by_item),
        "reward-interaction ips": lambda: reward_interaction_ips(*by_next),
        "cascade-dr": lambda: cascade_doubly_robust(*by_next, *world.predictions(log, other)),
        "slate ips": lambda: slate_ips(*by_next),
    }


def claims(behaviour: str, estimator: str) -> bool:
    """Whether an estimator claims to be unbiased for users who behave so."""
    if behaviour == "whole ranking":
        return estimator == "slate ips"
    return behaviour == "position" or not estimator.startswith("item-position")


def simulated(runs: int) -> list[Json]:
    """Draw many logs from each world, and compare what is estimated with the truth."""
    rows: list[Json] = []
    cases = [(1, "position"), *((3, behaviour) for behaviour in BEHAVIOURS)]
    for positions, behaviour in cases:
        world = World.drawn(positions, behaviour)
        for n in SIZES:
            rng = np.random.default_rng(n)
            found: dict[str, list[Estimate | None]] = defaultdict(list)
            for _ in range(runs):
                for name, call in estimators(world, world.log(n, rng), world.log(n, rng)).items():
                    found[name].append(made(call))
            about = {"positions": positions, "behaviour": behaviour, "n": n}
            for name, each in found.items():
                claimed = {"estimator": name, "claims": claims(behaviour, name)}
                rows.append(about | claimed | summary(each, world.truth))
                print(rows[-1], flush=True)
    return rows


def methods(runs: int) -> list[Json]:
    """Compare ways to bound SNIPS if clicks are rare: how often they hold the truth, and how they miss it."""
    likely = World.drawn(1, "position")
    world, rows = replace(likely, attraction=likely.attraction / 10), []
    for n in RARE:
        rng = np.random.default_rng(n)
        found: dict[str, list[tuple[float, ...]]] = defaultdict(list)
        for _ in range(runs):
            log = world.log(n, rng)
            one = made(partial(snips, log.rewards, log.propensity, log.target))
            if one is not None:
                weights = (log.target / log.propensity)[:, 0]
                for name, (low, high) in _intervals(one, weights, log.rewards[:, 0], rng).items():
                    found[name].append((high < world.truth, low > world.truth, high - low))
        for name, each in found.items():
            below, above, width = np.mean(each, axis=0).tolist()
            about = {"n": n, "method": name, "runs": runs, "refused": runs - len(each)}
            rows.append(
                about | {"coverage": 1 - below - above, "below": below, "above": above, "width": width}
            )
            print(rows[-1], flush=True)
    return rows


def _intervals(
    one: Estimate, weights: Doubles, rewards: Doubles, rng: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """Bound SNIPS in several ways."""
    n, error = len(weights), standard_error(one.influence)
    counts = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES)
    weighted, sums = counts @ (weights * rewards), counts @ weights
    return {
        "skewness removed": (one.low, one.high),
        "normal": (one.value - NORMAL * error, one.value + NORMAL * error),
        "bootstrap": _ends(weighted / sums),
        "bootstrap, weights normalised once": _ends(weighted / weights.sum()),
    }


def _ends(resampled: Doubles) -> tuple[float, float]:
    low, high = np.quantile(resampled, [0.025, 0.975]).tolist()
    return low, high


def main(data: Data, runs: Annotated[int, typer.Option(min=2, help="Logs of each kind.")] = 200) -> None:
    """Store what was found in simulated worlds and on open-bandit."""
    found: dict[str, Any] = {
        "runs": runs,
        "simulated": simulated(runs),
        "methods": methods(5 * runs),
        "open_bandit": open_bandit.study(data / "open-bandit", runs),
    }
    store("offpolicy.json", found)
