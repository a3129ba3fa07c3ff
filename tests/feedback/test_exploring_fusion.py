"""Exploration from the posterior to the list: its size, its bounds, its part in explanations, its chances."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError
from tailrank.feedback.exploring_fusion import DRAWS, Explorer, ExploringFusion
from tailrank.feedback.online_fusion import OnlineFusion
from tailrank.policy.base import Scored
from tailrank.policy.exploration import Exploration
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


def test_chances_are_how_often_lists_come_out_so() -> None:
    model = exploring("thompson", 5.0)
    fusion = model.fusion
    assert isinstance(fusion, ExploringFusion)
    kept = SHOP.rank(replace(REQUEST, policy=[])).signals
    plain = SHOP.rank(replace(REQUEST, policy=[]))
    assert kept is not None
    rarity = SHOP.catalogue.rarity.take(SHOP.catalogue.codes_of(plain.item_ids))
    scored, at = Scored(np.array(plain.scores, np.float32), rarity), np.arange(10)
    chances = np.mean(
        [fusion.placement_chances(scored, REQUEST.policy or [], kept, at) for _ in range(20)], axis=0
    )
    lists = [model.rank(REQUEST).item_ids for _ in range(1_000)]
    often = np.mean([[ranked[rank] == plain.item_ids[rank] for rank in at] for ranked in lists], axis=0)
    np.testing.assert_allclose(chances, often, atol=0.08)
    assert (chances >= 1 / (DRAWS + 1)).all()
    by_bound = exploring("ucb").fusion
    assert isinstance(by_bound, ExploringFusion)
    assert by_bound.placement_chances(scored, [], kept, at).tolist() == [1] * 10


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
