"""Fusion that corrects for what popularity lets be observed."""

from dataclasses import replace

import polars as pl
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


def test_the_sequence_model_is_corrected_too() -> None:
    items = pl.DataFrame({"item_id": [str(at) for at in range(12)], "title": "thing"})
    walks = [(user, str(step * user % 12), step) for user in range(60) for step in range(4)]
    data = Dataset.construct(items, pl.DataFrame(walks, ["user_id", "item_id", "position"], orient="row"))
    asked = [Settings(sequence_epochs=1), Settings(sequence_epochs=1, debias=0.5)]
    plain, corrected = (Reranker.fit(data, None, settings).signals for settings in asked)
    differ = [
        one.name
        for one, other in zip(plain, corrected, strict=True)
        if any((array != other.arrays()[name]).any() for name, array in one.arrays().items())
    ]
    assert differ == ["sequence"]


def test_a_power_out_of_bounds_is_refused() -> None:
    with pytest.raises(RequestError, match=r"^debias must be at least 0 and at most 1"):
        Settings(debias=1.5)
