"""Baselines against their definitions, written out as loops, and how they are tuned."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from tailrank.arrays import Bools, Doubles, Floats
from tailrank.data.candidates import Candidates, Scorer
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories
from tailrank.data.splits import Split, leave_one_out, temporal
from tailrank.errors import RequestError
from tailrank.evaluation.baseline_tuning import Setting, tune
from tailrank.evaluation.baselines import DEFAULT_MODELS, MODELS, FittedModel
from tailrank.evaluation.collaborative import EASE_ITEMS, ItemToItem, SessionNeighbours
from tailrank.evaluation.content import StandardisedSum, Vectors, Words
from tailrank.evaluation.profiles import FADINGS, Fading, profiles
from tailrank.evaluation.tuned_baselines import TUNED
from tailrank.language.text import item_texts
from tailrank.language.vectors import ItemVectors
from tailrank.metrics.full_ranking import per_query, rank_queries
from tailrank.metrics.popularity import tail_items
from tailrank.ranking.settings import Settings
from tailrank.reporting import silent
from tailrank.signals.covisitation import item_neighbours


@pytest.fixture(scope="module")
def dataset(movielens: Dataset) -> Dataset:
    """The first 60 users of the file."""
    h = movielens.histories
    few = h.cut(h.offsets[:60], h.offsets[1:61])
    return replace(movielens, user_ids=movielens.user_ids[:60], histories=few)


@pytest.fixture(scope="module")
def split(dataset: Dataset) -> Split:
    return leave_one_out(dataset)


@pytest.fixture(scope="module")
def spaces(movielens_vectors: ItemVectors) -> dict[str, ItemVectors]:
    return {"semantic": movielens_vectors}


@pytest.fixture(scope="module")
def queried(split: Split) -> Histories:
    """Histories of twelve test queries."""
    return split.test.take(slice(0, 12)).histories.latest(15)


@pytest.fixture(scope="module")
def users_items(dataset: Dataset) -> Doubles:
    """Who has which item, as ones; shape (users, items)."""
    table = np.zeros((dataset.n_users, dataset.n_items))
    table[dataset.histories.owners, dataset.histories.items] = 1
    return table


def whole(model: Scorer, histories: Histories, n_items: int) -> Floats:
    return model.score(histories, Candidates.everything(n_items))


def naive_scores(histories: Histories, weigh: Any, pairs: Doubles) -> Doubles:
    """Add, event by event, the row of the event's item times the event's weight."""
    scores = np.zeros((len(histories), len(pairs)))
    for row in range(len(histories)):
        events = histories.items[histories.offsets[row] : histories.offsets[row + 1]]
        for age, item in enumerate(events[::-1]):
            scores[row] += weigh(age) * pairs[item]
    return scores


FORMULAS = {
    "(1 + n)^-1": lambda n: 1 / (1 + n),
    "(1 + n)^-0.5": lambda n: 1 / np.sqrt(1 + n),
    "(1 + n)^-2": lambda n: 1 / (1 + n) ** 2,
    "0.7^n": lambda n: 0.7**n,
    "0.85^n": lambda n: 0.85**n,
    "1 - n/10": lambda n: max(1 - n / 10, 0),
    "1": lambda n: 1,
}


@pytest.mark.parametrize("fading", FADINGS)
def test_words_fade_as_the_name_of_the_fading_says(fading: str, dataset: Dataset, queried: Histories) -> None:
    texts = item_texts(dataset.items)
    rows = TfidfVectorizer(sublinear_tf=True).fit_transform(texts).toarray()
    expected = naive_scores(queried, FORMULAS[fading], rows @ rows.T)
    found = whole(Fading(Words.from_texts(texts), fading, 50), queried, dataset.n_items)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_sum_weighs_each_part_by_its_spread(dataset: Dataset, queried: Histories) -> None:
    rng = np.random.default_rng(0)
    narrow, wide = (rng.standard_normal((500, 3)).astype(np.float32) * scale for scale in (0.1, 3.0))
    total = StandardisedSum.from_share(Vectors(narrow), Vectors(wide), 0.25, 500)
    history = profiles(
        Histories(np.array([7, 9], np.int32), np.zeros(2, np.int32), np.arange(2.0), np.array([0, 2])),
        np.array([0.5, 1], np.float32),
        500,
    )
    expected = sum(
        share * (0.5 * pairs[7] + pairs[9]) / pairs.std()
        for share, pairs in ((0.75, narrow @ narrow.T), (0.25, wide @ wide.T))
    )
    np.testing.assert_allclose(total.score_profiles(history)[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shrinkage", [0.0, 10.0])
def test_neighbours_are_the_nearest_by_shrunk_cosine(
    shrinkage: float, dataset: Dataset, users_items: Doubles
) -> None:
    shared, users = users_items.T @ users_items, users_items.sum(axis=0)
    sizes = np.sqrt(np.outer(users, users))
    expected = np.divide(shared**2, sizes * (shared + shrinkage), where=shared > 0, out=shared * 0)
    np.fill_diagonal(expected, 0)
    found = item_neighbours(dataset, dataset.n_items, shrinkage)
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-5, atol=1e-7)
    few = item_neighbours(dataset, 20, shrinkage).toarray()
    for item in (0, 49, 257):
        kept = np.flatnonzero(few[item])
        assert len(kept) == min(20, np.count_nonzero(expected[item]))
        assert np.delete(expected[item], kept).max() <= expected[item][kept].min() + 1e-6


def test_ease_is_a_ridge_regression_of_each_item_on_all_others(
    dataset: Dataset, users_items: Doubles
) -> None:
    weights = ItemToItem.ease(dataset, 50.0).weights
    for item in (0, 49, 1200):
        others = np.delete(users_items, item, axis=1)
        gram = others.T @ others + 50 * np.eye(others.shape[1])
        expected = np.insert(np.linalg.solve(gram, others.T @ users_items[:, item]), item, 0)
        np.testing.assert_allclose(weights[:, item], expected, atol=2e-5)


def test_ease_refuses_a_catalogue_beyond_memory(dataset: Dataset) -> None:
    many = replace(dataset, items=dataset.items.sample(EASE_ITEMS + 1, with_replacement=True))
    with pytest.raises(RequestError, match=r"20,001 by 20,001 items, 1\.6 GB: leave it out of --models"):
        ItemToItem.ease(many, 100.0)


@pytest.mark.parametrize("clock", ["timestamp", "position"])
def test_sessions_vote_as_v_sknn_lets_them(
    clock: Any, dataset: Dataset, queried: Histories, users_items: Doubles
) -> None:
    neighbours, sample, idf_weight = 7, 30, 2.0
    data = replace(dataset, clock=clock)
    model = SessionNeighbours.from_dataset(data, neighbours, sample, idf_weight)
    found = whole(Fading(model, "1 - n/10", 50), queried, data.n_items)
    h, n_users = data.histories, data.n_users
    ends = [h.times[h.offsets[user + 1] - 1] for user in range(n_users)]
    for row in range(len(queried)):
        events = queried.items[queried.offsets[row] : queried.offsets[row + 1]][::-1]
        weights = {int(item): max(1 - age / 10, 0) for age, item in enumerate(events)}
        overlaps = {
            user: [weight for item, weight in weights.items() if weight and users_items[user, item]]
            for user in range(n_users)
        }
        compared = [user for user in range(n_users) if overlaps[user]]
        if clock == "timestamp":
            compared = sorted(compared, key=lambda user: -ends[user])[:sample]
        ranked = sorted(compared, key=lambda user: -sum(overlaps[user]))
        expected = np.zeros(data.n_items)
        for user in ranked[:neighbours]:
            for item in np.flatnonzero(users_items[user]):
                idf = np.log(n_users / users_items[:, item].sum())
                expected[item] += sum(overlaps[user]) * max(overlaps[user]) * (1 + idf_weight * idf)
        if len(ranked) > neighbours:
            last, next_one = (sum(overlaps[user]) for user in ranked[neighbours - 1 : neighbours + 1])
            if np.isclose(last, next_one):
                continue  # which of equal sessions votes is arbitrary
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def fitted(split: Split, spaces: dict[str, ItemVectors]) -> dict[str, FittedModel]:
    names = [baseline.name for baseline in TUNED]
    found = [MODELS[name](split, spaces, Settings(), silent) for name in names]
    return {model.name: model for model in found if isinstance(model, FittedModel)}


@pytest.mark.parametrize("name", [baseline.name for baseline in TUNED])
def test_a_tuned_baseline_scores_each_candidate_and_each_history_on_its_own(
    name: str, split: Split, queried: Histories, fitted: dict[str, FittedModel]
) -> None:
    model, n = fitted[name].scorer, split.full_train.n_items
    assert isinstance(model, Fading)
    scores = whole(model, queried, n)
    assert scores.dtype == np.float32
    some = np.array([5, 900, 17], np.int32)
    np.testing.assert_allclose(model.score(queried, Candidates(some, n)), scores[:, some], rtol=1e-5)
    first = queried.cut(queried.offsets[:1], queried.offsets[1:2])
    np.testing.assert_allclose(whole(model, first, n), scores[:1], rtol=1e-4, atol=1e-5)
    nobody = queried.cut(queried.offsets[:1], queried.offsets[:1])
    assert not whole(model, nobody, n).any()


def test_the_choice_is_the_best_trial_for_all_targets_and_those_in_the_tail(
    split: Split, fitted: dict[str, FittedModel]
) -> None:
    model, tuning = fitted["tfidf"].scorer, fitted["tfidf"].tuning
    assert isinstance(model, Fading)
    checked = replace(split, least_count=0)
    worth = {}
    for fading in FADINGS:
        gains = per_query(rank_queries(replace(model, fading=fading), split.validation, split))
        tail = tail_items(split.train.counts)[split.validation.targets]
        worth[fading] = (gains.mean() + gains[tail].mean()) / 2
    found = MODELS["tfidf"](checked, {}, Settings(), silent)
    assert isinstance(found, FittedModel)
    assert found.tuning["fading"] == max(worth, key=lambda fading: worth[fading])
    assert found.tuning["validation"] == pytest.approx(max(worth.values()))
    assert tuning["trials"] == len(FADINGS)
    assert fitted["ease"].tuning["regularisation"] in {10, 30, 100, 300, 1_000}


@dataclass(frozen=True)
class Boost:
    """Puts some items first whatever the history is."""

    items: Bools

    def score_profiles(self, profiles: Any) -> Floats:
        scores: Floats = profiles.toarray()
        scores[:, self.items] = 1e6
        return scores


def _boost(items: Bools, dataset: Dataset, setting: Setting) -> Boost:
    return Boost(items)


def test_items_whose_count_gives_them_away_are_no_candidates_in_tuning(split: Split) -> None:
    fair = replace(split, least_count=3)
    rare = split.train.counts < 3
    plain, boosted = (
        tune("boost", partial(_boost, items), {}, fair, Settings(), silent).tuning
        for items in (rare & False, rare)
    )
    assert boosted["validation"] == plain["validation"]


def test_the_choice_learns_from_the_full_training_set(dataset: Dataset) -> None:
    late = temporal(dataset, per_user=3)
    found = MODELS["item-knn"](late, {}, Settings(), silent)
    assert isinstance(found, FittedModel)
    assert isinstance(found.scorer, Fading)
    neighbours, shrinkage = (found.tuning[name] for name in ("neighbours", "shrinkage"))
    expected = item_neighbours(late.full_train, int(neighbours), float(shrinkage))
    assert isinstance(found.scorer.items, ItemToItem)
    assert abs(sparse.csr_array(found.scorer.items.weights - expected)).sum() == 0


@pytest.mark.parametrize("name", ["lm", "tfidf+lm", "lm-mean"])
def test_a_baseline_that_reads_vectors_asks_for_an_encoder(name: str, split: Split) -> None:
    with pytest.raises(RequestError, match=rf"{name.replace('+', '.')} needs an encoder"):
        MODELS[name](split, {}, Settings(), silent)


def test_models_measured_by_default_exist() -> None:
    assert set(DEFAULT_MODELS) <= set(MODELS)
