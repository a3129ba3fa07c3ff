"""Whatever is asked, and whatever follows the score, an explanation leaves nothing over."""

from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrank.arrays import Floats
from tailrank.policy.base import Policy, Scored
from tailrank.policy.caps import Cap
from tailrank.policy.exposure import Exposure
from tailrank.policy.fair import Fair
from tailrank.policy.fresh import FreshBoost
from tailrank.policy.objective import Objective
from tailrank.policy.registry import POLICIES
from tailrank.policy.relations import Excludes, Requires
from tailrank.policy.rule import Rule
from tailrank.policy.rules import Rules
from tailrank.policy.stock import Stock
from tailrank.policy.tail import TailBoost
from tailrank.ranking.additive import settled
from tailrank.ranking.attributes import ItemAttributes
from tailrank.ranking.fused_scores import FusedScores
from tailrank.ranking.fusion import Fusion
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker

NOW = 1_700_000_000.0
"""What the time of day decides is the same in two rankings of one request."""

EXACT = 1e-9
"""Scores are in single precision, their parts in double."""


@dataclass(frozen=True)
class Shuffle:
    """Puts five candidates first that chance chooses."""

    seed: int
    name: ClassVar[str] = "shuffle"
    listwise: ClassVar[bool] = True

    def apply(self, scored: Scored) -> Scored:
        return scored.reordered(self.name, np.random.default_rng(self.seed).permutation(scored.order)[:5])


@dataclass(frozen=True)
class Large:
    """Adds so much that single precision loses the digits of what was there."""

    name: ClassVar[str] = "large"
    listwise: ClassVar[bool] = False

    def apply(self, scored: Scored) -> Scored:
        return scored.plus(self.name, np.float32(3e3) * scored.rarity)


@dataclass(frozen=True)
class Removal:
    """Takes every third candidate."""

    name: ClassVar[str] = "removal"
    listwise: ClassVar[bool] = False

    def apply(self, scored: Scored) -> Scored:
        return scored.without("every third", np.arange(scored.scores.shape[-1]) % 3 == 1)


class Curious(Fusion):
    """Would like to see the last ones first."""

    def bonus(self, fused: FusedScores, row: int) -> Floats:
        found: Floats = -2 * fused.total[row]
        return found


OF_STEPS: dict[str, Policy] = {
    "tail": TailBoost(0.3),
    "objective": Objective("year", 0.4),
    "fresh": FreshBoost("since", boost=2.0),
    "stock": Stock("year"),
    "requires": Requires("sequels"),
    "excludes": Excludes("genres"),
    "exposure": Exposure(0.05),
    "cap": Cap("genres"),
    "fair": Fair("genres", "Horror", 0.3),
    "rules": Rules(
        (
            Rule("no war", "ARRAY_CONTAINS(genres, 'War')", "filter"),
            Rule("old first", "year < 1950", "boost", by=1.5),
        )
    ),
}
"""Examples of steps whose defaults change nothing, or that have none."""

STEPS: list[Policy] = [
    *(OF_STEPS[name] if name in OF_STEPS else step() for name, step in POLICIES.items()),
    *(Shuffle(seed) for seed in range(3)),
    Removal(),
    Large(),
]


@pytest.fixture(scope="module")
def reranker(reranker: Reranker) -> Reranker:
    """The model, of whose films a time and sequels are known."""
    items, n_items = reranker.catalogue.items, len(reranker.catalogue.items)
    known = items.with_columns(
        since=pl.lit(NOW) - pl.int_range(n_items) * 86_400.0,
        sequels=pl.lit(None, pl.List(pl.String)),
    )
    return replace(reranker, catalogue=replace(reranker.catalogue, attributes=ItemAttributes(known)))


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """Any history, list and steps; some items unknown, some repeated."""
    films = st.one_of(st.integers(1, 1682), st.integers(9000, 9003)).map(str)
    candidates = draw(st.lists(films, min_size=1, max_size=60))
    size = len(candidates)
    scores = st.lists(st.one_of(st.floats(-9, 9), st.just(float("nan"))), min_size=size, max_size=size)
    return {
        "history": draw(st.lists(films, max_size=70)),
        "candidates": candidates,
        "scores": draw(st.one_of(st.none(), scores)),
        "policy": draw(st.lists(st.sampled_from(STEPS), max_size=9)),
        "k": draw(st.one_of(st.none(), st.integers(1, 60))),
        "time": NOW,
    }


