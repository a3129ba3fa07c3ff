"""Training that corrects for popularity, in small, and the page that tells what it found."""

from dataclasses import replace

import numpy as np
import pytest
from bench.causal import PLAIN, WAYS, DebiasedCoVisitation, Slices, Trials, Way
from bench.propensity import PopularityPropensity

from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split, temporal
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.fitting import with_template
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.signals.covisitation import CoVisitation


@pytest.fixture(scope="module")
def split(movielens: Dataset) -> Split:
    return temporal(movielens)


@pytest.fixture(scope="module")
def trials(split: Split) -> Trials:
    rng = np.random.default_rng(0)
    vectors = ItemVectors(rng.normal(size=(split.train.n_items, 8)).astype(np.float32))
    return Trials(split, vectors, with_template(Settings(queries=300, dimensions=4), split.train))


def test_an_event_weighs_as_its_item_is_rarely_observed_up_to_the_clip() -> None:
    propensity = PopularityPropensity.from_counts(np.array([100, 25, 4, 0]), power=0.5, clip=4.0)
    np.testing.assert_allclose(propensity.chances, [1, 0.5, 0.2, 0.1])
    weights = propensity.weights(np.arange(4))
    np.testing.assert_allclose(weights / weights[0], [1, 2, 4, 4])
    assert weights.mean() == pytest.approx(1)


def test_without_a_correction_the_study_ranks_as_what_ships(trials: Trials, split: Split) -> None:
    shipped = Reranker.fit(split, trials.vectors, replace(trials.settings, tail=0.0))
    plain = trials.debiased(WAYS[PLAIN])
    np.testing.assert_allclose(plain.fusion.weights, shipped.fusion.weights, rtol=1e-5)
    assert [signal.name for signal in plain.signals] == [signal.name for signal in shipped.signals]


def test_a_correction_moves_weights_away_from_popularity(trials: Trials) -> None:
    plain, strong = (trials.debiased(way).fusion for way in (WAYS[PLAIN], Way(1.0, 100.0)))
    at = plain.signals.index("popularity")
    assert strong.weights[..., at].mean() < plain.weights[..., at].mean()


def test_pairs_are_damped_by_the_later_item(trials: Trials, split: Split) -> None:
    dataset = split.train
    plain, debiased = (kind.from_events(dataset).rows for kind in (CoVisitation, DebiasedCoVisitation))
    counts = np.maximum(dataset.counts, 1)
    few = np.flatnonzero((plain.lengths > 1) & (plain.lengths < 100))
    row = plain.matrix[[few[0]]].toarray()[0]
    other = debiased.matrix[[few[0]]].toarray()[0]
    met = np.flatnonzero(row)
    ratio = other[met] / row[met] * counts[met] ** 0.5
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)


def test_on_the_unbiased_slice_targets_weigh_as_if_they_came_alike(split: Split) -> None:
    slices = Slices(split)
    weights, counts = slices.weights["ndcg@10/unbiased"], split.full_train.counts[split.test.targets]
    known = counts > counts.max() / 100
    total = weights[known] * counts[known]
    np.testing.assert_allclose(total, total[0])
    assert slices.about()["ndcg@10"] == len(split.test)
    values = np.random.default_rng(0).random((2, len(split.test)))
    found = {name: list(values) for name in (PLAIN, "weights for the tail", "weights for the tail, cost 0.1")}
    row = slices.row(list(values), found)
    assert row["ndcg@10"]["mean"] == pytest.approx(values.mean())
    assert row["ndcg@10/unbiased"]["difference"][PLAIN]["mean"] == 0
