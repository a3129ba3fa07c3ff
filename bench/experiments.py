"""How often experiments without an effect are decided, and how soon those with one are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Final

import numpy as np
import typer
from scipy.stats import norm
from ville import AsymptoticABTest, BernoulliTest, BettingABTest

from bench.study import Json, store
from tailrank.arrays import Bools, Codes, Doubles
from tailrank.feedback.experiments import ALPHA, DAY, Guardrail, decide
from tailrank.feedback.interleaved_outcomes import InterleavedOutcomes
from tailrank.feedback.interleaving import team_draft
from tailrank.feedback.outcomes import Outcomes
from tailrank.feedback.split_outcomes import TIGHTEST, SplitOutcomes
from tailrank.metrics.sequential import UserMean

Rng = np.random.Generator

DAYS: Final = 28
DESIGNS: Final = {
    "new users every day": (200, 200, 0.3),
    "users stay for a week": (200, 30, 0.3),
    "the same users every day": (200, 0, 0.3),
    "rare clicks": (400, 100, 0.01),
}
"""Users a day, how many of them are new, and clicks a ranking."""

GUARDRAILS: Final = (
    Guardrail("tail_share", -0.01, at_least=True),
    Guardrail("latency_ms", 2.0, at_least=False),
)
CANDIDATES: Final = 20
SHOWN: Final = 10
EXAMINED: Final = 1 / np.arange(1, SHOWN + 1)
"""Chance that a position is looked at: users of the position-based model."""

NOISE: Final = 0.15
"""Of the ranker in service, added to the relevance of candidates."""

GAIN: Final = 0.05
"""By how much the new ranker has more clicks."""

VISITS: Final = 5
"""Rankings of a user, on average."""

MOST_SPLIT: Final = 200_000
MOST_INTERLEAVED: Final = 20_000
MOST_BETS: Final = 60_000
"""Rankings after which we give up: split, interleaved, or by betting."""

LOOKS: Final = np.geomspace(200, MOST_SPLIT, 80).astype(int)
"""Numbers of rankings after which one looks."""


def null_split(rng: Rng, daily: int, new: int, rate: float) -> SplitOutcomes:
    """Draw an experiment of two variants that are the same, over users who differ."""
    users = (np.arange(daily) + new * np.arange(DAYS)[:, None]).ravel().astype(np.int32)
    n = users.max() + 1
    activity, taste = rng.gamma(1, 1, n), rng.normal(0.3, 0.1, n)
    metrics = {
        "clicks": rng.poisson(rate * activity[users]).astype(np.float64),
        "tail_share": taste[users] + rng.normal(0, 0.1, len(users)),
        "latency_ms": rng.lognormal(3, 0.5, len(users)),
    }
    times = np.repeat(np.arange(DAYS), daily) * DAY + rng.random(len(users)) * DAY
    return SplitOutcomes(users, (rng.random(n) < 0.5)[users], times, metrics)


def null_interleaved(rng: Rng) -> InterleavedOutcomes:
    """Draw an experiment that interleaves two rankers of the same quality."""
    users, credit = interleaved(rng, 80 * DAYS, NOISE)
    return InterleavedOutcomes(users, np.sort(rng.random(len(users))) * DAYS * DAY, credit)


def false_alarms(outcomes: Outcomes, guardrails: Sequence[Guardrail]) -> Json:
    """Look every day, and say of each test whether it ever found anything."""
    found: dict[str, bool] = {}
    for day in range(1, DAYS + 1):
        seen = outcomes.before(day * DAY)
        difference = seen.effect("clicks", ALPHA).difference
        decision = decide(seen, "clicks", guardrails)
        today = {
            "interval": not difference.low <= 0 <= difference.high,
            "gates": any(gate.status == "failed" and gate.name != "enough users" for gate in decision.gates),
            "decision": decision.verdict != "hold",
        }
        if isinstance(seen, SplitOutcomes):
            today["z test"] = abs(z_score(seen)) > norm.ppf(1 - ALPHA / 2)
        found = {test: bool(found.get(test)) or today[test] for test in today}
    return found


def z_score(seen: SplitOutcomes) -> float:
    """Give what the usual test compares with 1.96, with users as clusters."""
    control, treatment = (
        UserMean.of(seen.metrics["clicks"][rows], seen.users[rows]) for rows in (~seen.treated, seen.treated)
    )
    spread = np.sqrt(control.variance + treatment.variance)
    return (treatment.value - control.value) / spread if spread else 0.0


def listed(rng: Rng, n: int, *noises: float) -> tuple[Codes, Doubles, list[Codes]]:
    """Draw users, relevances of their candidates, and for each noise what a ranker shows."""
    users = rng.integers(0, max(1, n // VISITS), n).astype(np.int32)
    activity = rng.gamma(4, 0.25, n)[users]
    relevance = np.clip(rng.beta(1, 6, (n, CANDIDATES)) * activity[:, None], 0, 1)
    orders = [
        np.argsort(-relevance - noise * rng.normal(size=relevance.shape))[:, :SHOWN].astype(np.int32)
        for noise in noises
    ]
    return users, relevance, orders


def chances(relevance: Doubles, shown: Codes) -> Doubles:
    """Give the chance of a click at each position: looked at, and relevant."""
    return EXAMINED * np.take_along_axis(relevance, shown.astype(np.int64), axis=1)


@cache
def better_noise() -> float:
    """Find the noise of the ranker that has `GAIN` more clicks than the one in service."""
    low, high = 0.0, NOISE
    wanted = (1 + GAIN) * expected_clicks(NOISE)
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if expected_clicks(middle) > wanted else (low, middle)
    return low


def expected_clicks(noise: float) -> float:
    """Average the clicks of a ranking over many of them, the same for every noise."""
    _, relevance, [shown] = listed(np.random.default_rng(0), 50_000, noise)
    return float(chances(relevance, shown).sum(axis=1).mean())


def split(rng: Rng, n: int) -> SplitOutcomes:
    """Draw an experiment of two variants, the treatment with `GAIN` more clicks."""
    users, relevance, (old, new) = listed(rng, n, NOISE, better_noise())
    treated: Bools = (rng.random(n) < 0.5)[users]
    clicks = (rng.random((n, SHOWN)) < chances(relevance, np.where(treated[:, None], new, old))).sum(axis=1)
    return SplitOutcomes(
        users, treated, np.arange(n, dtype=np.float64), {"clicks": clicks.astype(np.float64)}
    )


def interleaved(rng: Rng, n: int, noise: float) -> tuple[Codes, Doubles]:
    """Interleave the ranker in service and another; gives users, and what the other has more of credit."""
    users, relevance, (old, new) = listed(rng, n, NOISE, noise)
    drawn, credit = rng.random((n, SHOWN)), np.empty(n)
    for row in range(n):
        shown = team_draft(
            [*map(str, old[row])], [*map(str, new[row])], experiment="e", ranking_id=f"{row}", k=SHOWN
        )
        seen = relevance[row, [int(item) for item in shown.items]]
        a, b = shown.credits({shown.items[i] for i in np.flatnonzero(drawn[row] < EXAMINED * seen)})
        credit[row] = b - a
    return users, credit


def rankings_needed(outcomes: Outcomes) -> int | None:
    """Count the rankings after which the interval excludes 0; None if it doesn't."""
    for n in LOOKS[len(outcomes.times) >= LOOKS]:
        if not (seen := outcomes.before(n).effect("clicks", ALPHA).difference).low <= 0 <= seen.high:
            return int(n)
    return None


