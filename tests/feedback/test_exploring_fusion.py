"""Exploration from the posterior to the list: its size, its bounds, its part in explanations, its chances."""

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError
from tailrank.feedback.explored_records import EnsembleRecord
from tailrank.feedback.exploring_fusion import DRAWS, Explorer, ExploringFusion
from tailrank.feedback.impression_log import ImpressionLog
from tailrank.feedback.impressions import Impression
from tailrank.feedback.log_tables import read_log
from tailrank.feedback.online_fusion import OnlineFusion
from tailrank.feedback.records import ShownRecord, all_segments, read_records
from tailrank.feedback.roll_over import roll_over
from tailrank.feedback.roll_over_process import Retention
from tailrank.feedback.user_export import logged_of
from tailrank.policy.base import Policy
from tailrank.policy.exploration import Exploration
from tailrank.policy.tail import TailBoost
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings

N_ITEMS = 20
ITEMS = [f"i{at}" for at in range(N_ITEMS)]


def shop() -> Reranker:
    """Users whose next item is near the last one; the first items are the most popular."""
    rng, rows = np.random.default_rng(0), []
    for user in range(60):
        walk = np.cumsum(rng.integers(-2, 3, 8)) + rng.integers(0, 6)
        rows += [{"user_id": f"u{user}", "item_id": ITEMS[abs(at) % N_ITEMS], "position": step}
                 for step, at in enumerate(walk.tolist())]  # fmt: skip
    items = pl.DataFrame({"item_id": ITEMS, "title": [f"thing {at // 4} {at}" for at in range(N_ITEMS)]})
    return Reranker.fit(Dataset.construct(items, pl.DataFrame(rows)), None, Settings())


SHOP = shop()
REQUEST = Request(["i3", "i4"], ITEMS, policy=[Exploration(10, 4, 1)], explain=True, keep_signals=True)


def exploring(explorer: Explorer, scale: float = 1.0, seed: int = 0) -> Reranker:
    online, rng = OnlineFusion.start(SHOP.fusion), np.random.default_rng(seed)
    return replace(SHOP, fusion=ExploringFusion.from_online(online, explorer, scale, rng))


@pytest.mark.parametrize("explorer", ["thompson", "ucb"])
def test_it_stays_near_the_list_that_it_would_show_otherwise(explorer: Explorer) -> None:
    plain, before = SHOP.rank(REQUEST), {item: rank for rank, item in enumerate(SHOP.rank(REQUEST).item_ids)}
    assert exploring(explorer, 0.0).rank(REQUEST).item_ids == plain.item_ids
    ranked = exploring(explorer, 100.0).rank(REQUEST)
    assert ranked.item_ids != plain.item_ids
    assert max(abs(before[item] - rank) for rank, item in enumerate(ranked.item_ids)) <= 4
    assert sorted(ranked.scores) == pytest.approx(sorted(plain.scores), abs=1e-4)


def test_explanations_name_its_part_and_add_up() -> None:
    ranked = exploring("thompson", 100.0).rank(REQUEST)
    for item in ranked:
        assert item.contributions is not None
        assert sum(item.contributions.values()) == pytest.approx(item.score, abs=1e-4)
    assert any(item.contributions["exploration"] for item in ranked if item.contributions)


def test_thompson_draws_anew_and_ucb_does_not() -> None:
    for explorer, distinct in (("thompson", True), ("ucb", False)):
        model = exploring(explorer, 100.0)  # type: ignore[arg-type]
        lists = {tuple(model.rank(REQUEST).item_ids) for _ in range(10)}
        assert (len(lists) > 1) == distinct


def test_neither_scores_of_evaluation_nor_rankings_without_the_step_explore() -> None:
    model = exploring("thompson", 100.0)
    assert model.rank(replace(REQUEST, policy=[])) == SHOP.rank(replace(REQUEST, policy=[]))


def test_what_was_learned_is_explored_less() -> None:
    """Each outcome narrows the posterior, and so the bonus, where it says something."""
    online = OnlineFusion.start(SHOP.fusion)
    kept = SHOP.rank(REQUEST).signals
    assert kept is not None
    spreads = []
    for _ in range(3):
        features = online.corrections.features(kept.values, kept.count_levels)
        spreads.append(online.posterior().deviations(kept.history_bucket, features))
        for _ in range(200):
            online.update(kept.values, kept.count_levels, kept.history_bucket, np.eye(N_ITEMS)[1])
    assert (spreads[0] >= spreads[1]).all()
    assert spreads[0].mean() > spreads[1].mean() > spreads[2].mean()


