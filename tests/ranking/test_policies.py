"""Steps that look at the list, on real films and users."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from tailrank.data.candidates import Candidates
from tailrank.errors import RequestError
from tailrank.policy.base import Policy
from tailrank.policy.calibration import Calibration
from tailrank.policy.caps import Cap
from tailrank.policy.diversity import Diversity, SimilarityCeiling
from tailrank.policy.exposure import Exposure
from tailrank.policy.fair import Fair
from tailrank.policy.fresh import FreshBoost
from tailrank.policy.tail import TailBoost
from tailrank.policy.xquad import XQuad
from tailrank.ranking.attributes import ItemAttributes
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker

HISTORY = ["172", "174", "210", "50", "181"]
FILMS = [str(at) for at in range(1, 201)]
STEPS: tuple[Policy, ...] = (
    TailBoost(0.3),
    FreshBoost("released"),
    XQuad(),
    Calibration("genres"),
    Diversity("dpp", 0.5),
    SimilarityCeiling(0.5),
    Cap("genres", most=2, window=4),
    Exposure(0.002),
    Fair("genres", ["Western", "Film-Noir"], 0.2),
)


@pytest.fixture(scope="module")
def dated(reranker: Reranker) -> Reranker:
    items = reranker.catalogue.items
    dates = items.with_columns(pl.date(pl.col("year").fill_null(1990), 1, 1).alias("released"))
    return replace(reranker, catalogue=replace(reranker.catalogue, attributes=ItemAttributes(dates)))


def test_contributions_add_up_to_the_scores_with_every_step_on(dated: Reranker) -> None:
    ranking = dated.rank(Request(HISTORY, [*FILMS, "unknown"], policy=STEPS, explain=True))
    assert sorted(ranking.item_ids) == sorted([*FILMS, "unknown"])
    assert ranking.scores == sorted(ranking.scores, reverse=True)
    for item in ranking:
        assert item.contributions is not None
        assert {step.name for step in STEPS} <= item.contributions.keys()
        assert sum(item.contributions.values()) == pytest.approx(item.score, abs=1e-5)


def test_what_is_evaluated_is_what_serves(dated: Reranker) -> None:
    model = replace(dated, policy=STEPS)
    ranking = model.rank(Request(HISTORY, FILMS))
    histories, _ = model.catalogue.histories([Request(HISTORY, FILMS).columns])
    codes = model.catalogue.codes_of(ranking.item_ids)
    scores = model.score(histories, Candidates(np.sort(codes), len(model.catalogue)))[0]
    # When the list is made isn't the same time to the microsecond.
    np.testing.assert_allclose(scores[np.argsort(np.argsort(codes))], ranking.scores, atol=1e-4)


def test_caps_hold_over_real_genres(reranker: Reranker) -> None:
    genres = dict(reranker.catalogue.items.select("item_id", "genres").iter_rows())
    ranking = reranker.rank(Request(HISTORY, FILMS, policy=[Cap("genres", most=1, window=2)], k=10))
    shown = [genres[item] or [] for item in ranking.item_ids]
    assert not any(set(one) & set(other) for one, other in pairwise(shown))


@pytest.mark.parametrize(
    "step", [Cap("genre"), Calibration("genre"), FreshBoost("genre"), Fair("genre", "War", 0.5)], ids=str
)
def test_a_column_that_items_lack_is_named_also_before_any_ranking(step: Policy, reranker: Reranker) -> None:
    message = "items have no column `genre`: did you mean `genres`"
    with pytest.raises(RequestError, match=message):
        reranker.rank(Request(HISTORY, FILMS, policy=[step]))
    with pytest.raises(RequestError, match=message):
        reranker.with_standing([step])


def test_a_column_without_times_is_refused_before_any_ranking(reranker: Reranker) -> None:
    for column, why in {"year": "holds years", "title": "holds no times: 'Toy Story"}.items():
        with pytest.raises(RequestError, match=f"column `{column}` {why}"):
            reranker.with_standing([FreshBoost(column)])


def test_films_released_after_the_model_was_made_are_read_like_the_others(reranker: Reranker) -> None:
    columns = [{"genres": ["Opera"], "released": 1_700_000_000}]
    model = reranker.with_items(["new"], ["A film"], columns=columns)
    request = Request(
        HISTORY, ["1", "new"], policy=[FreshBoost("released")], time=1_700_000_000, explain=True
    )
    [new] = [item for item in model.rank(request) if item.item_id == "new"]
    assert new.contributions is not None
    assert new.contributions["fresh"] == pytest.approx(0.5)  # of 1, compared with the mean of the list
