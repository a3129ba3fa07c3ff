"""Well-known recommenders beside tailrank: what they compute, how they are tuned, what they refuse."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tailrank.arrays import Floats
from tailrank.data.candidates import Candidates
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Queries
from tailrank.data.splits import Split, leave_one_out, temporal
from tailrank.errors import DataError, RequestError
from tailrank.evaluation import baselines, runner
from tailrank.language.vectors import ItemVectors
from tailrank.metrics.full_ranking import Model, per_query, rank_queries, score
from tailrank.ranking.settings import Settings
from tailrank.reporting import silent
from tailrank_peers import PEERS, tuning
from tailrank_peers.matrices import user_items
from tailrank_peers.tuning import TRIALS, Setting, hold_back

HERE = Path(__file__).parents[2]
QUICK: dict[str, Setting] = {
    "als": {"factors": 16, "alpha": 10.0, "regularization": 1.0, "iterations": 5},
    "bpr": {"factors": 16, "learning_rate": 0.1, "regularization": 0.01, "iterations": 60},
    "implicit-item-knn": {"weighting": "Cosine", "neighbours": 50},
    "sasrec-softmax": {"factors": 16, "dropout": 0.1, "epochs": 2, "rate": 0.01},
    "sasrec-gbce": {"factors": 16, "dropout": 0.1, "epochs": 2, "rate": 0.01},
    "sasrec-text": {"factors": 16, "dropout": 0.1, "epochs": 2, "rate": 0.01},
    "ncf": {"embedding": 16, "epochs": 2, "learning_rate": 0.005},
    "lightgbm": {"num_leaves": 7, "n_estimators": 30, "learning_rate": 0.1, "min_child_samples": 20},
}
"""A setting of each peer that is fitted in a second or two."""

BY_HISTORY = [name for name in QUICK if name not in {"bpr", "ncf"}]


@pytest.fixture(scope="module")
def dataset(movielens: Dataset) -> Dataset:
    """The first 300 users of the file."""
    h = movielens.histories
    few = h.cut(h.offsets[:300], h.offsets[1:301])
    return replace(movielens, user_ids=movielens.user_ids[:300], histories=few)


@pytest.fixture(scope="module")
def split(dataset: Dataset) -> Split:
    return leave_one_out(dataset)


@pytest.fixture(scope="module")
def fitted(split: Split, movielens_vectors: ItemVectors) -> Any:
    """Fit a peer by its name, once."""

    @cache
    def fit(name: str) -> Model:
        return PEERS[name].prepare(split, movielens_vectors.values, Settings())(QUICK[name])

    return fit


def whole(model: Model, queries: Queries, split: Split) -> Floats:
    return score(model, queries, Candidates.everything(split.full_train.n_items))


@pytest.mark.parametrize("name", list(PEERS))
def test_a_peer_beats_chance_by_far(name: str, split: Split, fitted: Any) -> None:
    found = per_query(rank_queries(fitted(name), split.test, split)).mean()
    assert found > 5 * 0.0027, "ten random items among 1,682 items are worth .0027"


@pytest.mark.parametrize("name", list(PEERS))
def test_one_query_scores_as_in_a_batch_and_some_candidates_as_among_all(
    name: str, split: Split, fitted: Any
) -> None:
    model, queries = fitted(name), split.test.take(slice(0, 12))
    scores = whole(model, queries, split)
    assert scores.shape == (12, split.full_train.n_items)
    assert np.isfinite(scores).all()
    alone = np.concatenate([whole(model, queries.take(slice(n, n + 1)), split) for n in range(12)])
    np.testing.assert_allclose(alone, scores, rtol=1e-4, atol=1e-4)
    if name != "lightgbm":  # which looks for what signals like best among the candidates
        some = np.array([5, 900, 17], dtype=np.int32)
        part = score(model, queries, Candidates(some, split.full_train.n_items))
        np.testing.assert_allclose(part, scores[:, some], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", BY_HISTORY)
def test_events_after_training_count(name: str, split: Split, fitted: Any) -> None:
    queries = split.test.take(slice(0, 12))
    earlier = replace(queries, ends=queries.ends - 3)
    assert not np.allclose(whole(fitted(name), queries, split), whole(fitted(name), earlier, split))


@pytest.mark.parametrize("name", ["bpr", "ncf"])
def test_unknown_users_get_the_most_popular_items_and_known_ones_what_was_learned(
    name: str, split: Split, fitted: Any
) -> None:
    model, queries = fitted(name), split.test.take(slice(0, 5))
    counts = split.full_train.counts
    unknown = replace(model, known=np.zeros_like(model.known))
    np.testing.assert_array_equal(whole(unknown, queries, split), np.tile(counts, (5, 1)))
    assert len(np.unique(whole(model, queries, split), axis=0)) == 5


def test_als_folds_in_by_the_normal_equations(split: Split, fitted: Any) -> None:
    """Equation 4 of Hu, Koren and Volinsky; the library's confidence is alpha times the count."""
    model, queries = fitted("als"), split.test.take(slice(0, 8))
    items, alpha = model.model.item_factors.astype(np.float64), QUICK["als"]["alpha"]
    expected = []
    for row in user_items(queries.histories, split.full_train.n_items):
        confidence, own = float(alpha) * row.data, items[row.indices]
        gram = items.T @ items + own.T @ ((confidence - 1)[:, None] * own) + np.eye(items.shape[1])
        expected.append(items @ np.linalg.solve(gram, confidence @ own))
    np.testing.assert_allclose(whole(model, queries, split), expected, atol=1e-3)