def needed(seed: int) -> Json:
    """Count the rankings that each way needs to see the gain, in one run."""
    rng = np.random.default_rng((1, seed))
    users, credit = interleaved(rng, MOST_INTERLEAVED, better_noise())
    sides = InterleavedOutcomes(users, np.arange(MOST_INTERLEAVED, dtype=np.float64), credit)
    won = np.flatnonzero(credit)
    exact = BernoulliTest(0.5, alpha=ALPHA).fit(credit[won] > 0).stopping_time()
    return {
        "split": rankings_needed(split(rng, MOST_SPLIT)),
        "interleaved": rankings_needed(sides),
        "interleaved, exact test": None if exact is None else int(won[exact - 1]) + 1,
    }


def conversions(seed: int) -> Json:
    """Count the users, with a ranking each, after whom other tests see that 5% of clicks became 6%."""
    rng = np.random.default_rng((2, seed))
    treated = rng.random(MOST_SPLIT) < 0.5
    clicks = (rng.random(MOST_SPLIT) < np.where(treated, 0.06, 0.05)).astype(np.float64)
    users = np.arange(MOST_SPLIT, dtype=np.int32)
    ours = SplitOutcomes(users, treated, users.astype(np.float64), {"clicks": clicks})
    n = MOST_BETS  # for whose test each user is a bet on each of many candidates
    return {
        "ours": rankings_needed(ours),
        "asymptotic": AsymptoticABTest(alpha=ALPHA, t_opt=TIGHTEST).fit(clicks, treated).stopping_time(),
        "betting": BettingABTest(alpha=ALPHA, grid=2000).fit(clicks[:n], treated[:n]).stopping_time(),
    }


def summary(counts: Sequence[int | None]) -> Json:
    """Give the median, and after how many rankings four of five runs are done; None if they aren't."""
    ordered = sorted(counts, key=lambda n: MOST_SPLIT + 1 if n is None else n)
    at = {"median": len(ordered) / 2, "power_80": 0.8 * len(ordered)}
    return {name: ordered[math.ceil(n) - 1] for name, n in at.items()} | {"counts": ordered}


def summaries(runs: Sequence[Json]) -> Json:
    """Summarise each way."""
    return {way: summary([run[way] for run in runs]) for way in runs[0]}


def shares(runs: Sequence[Json]) -> Json:
    """Give how often each test found something, and of how many runs."""
    return {test: float(np.mean([run[test] for run in runs])) for test in runs[0]} | {"runs": len(runs)}


def main(
    runs: Annotated[int, typer.Option(help="Experiments without an effect, of each design.")] = 500,
    seeds: Annotated[int, typer.Option(help="Experiments with an effect.")] = 30,
) -> None:
    """Measure both, and store them."""
    rng = np.random.default_rng
    nothing = {
        name: shares([false_alarms(null_split(rng(seed), *design), GUARDRAILS) for seed in range(runs)])
        for name, design in DESIGNS.items()
    }
    nothing["interleaved"] = shares([false_alarms(null_interleaved(rng(seed)), ()) for seed in range(runs)])
    found = [needed(seed) for seed in range(seeds)]
    converted = [conversions(seed) for seed in range(seeds)]
    store(
        "experiments.json",
        {
            "days": DAYS,
            "without_an_effect": nothing,
            "gain": GAIN,
            "clicks": expected_clicks(NOISE),
            "rankings_needed": summaries(found),
            "five_to_six_percent": summaries(converted),
        },
    )
