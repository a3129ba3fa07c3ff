"""How far weights go for the tail, on samples where the right answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tailrank.arrays import Doubles
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories, Queries
from tailrank.ranking.evidence import Evidence
from tailrank.ranking.fusion import Fusion
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.ranking.tail_emphasis import (
    EMPHASIS,
    MOST_LIFT,
    PATH,
    Frontier,
    best_lift,
    best_point,
    frontier,
    query_importances,
)
from tailrank.signals.popularity import Popularity

N_ITEMS = 60
TAIL = np.arange(N_ITEMS) >= 12


def asked(targets: list[int]) -> Queries:
    """Ask for each target after a history of one other item."""
    n = len(targets)
    items = np.array([(target + 1) % N_ITEMS for target in targets], np.int32)
    source = Histories(items, np.zeros(n, np.int32), np.zeros(n), np.arange(n + 1))
    starts = np.arange(n)
    return Queries(
        source, np.arange(n, dtype=np.int32), starts, starts + 1, starts + 1, np.array(targets, np.int32)
    )


def seen(arriving: tuple[int, ...] = (), unfair: tuple[int, ...] = ()) -> Evidence:
    """Items of falling popularity, which is the only signal."""
    signal = Popularity(np.linspace(1, -1, N_ITEMS + len(arriving)).astype(np.float32))
    fair = np.ones(N_ITEMS, bool)
    fair[list(unfair)] = False
    levels = np.full(N_ITEMS, 5, np.int32)
    levels[list(arriving)] = 0
    return Evidence((signal,), levels, TAIL, fair, np.array(arriving, np.int32), repeats=False)


def fusion(weight: float) -> Fusion:
    return Fusion(("popularity",), np.full((6, 5, 1), weight, np.float32), np.zeros((6, 5), np.float32), 0.0)


POPULAR, RARE = fusion(1.0), fusion(-1.0)


def choose(targets: list[int], cost: float = 0.01, accurate: Fusion = POPULAR) -> float:
    path = frontier(accurate, RARE, seen(), asked(targets), 50)
    return PATH[best_point([path], cost)[1]]


def test_the_tail_is_not_bought_at_any_price() -> None:
    assert choose([0, 1, 2, 3] * 20 + [59]) == 0.0


def test_what_costs_nothing_is_taken() -> None:
    share = choose([59, 58] * 20 + [0])
    assert share > 0.5
    assert share in PATH


def test_a_higher_price_buys_more_of_the_tail() -> None:
    targets = [0, 1] * 20 + [59, 58] * 15
    chosen = [choose(targets, cost) for cost in (0.0, 0.01, 0.9)]
    assert chosen == sorted(chosen)
    assert chosen[0] == 0.0 < chosen[-1]


@pytest.mark.parametrize("targets", [[0, 1, 2], [30, 40], []])
def test_without_targets_on_both_sides_nothing_can_be_weighed(targets: list[int]) -> None:
    assert choose(targets) == 0.0


def lift(targets: list[int], cost: float, arriving: tuple[int, ...] = (58, 59)) -> float:
    """Let new items start low, and choose how much higher."""
    faint = fusion(0.42)
    path = frontier(faint, faint.lifted(MOST_LIFT), seen(arriving), asked(targets), 50)
    return best_lift(path, cost)


def test_new_items_are_lifted_as_far_as_the_others_afford() -> None:
    targets = [*range(12)] * 5 + [58, 59] * 10
    lifts = [lift(targets, cost) for cost in (0.0, 0.2, 0.9)]
    assert lifts == sorted(lifts)
    assert lifts[0] < lifts[1] < lifts[2] == MOST_LIFT


def test_where_no_new_target_is_found_the_price_alone_says_how_far() -> None:
    gains = np.zeros((len(PATH), 3))
    gains[:, 0] = 0.6 - 0.02 * np.array(PATH)
    users, new = np.arange(3, dtype=np.int32), np.array([False, False, True])
    path = Frontier(gains, np.zeros(3, bool), users, new)
    assert [best_lift(path, cost) for cost in (0.0, 0.005, 0.01, 0.02)] == [0.0, 0.125, 0.25, 0.5]


@pytest.mark.parametrize(("targets", "arriving"), [([0, 1], (58, 59)), ([58, 59], (58, 59)), ([0, 59], ())])
def test_without_new_targets_and_others_nothing_is_lifted(
    targets: list[int], arriving: tuple[int, ...]
) -> None:
    assert lift(targets, 0.9, arriving) == 0.0


def lifts_at(counts: list[int], by: float) -> Doubles:
    """Say how much higher items with so many interactions start."""
    levels, lifted = np.array(counts, np.int32), POPULAR.lifted(by)
    np.testing.assert_array_equal(lifted.weights, POPULAR.weights)
    return (lifted.biases_of(levels, 2) - POPULAR.biases_of(levels, 2)).astype(np.float64)


def test_a_small_lift_is_for_items_without_interactions_and_ends_at_the_next_knot() -> None:
    np.testing.assert_allclose(lifts_at([0, 1, 5, 50], 0.5), [0.5, 0.4, 0, 0], atol=1e-6)


def test_no_event_takes_more_than_a_fifth_of_log_odds_from_what_was_lifted() -> None:
    falling = np.diff(lifts_at(list(range(31)), MOST_LIFT))
    assert (falling <= 1e-6).all()
    assert falling.min() >= -0.2 - 1e-6
    assert falling.sum() == pytest.approx(-MOST_LIFT, abs=1e-6)


def test_a_query_counts_by_its_target() -> None:
    evidence, queries = seen(unfair=(3,)), asked([0, 3, 59])
    plain, stressed = query_importances(evidence, queries)
    assert plain.tolist() == [1, 0, 1]
    assert stressed.tolist() == [1, 0, EMPHASIS]


def test_by_time_new_items_start_higher_and_a_model_folder_keeps_how_high(
    movielens: Dataset, tmp_path: Path
) -> None:
    fitted = Reranker.fit(movielens, None, Settings(queries=2_000))
    assert 0 < fitted.fusion.new_lift <= MOST_LIFT
    fitted.save(tmp_path / "model")
    assert Reranker.load(tmp_path / "model").fusion.new_lift == fitted.fusion.new_lift
