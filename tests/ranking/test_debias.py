"""Fusion that corrects for what popularity lets be observed."""

from dataclasses import replace

import pytest

from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings

PLAIN = Settings(queries=300, tail=0.0)


def test_a_correction_moves_weights_away_from_popularity(movielens: Dataset) -> None:
    plain, corrected = (
        Reranker.fit(movielens, None, settings).fusion for settings in (PLAIN, replace(PLAIN, debias=1.0))
    )
    at = plain.signals.index("popularity")
    assert corrected.weights[..., at].mean() < plain.weights[..., at].mean()


def test_a_correction_takes_the_place_of_weights_for_the_tail(movielens: Dataset) -> None:
    asked = replace(PLAIN, debias=0.5)
    one, other = (Reranker.fit(movielens, None, s).fusion for s in (asked, replace(asked, tail=None)))
    assert (one.weights == other.weights).all()
    assert other.tail_emphasis == 0


def test_a_power_out_of_bounds_is_refused() -> None:
    with pytest.raises(RequestError, match="debias"):
        Settings(debias=1.5)