@pytest.mark.parametrize("name", ["sasrec-softmax", "sasrec-gbce", "sasrec-text"])
def test_sasrec_ranks_as_rectools_recommends(
    name: str, split: Split, movielens_vectors: ItemVectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tailrank_peers import sasrec

    kept: list[Any] = []
    build, hand_over = sasrec._network, sasrec._rectools_data
    monkeypatch.setattr(sasrec, "_network", lambda *a, **k: kept.append(build(*a, **k)) or kept[-1])
    monkeypatch.setattr(sasrec, "_rectools_data", lambda *a: kept.append(hand_over(*a)) or kept[-1])
    model = PEERS[name].prepare(split, movielens_vectors.values, Settings())(QUICK[name] | {"epochs": 1})
    data, network = kept
    users = np.flatnonzero(split.full_train.histories.lengths)[:20]
    theirs = network.recommend(users, data, k=10, filter_viewed=False)
    h = split.full_train.histories
    ours = model.score(
        h.cut(h.offsets[users], h.offsets[users + 1]), Candidates.everything(split.full_train.n_items)
    )
    for row, user in enumerate(users):
        expected = theirs[theirs["user_id"] == user]
        np.testing.assert_allclose(
            ours[row, expected["item_id"].to_numpy()], expected["score"], rtol=1e-4, atol=1e-4
        )
        np.testing.assert_allclose(
            np.sort(ours[row])[::-1][:10], expected["score"].to_numpy(), rtol=1e-4, atol=1e-4
        )


def test_an_epoch_of_sasrec_is_timed(split: Split) -> None:
    from tailrank_peers.sasrec import sasrec_epoch

    assert 0 < sasrec_epoch(split, d=16, length=10, batch=64, loss="softmax") < 60


def test_every_peer_tries_as_many_settings() -> None:
    assert {name: len(peer.grid) for name, peer in PEERS.items()} == dict.fromkeys(PEERS, TRIALS)
    assert tuple(PEERS) == baselines.PEERS


def test_tuning_keeps_the_best_setting_and_says_how_it_was_found(split: Split) -> None:
    trial_split, queries = hold_back(split, 0)
    peer = PEERS["implicit-item-knn"]
    found = peer.tune(split, {}, Settings(), silent)
    fit = peer.prepare(trial_split, None, Settings())
    gains = [per_query(rank_queries(fit(setting), queries, trial_split)).mean() for setting in peer.grid]
    assert peer.grid[int(np.argmax(gains))].items() <= found.tuning.items()
    assert found.tuning["validation_ndcg@10"] == pytest.approx(max(gains))
    assert found.tuning["trials"] == TRIALS
    assert 0 < found.fit_seconds < float(found.tuning["tuning_seconds"])


def test_no_trial_starts_once_time_is_up(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "SECONDS", 0.0)
    peer = PEERS["implicit-item-knn"]
    found = peer.tune(split, {}, Settings(), silent)
    assert found.tuning["trials"] == 1
    assert peer.grid[0].items() <= found.tuning.items()


def test_the_chosen_setting_learns_from_the_full_training_set(dataset: Dataset) -> None:
    late = temporal(dataset, per_user=3)
    peer = PEERS["implicit-item-knn"]
    found = peer.tune(late, {}, Settings(), silent)
    chosen = next(setting for setting in peer.grid if setting.items() <= found.tuning.items())
    expected: Any = peer.prepare(late, None, Settings())(chosen)
    assert (found.scorer.weights != expected.weights).nnz == 0  # type: ignore[union-attr]


@pytest.mark.parametrize("repeats", [False, True])
def test_lightgbm_learns_from_a_temporal_split_too(dataset: Dataset, repeats: bool) -> None:
    late = temporal(dataset, per_user=3, repeats=repeats)
    model = PEERS["lightgbm"].prepare(late, None, Settings())(QUICK["lightgbm"])
    assert per_query(rank_queries(model, late.test, late)).mean() > 5 * 0.0027


def test_compared_queries_are_not_learned_from(split: Split) -> None:
    trial_split, queries = hold_back(split, 0)
    assert len(queries) == len(split.validation) // 4
    assert len(trial_split.validation) + len(queries) == len(split.validation)
    assert not set(trial_split.validation.users) & set(queries.users)
    with pytest.raises(DataError, match="peers are tuned on validation queries"):
        hold_back(replace(split, validation=split.validation.take(slice(0, 1))), 0)


def test_an_evaluation_reports_the_tuning(split: Split, tmp_path: Path) -> None:
    models = runner.fit(["implicit-item-knn", "popularity"], split, {}, Settings(), silent)
    found = runner.evaluate(models, split, {}, Settings())
    runner.write(found, tmp_path)
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert written["settings"]["tuning"] == {"implicit-item-knn": models[0].tuning}
    assert written["models"]["implicit-item-knn"]["fit_seconds"] == models[0].fit_seconds
    assert "tuning_seconds" in (tmp_path / "report.html").read_text()


def test_a_model_is_found_by_its_name() -> None:
    assert all(map(baselines.find_model, PEERS))
    with pytest.raises(RequestError, match=r"no model is called 'sasrec'.*frequent, als, bpr.*sasrec-text$"):
        baselines.find_model("sasrec")


def test_too_large_a_catalogue_is_refused(split: Split) -> None:
    many = split.full_train.items.sample(26_000, with_replacement=True)
    large = replace(split, full_train=replace(split.full_train, items=many))
    with pytest.raises(RequestError, match="use sasrec-gbce"):
        PEERS["sasrec-softmax"].prepare(large, None, Settings())


def test_text_needs_an_encoder(split: Split) -> None:
    with pytest.raises(RequestError, match="sasrec-text needs an encoder"):
        PEERS["sasrec-text"].prepare(split, None, Settings())


def test_pins_for_peers_differ_only_where_rectools_demands_it() -> None:
    shared, peers = (
        dict(line.split("==") for line in (HERE / name).read_text().splitlines() if "==" in line)
        for name in ("constraints.txt", "constraints-peers.txt")
    )
    differing = {name for name in shared.keys() & peers.keys() if shared[name] != peers[name]}
    assert differing == {"attrs", "numpy", "numpy-typing-compat", "pandas"}
