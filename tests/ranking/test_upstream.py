"""Scores of other recommenders: how much they count is learned, and lists of theirs are re-ranked."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from tailrank import Choice, Reranker, TailrankError
from tailrank.data.splits import Split
from tailrank.evaluation.list_reranking import MERGED, OURS, WITH_SCORES, reordered, retrieve
from tailrank.metrics.full_ranking import Model, per_query
from tailrank.ranking.upstream import fit_weights
from tailrank.signals.covisitation import ItemKNN
from tailrank.signals.popularity import Popularity

FILMS = ["50", "181", "100", "1682", "742", "1", "1350"]


def test_weights_of_pairs_are_those_of_a_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    lists = rng.normal(size=(3_000, 2, 3)).astype(np.float32)
    margin = (lists[:, 0] - lists[:, 1]) @ [1.5, 0.6, -0.3]
    chosen = (rng.random(3_000) > expit(margin)).astype(int)
    found = fit_weights(list(lists[:, :, 0]), list(lists[:, :, 1:]), chosen.tolist())
    oracle = LogisticRegression(C=1e6, fit_intercept=False).fit(lists[:, 0] - lists[:, 1], chosen == 0)
    own, *theirs = oracle.coef_[0]
    np.testing.assert_allclose(found, np.array(theirs) / own, atol=0.01)


def choices(reranker: Reranker, trusted: str) -> list[Choice]:
    """Make users choose what one of two recommenders puts first."""
    rng, made = np.random.default_rng(0), []
    for _ in range(60):
        films = [FILMS[at] for at in rng.permutation(len(FILMS))]
        scores = {name: rng.normal(size=len(films)).tolist() for name in ("als", "ncf")}
        made.append(Choice([], films, scores, films[int(np.argmax(scores[trusted]))]))
    return made


def test_a_recommender_that_users_follow_counts_and_one_they_ignore_does_not(
    reranker: Reranker, tmp_path: Path
) -> None:
    learned = reranker.learn_upstream(choices(reranker, "ncf"))
    assert learned.upstream["ncf"] > 2
    assert abs(learned.upstream["als"]) < learned.upstream["ncf"] / 4
    scores = {"ncf": [float(rank) for rank in range(len(FILMS))]}
    ranked = learned.rank(["172"], FILMS, scores=scores)
    assert ranked[0].item_id == FILMS[-1]
    why = {part.item_id: part for part in learned.explain(["172"], FILMS, scores=scores)}
    assert all(
        part.score == pytest.approx(sum(part.contributions.values()), abs=1e-4) for part in why.values()
    )
    assert "upstream ncf" in why[FILMS[-1]].contributions
    learned.save(tmp_path / "model")
    assert Reranker.load(tmp_path / "model").rank(["172"], FILMS, scores=scores) == ranked


def test_where_an_unknown_candidate_stands_does_not_matter(reranker: Reranker) -> None:
    made = choices(reranker, "ncf")
    first, last = (
        [
            Choice([], ["?", *films] if front else [*films, "?"], _with(scores, front), chosen)
            for _, films, scores, chosen in made
        ]
        for front in (True, False)
    )
    found = reranker.learn_upstream(first).upstream
    assert found == pytest.approx(dict(reranker.learn_upstream(last).upstream), abs=1e-3)


def _with(scores: Mapping[str, Sequence[float]], front: bool) -> dict[str, list[float]]:
    return {name: [0.0, *given] if front else [*given, 0.0] for name, given in scores.items()}


def test_a_name_that_was_never_learned_counts_as_the_settings_say(reranker: Reranker) -> None:
    scores = [0.3, 0.1, 0.9, 0.2, 0.8, 0.4, 0.0]
    named = reranker.rank(["172"], FILMS, scores={"new": scores})
    assert named == reranker.rank(["172"], FILMS, scores=scores)


def test_choices_that_teach_nothing_are_refused(reranker: Reranker) -> None:
    one = choices(reranker, "als")[0]
    with pytest.raises(TailrankError, match="at least one"):
        reranker.learn_upstream([])
    with pytest.raises(TailrankError, match="scores by name"):
        reranker.learn_upstream([one._replace(scores={})])
    for scores in (None, [1.0], {"als": None}, {1: one.scores["als"]}):
        with pytest.raises(TailrankError, match="scores"):
            reranker.learn_upstream([one._replace(scores=scores)])  # type: ignore[arg-type]
    with pytest.raises(TailrankError, match="no candidate"):
        reranker.learn_upstream([one._replace(chosen="9")])
    with pytest.raises(TailrankError, match="same recommenders"):
        reranker.learn_upstream([one, one._replace(scores={"als": one.scores["als"]})])


def test_lists_of_others_are_reordered_and_none_beats_the_ceiling(
    reranker: Reranker, movielens_split: Split
) -> None:
    split, data = movielens_split, movielens_split.full_train
    others: dict[str, Model] = {
        "item-knn": ItemKNN.from_events(data),
        "popularity": Popularity.from_events(data, np.inf),
    }
    validation = retrieve(others, split.validation.sample(150, 0), split, 30)
    test = retrieve(others, split.test.sample(150, 0), split, 30)
    assert all(30 <= len(items) <= 60 for items in test.items)
    assert test.ceiling == np.mean([t in i for t, i in zip(test.queries.targets, test.items, strict=True)])
    found = reordered(reranker, validation, test, data)
    assert list(found) == ["item-knn", "popularity", MERGED, OURS, WITH_SCORES]
    recalls = {name: per_query(outcome, "recall@10").mean() for name, outcome in found.items()}
    assert all(recall <= test.ceiling for recall in recalls.values())
    assert recalls[WITH_SCORES] > recalls["popularity"]
