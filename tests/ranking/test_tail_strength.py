"""How strong the tail policy becomes, on samples where the right answer is known."""

import numpy as np

from tailrank.policy.tail import FULL
from tailrank.ranking.fusion import Fusion, SampledCandidates
from tailrank.ranking.tail_strength import STRENGTHS, affordable_strength

COST = 0.01


def asked(
    queries: int, advantage: float, rare_targets: float, seed: int = 0
) -> tuple[Fusion, SampledCandidates, np.ndarray]:
    """Make targets that score `advantage` above 50 others, a share of them rare, the others not rare."""
    rng = np.random.default_rng(seed)
    features = rng.normal(0, 0.1, (queries, 51, 1)).astype(np.float32)
    features[:, 0] += advantage
    rare = rng.uniform(0, 0.2, (queries, 51)).astype(np.float32)
    rare[:, 0] = rng.random(queries) < rare_targets
    buckets = np.zeros((queries, 51), np.int32)
    sampled = SampledCandidates(
        features, buckets, np.zeros(queries, np.int32), np.zeros((queries, 51), np.float32)
    )
    fusion = Fusion(("signal",), np.ones((4, 5, 1), np.float32), np.zeros((4, 5), np.float32), 0.0)
    return fusion, sampled, rare


def test_a_boost_that_helps_is_used_in_full() -> None:
    assert affordable_strength(*asked(400, advantage=0.0, rare_targets=1.0), COST) == STRENGTHS[-1]


def test_a_boost_that_only_costs_is_not_used() -> None:
    fusion, sampled, rare = asked(400, advantage=0.1, rare_targets=0.0)
    assert affordable_strength(fusion, sampled, 1 - rare, COST) == STRENGTHS[-1]
    rare[:, 1:] = np.random.default_rng(1).uniform(0.5, 1, rare[:, 1:].shape)
    assert affordable_strength(fusion, sampled, rare, COST) == 0.0


def test_the_boost_costs_no_more_than_it_says() -> None:
    fusion, sampled, rare = asked(2_000, advantage=0.35, rare_targets=0.0)

    def ndcg(strength: float) -> float:
        boosted = sampled.features[..., 0] + FULL * strength * rare
        ranks = 1 + (boosted > boosted[:, :1]).sum(axis=1)
        return float(np.where(ranks <= 10, 1 / np.log2(1 + ranks), 0).mean())

    chosen = affordable_strength(fusion, sampled, rare, COST)
    best = max(map(ndcg, STRENGTHS))
    assert ndcg(chosen) >= (1 - COST) * best
    assert all(ndcg(strength) < (1 - COST) * best for strength in STRENGTHS if strength > chosen)


def test_what_does_not_count_is_never_ahead() -> None:
    fusion, sampled, rare = asked(300, advantage=-5.0, rare_targets=0.0)
    sampled.log_odds[:, 1:] = -np.inf
    assert np.isneginf(fusion.score(sampled)[:, 1:]).all()
    assert affordable_strength(fusion, sampled, rare, COST) == STRENGTHS[-1]


def test_whoever_can_afford_more_gets_more_strength() -> None:
    fusion, sampled, rare = asked(2_000, advantage=0.35, rare_targets=0.0)
    chosen = [affordable_strength(fusion, sampled, rare, cost) for cost in (0.0, 0.01, 0.2, 0.99)]
    assert chosen == sorted(chosen)
    assert chosen[0] < chosen[-1] == STRENGTHS[-1]
