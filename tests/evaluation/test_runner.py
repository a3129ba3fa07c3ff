"""An evaluation through the library: what is fitted, measured, compared and told."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import rankdata

from tailrank.data.candidates import Candidates
from tailrank.data.cold_items import cold_items
from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split, leave_one_out
from tailrank.errors import RequestError
from tailrank.evaluation.runner import evaluate, fit
from tailrank.language.vectors import ItemVectors
from tailrank.metrics.full_ranking import rank_queries, score
from tailrank.metrics.popularity import target_groups
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
    assert found.full.users == found.full.queries == 200
    assert found.settings["machine"] == "mine"
    assert {("fit", 2, 2), ("rank with item-knn", 200, 200), ("rank with popularity", 200, 200)} <= set(told)
    assert list(found.full.models) == ["item-knn", "popularity"]
    for model in models:
        ranks = rank_queries(model.scorer, split.test, split).ranks
        gains = np.where(ranks <= 10, 1 / np.log2(1 + ranks), 0)
        assert found.full.models[model.name]["ndcg@10"] == pytest.approx(gains.mean())
        assert found.full.exposure[model.name].sum() == 200 * 10
    assert [(each.a, each.b, each.metric) for each in found.full.comparisons] == [
        ("item-knn", "popularity", "ndcg@10"),
        ("item-knn", "popularity", "ndcg@10/tail80"),
    ]
    for each in found.full.comparisons:
        ours, theirs = (found.full.models[name][each.metric] for name in ("item-knn", "popularity"))
        assert ours is not None
        assert theirs is not None
        assert each.difference == pytest.approx(ours - theirs)
        assert each.ci95[0] <= each.difference <= each.ci95[1]


def test_a_split_without_test_queries_is_refused(split: Split) -> None:
    nothing = replace(split, test=split.test.take(slice(0)))
    with pytest.raises(RequestError, match="no test query under the protocol leave-one-out"):
        evaluate([], nothing, {}, Settings())


def test_fair_ground_is_measured_as_if_its_items_were_the_catalogue(split: Split) -> None:
    split = replace(split, least_count=20)
    [model] = models = fit(["item-knn"], split, {}, Settings())
    found = evaluate(models, split, {}, Settings())
    counts = split.full_train.counts
    known = np.flatnonzero(counts >= 20)
    gains = []
    for row in np.flatnonzero(np.isin(split.test.targets, known)):
        query = split.test.take(slice(row, row + 1))
        scores = score(model.scorer, query, Candidates(known.astype(np.int32), len(counts)))[0]
        scores[np.isin(known, query.histories.items)] = -np.inf
        rank = int(rankdata(-scores)[known == query.targets][0])
        gains.append(1 / np.log2(1 + rank) if rank <= 10 else 0.0)
    assert found.fair is not None
    assert (found.least_count, found.fair.queries, found.fair.items) == (20, len(gains), len(known))
    assert found.fair.models["item-knn"]["ndcg@10"] == pytest.approx(np.mean(gains))
    assert set(np.flatnonzero(found.fair.exposure["item-knn"]).tolist()) <= set(known.tolist())
    tail = target_groups(counts)["tail80"][split.test.targets]
    assert found.full.targets["tail80"] == tail.sum()
    assert found.fair.targets["tail80"] == tail[np.isin(split.test.targets, known)].sum()


def test_what_is_measured_on_full_ground_does_not_depend_on_the_fair_one(split: Split) -> None:
    models = fit(["tailrank", "popularity"], split, {}, Settings())
    with_fair, without = (
        evaluate(models, replace(split, least_count=least), {}, Settings()) for least in (20, 0)
    )
    assert without.fair is None
    assert with_fair.fair is not None
    assert with_fair.fair.queries < with_fair.full.queries
    assert with_fair.full.comparisons == without.full.comparisons
    assert with_fair.full.tradeoff == without.full.tradeoff
    for name, metrics in with_fair.full.models.items():
        assert metrics | {"rank_ms_per_user": 0} == without.full.models[name] | {"rank_ms_per_user": 0}


def test_cold_and_warm_targets_are_measured_apart(movielens: Dataset, movielens_vectors: ItemVectors) -> None:
    split = cold_items(leave_one_out(movielens)).sampled(300, seed=0)
    assert split.cold is not None
    models = fit(["lm-mean", "popularity"], split, {"semantic": movielens_vectors}, Settings())
    found = evaluate(models, split, {}, Settings())
    for ground in (found.full, found.fair):
        assert ground is not None
        assert ground.targets["cold"] + ground.targets["warm"] == ground.queries
        assert {each.metric for each in ground.comparisons} == {
            *("ndcg@10", "ndcg@10/tail80", "ndcg@10/cold", "ndcg@10/warm")
        }
    assert found.full.targets["cold"] == split.cold[split.test.targets].sum() > 0
    assert found.fair is not None
    assert found.fair.targets["cold"] == found.full.targets["cold"] == found.fair.targets["count=0"]