@pytest.mark.parametrize("places", [6, 40])
def test_chances_are_how_often_lists_come_out_so(places: int) -> None:
    model, request = exploring("thompson", 5.0), replace(REQUEST, policy=[Exploration(places, 4, 1)], k=8)
    rankings = [model.rank(request) for _ in range(2_000)]
    often = [Counter(ranked.item_ids[rank] for ranked in rankings) for rank in range(8)]
    for ranked in rankings[:20]:
        chances = Impression.from_ranking(ranked, user_id="ada", time=0.0, model="m").propensities
        expected = [often[rank][item] / len(rankings) for rank, item in enumerate(ranked.item_ids)]
        np.testing.assert_allclose(chances, expected, atol=0.06)
        assert (chances >= 1 / DRAWS).all()


def test_what_is_not_left_to_chance_has_no_chances() -> None:
    assert exploring("ucb").rank(REQUEST).explored is None
    assert exploring("thompson").rank(replace(REQUEST, keep_signals=False)).explored is None
    last: list[Policy] = [Exploration(), TailBoost(0.5)]  # it has the last word, so nothing is known
    assert exploring("thompson").rank(replace(REQUEST, policy=last)).explored is None
    plain = Impression.from_ranking(SHOP.rank(REQUEST), user_id="ada", time=0.0, model="m")
    assert plain.propensities.tolist() == [1] * N_ITEMS


def test_each_segment_holds_what_its_lists_were_drawn_from(tmp_path: Path) -> None:
    """Once, so that segments are read, and rolled over, one by one."""
    models = [exploring("thompson", 5.0, seed) for seed in (0, 1)]
    rankings = [models[at % 2].rank(replace(REQUEST, k=5)) for at in range(12)]

    async def log_all() -> None:
        for half in (rankings[:6], rankings[6:]):
            log = ImpressionLog(tmp_path, Retention(read_only=True))
            for ranking in half:
                shown = ShownRecord.from_ranking(ranking, user_id="ada", time=1.7e9, model="m")
                log.add(shown, ranking.explored and ranking.explored.ensemble)
                await log.put([])
            await log.close()

    asyncio.run(log_all())
    segments = all_segments(tmp_path)
    held = [list(read_records([each])) for each in segments]
    assert [sum(isinstance(record, EnsembleRecord) for record in each) for each in held] == [2, 2]
    expected = {
        ranked.ranking_id: ranked.explored.chances(5).tolist() for ranked in rankings if ranked.explored
    }
    for _ in range(2):
        shown = read_log(tmp_path).shown.select("ranking_id", "propensities").collect()
        assert dict(shown.iter_rows()) == expected
        roll_over(tmp_path, 1e5, 1)
    assert logged_of(tmp_path, "ada")["shown"][0]["propensities"] in expected.values()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("candidates", [[], ["new"], ["new", "newer"]])
def test_nothing_that_it_knows_is_nothing_to_explore(candidates: list[str]) -> None:
    assert exploring("thompson", 100.0).rank(replace(REQUEST, candidates=candidates)).item_ids == candidates


def test_no_item_moves_further_if_unknown_ones_keep_their_ranks() -> None:
    among = [name for item in ITEMS for name in (item, f"new {item}")]
    request = replace(REQUEST, candidates=among)
    before = {item: rank for rank, item in enumerate(SHOP.rank(request).item_ids)}
    ranked = exploring("ucb", 100.0).rank(request)
    assert max(abs(before[item] - rank) for rank, item in enumerate(ranked.item_ids)) <= 4
    scored = replace(request, scores=[0.0] * len(among))  # then they have scores to move by
    assert exploring("ucb", 100.0).rank(scored).item_ids != SHOP.rank(scored).item_ids


def test_an_explorer_that_there_isnt_is_refused() -> None:
    with pytest.raises(RequestError, match="no explorer is called 'greedy': there are thompson, ucb"):
        exploring("greedy")  # type: ignore[arg-type]


def test_a_scale_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(RequestError, match="scale of exploration must be at least 0"):
        exploring("ucb", -1.0)
