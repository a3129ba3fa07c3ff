"""An evaluation through the library: what is fitted, measured, compared and told."""

from dataclasses import replace

import numpy as np
import pytest

from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split, leave_one_out
from tailrank.errors import RequestError
from tailrank.evaluation.runner import evaluate, fit
from tailrank.metrics.full_ranking import rank_queries
from tailrank.ranking.settings import Settings


@pytest.fixture(scope="module")
def split(movielens: Dataset) -> Split:
    return leave_one_out(movielens).sampled(200, seed=0)


def test_the_first_model_is_compared_with_the_others_on_the_same_queries(split: Split) -> None:
    told: list[tuple[str, int, int | None]] = []

    def progress(task: str, done: int, total: int | None, note: str = "") -> None:
        told.append((task, done, total))

    models = fit(["item-knn", "popularity"], split, {}, Settings(), progress)
    found = evaluate(models, split, {}, Settings(), {"machine": "mine"}, progress)
    assert found.users == found.queries == 200
    assert found.settings["machine"] == "mine"
    assert {("fit", 2, 2), ("rank with item-knn", 200, 200), ("rank with popularity", 200, 200)} <= set(told)
    assert list(found.models) == ["item-knn", "popularity"]
    for model in models:
        ranks = rank_queries(model.scorer, split.test, split).ranks
        gains = np.where(ranks <= 10, 1 / np.log2(1 + ranks), 0)
        assert found.models[model.name]["ndcg@10"] == pytest.approx(gains.mean())
        assert found.exposure[model.name].sum() == 200 * 10
    assert [(each.a, each.b, each.metric) for each in found.comparisons] == [
        ("item-knn", "popularity", "ndcg@10"),
        ("item-knn", "popularity", "ndcg@10/tail80"),
    ]
    for each in found.comparisons:
        ours, theirs = (found.models[name][each.metric] for name in ("item-knn", "popularity"))
        assert ours is not None
        assert theirs is not None
        assert each.difference == pytest.approx(ours - theirs)
        assert each.ci95[0] <= each.difference <= each.ci95[1]


def test_a_split_without_test_queries_is_refused(split: Split) -> None:
    nothing = replace(split, test=split.test.take(slice(0)))
    with pytest.raises(RequestError, match="no test query under the protocol leave-one-out"):
        evaluate([], nothing, {}, Settings())