@settings(max_examples=150, derandomize=True)
@given(asked=requests())
def test_nothing_is_left_over(reranker: Reranker, asked: dict[str, Any]) -> None:
    learned = {field.name: getattr(reranker.fusion, field.name) for field in fields(Fusion)}
    curious = replace(reranker, fusion=Curious(**learned))
    request = Request(**asked)
    plain, found = curious.rank(request), curious.explain(request)
    assert [(each.item_id, each.score) for each in found] == list(
        zip(plain.item_ids, plain.scores, strict=True)
    )
    for rank, each in enumerate(found, start=1):
        assert sum(each.contributions.values()) == pytest.approx(each.score, abs=EXACT, rel=1e-12)
        for name, shares in each.by_event.items():
            assert sum(shares) == pytest.approx(each.contributions[name], abs=EXACT)
        assert not each.moves or each.moves[-1].after == rank
        names = [move.step for move in each.moves]
        assert [name for name in names if name != "rank kept"] == [step.name for step in request.policy or ()]
        for before, move in zip(each.moves, each.moves[1:], strict=False):
            assert before.after == move.before


def test_parts_are_what_the_signals_say_not_what_is_left_over(reranker: Reranker) -> None:
    history, films = ["172", "174", "210"], [str(film) for film in range(1, 120)]
    ranking = reranker.rank(history, films, policy=STEPS, explain=True, keep_signals=True)
    assert ranking.contributions is not None
    assert ranking.signals is not None
    names, values = ranking.contributions
    codes = reranker.catalogue.codes_of(ranking.item_ids)
    weights = reranker.fusion.weights_of(reranker.catalogue.levels[codes], 1)
    for row, name in enumerate(reranker.fusion.signals):
        said = weights[row].astype(float) * ranking.signals.values[:, row]
        difference = values[:, names.index(name)] - said
        np.testing.assert_allclose(difference, difference.mean(), atol=1e-3)


def test_a_remainder_goes_to_the_largest_part() -> None:
    parts = np.array([[1.0, 0.0], [-4.0, 0.5]])
    found = settled(parts, np.array([-2.75, 0.5]))
    assert found.tolist() == [[1.0, 0.0], [-3.75, 0.5]]
    assert settled(np.empty((0, 2)), np.zeros(2)).shape == (0, 2)


def test_moves_tell_the_rank_before_and_after_each_step(reranker: Reranker) -> None:
    films = ["50", "181", "100", "1682", "742", "1"]
    steps = (Removal(), Shuffle(1), TailBoost(0.0))
    before = {item.item_id: item.rank for item in reranker.rank([], films, policy=())}
    after = [item.item_id for item in reranker.rank([], films, policy=(Removal(),))]
    for rank, each in enumerate(reranker.explain([], films, policy=steps), start=1):
        removal, shuffle, tail = each.moves
        assert removal == ("removal", before[each.item_id], 1 + after.index(each.item_id))
        assert shuffle == ("shuffle", removal.after, rank)
        assert tail == ("tail", rank, rank)


def test_without_steps_nothing_moves_and_a_plain_ranking_knows_no_moves(reranker: Reranker) -> None:
    assert reranker.rank([], ["50", "1"], policy=()).moves is None
    assert [each.moves for each in reranker.explain([], ["50", "1"], policy=())] == [(), ()]


def test_an_unknown_item_that_keeps_its_rank_was_moved_there_last(reranker: Reranker) -> None:
    [first, *_] = reranker.explain(["172"], ["?", "50", "1", "1682"], policy=())
    assert first.item_id == "?"
    assert [move.step for move in first.moves] == ["rank kept"]
    assert first.moves[0].after == 1
