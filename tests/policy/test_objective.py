"""Several objectives at once, on films with a made-up margin."""

import numpy as np
import polars as pl
import pytest

from tailrank.data.dataset import Dataset
from tailrank.data.splits import hold_out
from tailrank.errors import RequestError
from tailrank.policy.objective import Objective
from tailrank.policy.registry import described, from_description
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings


@pytest.fixture(scope="module")
def shop(movielens: Dataset) -> Reranker:
    margin = np.random.default_rng(0).gamma(2, 1, movielens.n_items)
    margin[7] = np.nan
    items = movielens.items.with_columns(margin=pl.Series(margin).fill_nan(None), words=pl.lit("many"))
    ids = movielens.items["item_id"]
    events = pl.DataFrame(
        {
            "user_id": np.repeat([f"u{n}" for n in range(60)], 8),
            "item_id": ids.gather(np.random.default_rng(1).integers(0, 60, 480)),
            "position": list(range(480)),
        }
    )
    return Reranker.fit(hold_out(Dataset.construct(items, events)), None, Settings())


def test_more_weight_buys_more_of_it_and_the_list_says_how_much(shop: Reranker, movielens: Dataset) -> None:
    films = movielens.items["item_id"].head(60).to_list()
    margin = dict(zip(films, shop.catalogue.items["margin"], strict=False))
    plain = {item.item_id: item.score for item in shop.rank(films[:3], films)}
    earned = []
    for weight in (-1.0, 0.0, 0.5, 2.0):
        ranking = shop.rank(films[:3], films, policy=[Objective("margin", weight)], explain=True)
        earned.append(sum(margin[item] or 0 for item in ranking.item_ids[:10]))
        found = np.array([margin[item.item_id] if margin[item.item_id] else np.nan for item in ranking])
        apart = np.nan_to_num((found - np.nanmean(found)) / np.nanstd(found))
        added = [item.score - plain[item.item_id] for item in ranking]
        np.testing.assert_allclose(added, weight * apart, atol=1e-5)
    assert earned == sorted(earned)
    assert earned[0] < earned[-1]


def test_a_column_without_numbers_is_refused(shop: Reranker, movielens: Dataset) -> None:
    films = movielens.items["item_id"].head(3).to_list()
    with pytest.raises(RequestError, match="column `words` holds no numbers"):
        shop.rank([], films, policy=[Objective("words", 1)])
    with pytest.raises(RequestError, match="no column `margins`: did you mean `margin`"):
        shop.rank([], films, policy=[Objective("margins", 1)])
    assert from_description(described([Objective("margin", 0.5)])) == (Objective("margin", 0.5),)
