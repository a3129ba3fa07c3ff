"""`Reranker` on real films and people: does it beat popularity, agree with itself, refuse nonsense?"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

from tailrank.data.candidates import Candidates, Scorer
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Event, Histories
from tailrank.data.splits import Split, leave_one_out
from tailrank.errors import DataError, RequestError, TailrankError
from tailrank.ranking.fitting import Settings
from tailrank.ranking.fusion import HISTORY_LABELS
from tailrank.ranking.ordering import RankedItem
from tailrank.ranking.reranker import Reranker

FILMS = ["50", "181", "100", "1682", "742", "1", "1350"]
"""Well-known ones, and 1682 and 1350 with one rating or none among the people learned from."""

PAST = ["172", "174", "210", "174"]


def ndcg(scorer: Scorer, split: Split) -> float:
    """NDCG@10 of the test targets in the whole catalogue, the history masked."""
    queries, everything = split.test, Candidates.everything(split.full_train.n_items)
    gains = []
    for batch in queries.batches(len(everything)):
        scores = np.array(scorer.score(batch.histories, everything))
        scores[batch.full_histories.owners, batch.full_histories.items] = -np.inf
        target = scores[np.arange(len(batch)), batch.targets][:, None]
        ranks = 1 + (scores >= target).sum(axis=1) - 1
        gains.append(np.where(ranks <= 10, 1 / np.log2(1 + ranks), 0))
    return float(np.concatenate(gains).mean())


def test_it_ranks_better_than_popularity_and_each_of_its_signals(
    reranker: Reranker, movielens_split: Split
) -> None:
    fused = ndcg(reranker, movielens_split)
    alone = {signal.name: ndcg(signal, movielens_split) for signal in reranker.signals}
    assert fused > 2 * alone["popularity"] > 0
    assert fused > max(alone.values())


def test_one_request_scores_as_a_batch_and_a_list_as_the_catalogue(
    reranker: Reranker, movielens_split: Split
) -> None:
    people = movielens_split.test.take(slice(0, 24)).histories
    everything = Candidates.everything(movielens_split.full_train.n_items)
    batch = reranker.score(people, everything)
    codes = np.random.default_rng(0).permutation(len(everything))[:200].astype(np.int32)
    for row in range(len(people)):
        one = people.cut(people.offsets[[row]], people.offsets[[row + 1]])
        np.testing.assert_allclose(reranker.score(one, everything)[0], batch[row], atol=1e-5)
        few = reranker.score(one, Candidates(codes, len(everything)))[0]
        np.testing.assert_allclose(few, batch[row, codes], atol=1e-5)


class TestRank:
    def test_it_is_the_order_of_the_scores(self, reranker: Reranker) -> None:
        ranked = reranker.rank(PAST, FILMS)
        codes = Candidates(np.array([reranker.catalogue.items["item_id"].index_of(f) for f in FILMS]), 1682)
        scores = reranker.score(reranker.catalogue.history(PAST), codes)[0]
        assert [item.item_id for item in ranked] == [FILMS[at] for at in np.argsort(-scores)]
        assert [item.score for item in ranked] == sorted(scores.tolist(), reverse=True)
        assert [item.place for item in ranked] == list(range(1, 8))
        assert all(FILMS[item.previous - 1] == item.item_id for item in ranked)
        assert all(isinstance(item, RankedItem) for item in ranked)

    @pytest.mark.parametrize("k", [1, 3, 7, 100])
    def test_k_cuts_the_list(self, reranker: Reranker, k: int) -> None:
        assert reranker.rank(PAST, FILMS, k=k) == reranker.rank(PAST, FILMS)[:k]

    def test_no_candidate_gives_no_ranking(self, reranker: Reranker) -> None:
        assert reranker.rank(PAST, []) == []

    def test_what_the_person_just_did_matters(self, reranker: Reranker) -> None:
        stars, children = ["172", "181", "174"], ["1", "588", "95"]
        films = ["50", "71"]  # Star Wars, The Lion King
        assert reranker.rank(stars, films)[0].item_id == "50"
        margin = [
            {item.item_id: item.score for item in reranker.rank(past, films)} for past in (stars, children)
        ]
        assert margin[1]["71"] - margin[1]["50"] > margin[0]["71"] - margin[0]["50"] + 0.5

    def test_without_a_history_the_known_come_first(self, reranker: Reranker) -> None:
        ranked = [item.item_id for item in reranker.rank([], FILMS)]
        assert ranked[0] == "50"
        assert set(ranked[-2:]) == {"1682", "1350"}

    def test_upstream_scores_add_their_standard_score(self, reranker: Reranker) -> None:
        plain = {item.item_id: item.score for item in reranker.rank(PAST, FILMS)}
        upstream = [0, 0, 0, 700, 0, 0, float("nan")]
        known = np.array(upstream[:6])
        expected = dict(zip(FILMS, [*(known - known.mean()) / known.std(), 0], strict=True))
        for item in reranker.rank(PAST, FILMS, scores=upstream):
            assert item.score - plain[item.item_id] == pytest.approx(expected[item.item_id], abs=1e-5)

    @pytest.mark.parametrize("scores", [[float("nan")] * 7, [0.1] * 7, [None] * 7])
    def test_upstream_scores_that_say_nothing_change_nothing(
        self, reranker: Reranker, scores: list[Any]
    ) -> None:
        assert reranker.rank(PAST, FILMS, scores=scores) == reranker.rank(PAST, FILMS)

    def test_equal_scores_keep_the_candidates_order(self) -> None:
        items = pl.DataFrame({"item_id": list("abcdef"), "title": ["one title"] * 6})
        events = pl.DataFrame({"user_id": list("uuvv"), "item_id": list("abab"), "position": range(4)})
        twins = Reranker.fit(Dataset.construct(items, events), None)
        assert [item.item_id for item in twins.rank(["a"], list("fdec"))] == list("fdec")

    def test_only_the_latest_events_count(self, reranker: Reranker, movielens: Dataset) -> None:
        long = movielens.item_ids[:1_000] * 10
        assert reranker.rank(long, FILMS) == reranker.rank(long[-reranker.settings.max_history :], FILMS)

    def test_bare_ids_and_events_say_the_same(self, reranker: Reranker) -> None:
        events = [Event(film) for film in PAST]
        assert reranker.rank(events, FILMS) == reranker.rank(PAST, FILMS)
        assert reranker.rank([PAST[0], *events[1:]], FILMS) == reranker.rank(PAST, FILMS)
        moments = [Event(film, timestamp=1e9) for film in PAST]
        assert reranker.rank(moments, FILMS) == reranker.rank(PAST, FILMS)

    def test_event_types_and_times_are_understood(self, reranker: Reranker) -> None:
        kinds = ["rating", "dislike", "like", None]
        told = [
            Event(film, kind, 1e9 + at * 1e7) for at, (film, kind) in enumerate(zip(PAST, kinds, strict=True))
        ]
        history = reranker.catalogue.history(told)
        assert history.types.tolist() == [2, 0, 1, 0]
        assert history.gaps.tolist() == [3e7, 2e7, 1e7, 0]


TYPED, MIXED = [Event("1", "purchased")], [Event("1", timestamp=5.0), "50"]


@pytest.mark.parametrize(
    ("history", "candidates", "options", "words"),
    [
        (["nope"], FILMS, {}, "history item 'nope' is not in the catalogue"),
        ([("1", "like")], FILMS, {}, "is not in the catalogue"),
        (PAST, ["1", "nope"], {}, "candidate 'nope' is not in the catalogue"),
        (PAST, [1], {}, "candidate 1 is not in the catalogue"),
        (PAST, ["1", "50", "100", "50"], {}, "candidate '50' occurs more than once"),
        (PAST, FILMS, {"scores": [1.0]}, "1 scores for 7 candidates"),
        (PAST, FILMS, {"scores": [float("inf")] * 7}, "finite"),
        (PAST, FILMS, {"scores": ["high"] * 7}, "must be numbers"),
        (PAST, FILMS, {"k": 0}, "k must be at least 1, not 0"),
        (PAST, FILMS, {"k": -3}, "k must be at least 1, not -3"),
        (TYPED, FILMS, {}, "event type 'purchased' was not in the training data (dislike, like, rating)"),
        (MIXED, FILMS, {}, "give one to all, or to none"),
        ([Event("1", timestamp=9.0), Event("50", timestamp=8.0)], FILMS, {}, "ascend"),
        ([Event("1", timestamp=float("nan"))], FILMS, {}, "finite"),
        ([Event("1", timestamp=float("inf"))], FILMS, {}, "finite"),
        ([Event("1", timestamp=datetime(2020, 1, 1))], FILMS, {}, "must be numbers"),  # type: ignore[arg-type]
        (["1"] * 9_999 + ["nope"], FILMS, {}, "history item 'nope'"),
    ],
)
def test_bad_requests_are_refused(
    reranker: Reranker, history: Sequence[Any], candidates: list[Any], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(RequestError) as refused:
        reranker.rank(history, candidates, **options)
    assert words in str(refused.value)
    if "k" not in options:
        with pytest.raises(RequestError):
            reranker.explain(history, candidates, **options)


def test_a_long_list_with_a_repetition_is_refused_at_once(reranker: Reranker) -> None:
    with pytest.raises(RequestError, match="'x99999'"):
        reranker.rank([], [f"x{i}" for i in range(100_000)] + ["x99999"])


class TestFit:
    def test_the_learned_weights_depend_on_how_well_the_person_is_known(self, reranker: Reranker) -> None:
        at = reranker.fusion.signals.index("popularity")
        nobody, familiar = (
            reranker.fusion.weights[-1, HISTORY_LABELS.index("0")],
            reranker.fusion.weights[-1, -1],
        )
        assert nobody[at] > familiar[at]

    def test_it_is_the_same_twice(self, movielens_split: Split) -> None:
        # Few queries, for speed: every source of chance is seeded all the same.
        settings = Settings(queries=50)
        one, two = (Reranker.fit(movielens_split, None, settings) for _ in range(2))
        assert one.rank(PAST, FILMS) == two.rank(PAST, FILMS)

    def test_without_vectors_the_semantic_signal_is_left_out(self, reranker: Reranker) -> None:
        items = pl.DataFrame({"item_id": list("abc"), "title": ["tea", "tea pot", "coffee"]})
        events = pl.DataFrame({"user_id": list("uuv"), "item_id": list("aca"), "position": range(3)})
        small = Reranker.fit(Dataset.construct(items, events), None)
        assert set(reranker.fusion.signals) - set(small.fusion.signals) == {"semantic"}
        assert small.rank(["a"], ["c", "b"])[0].place == 1

    def test_the_smallest_data_set_can_be_fitted(self) -> None:
        items = pl.DataFrame({"item_id": ["only"], "title": ["Tea"]})
        events = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["only"] * 2, "position": [0, 1]})
        for vectors in (None, np.ones((1, 3), np.float32)):
            one = Reranker.fit(Dataset.construct(items, events), vectors)
            assert np.isfinite(one.rank(["only"], ["only"])[0].score)

    def test_bce_is_an_arm_of_its_own(self, movielens_split: Split) -> None:
        listwise, bce = (
            Reranker.fit(movielens_split, None, Settings(loss=loss, queries=100))
            for loss in ("listwise", "bce")
        )
        assert not np.allclose(listwise.fusion.weights, bce.fusion.weights, atol=0.05)
        assert np.isfinite(bce.fusion.weights).all()

    def test_vectors_of_another_catalogue_are_refused(self, movielens_split: Split) -> None:
        with pytest.raises(DataError, match="9 vectors for 1682 items"):
            Reranker.fit(movielens_split, np.ones((9, 4), np.float32))

    def test_data_without_anything_to_hold_out_are_refused(self) -> None:
        items = pl.DataFrame({"item_id": ["a", "b"]})
        single = pl.DataFrame({"user_id": ["u", "v"], "item_id": ["a", "b"], "position": [0, 0]})
        with pytest.raises(DataError, match="at least 2 events"):
            Reranker.fit(Dataset.construct(items, single), None)
        again = pl.DataFrame({"user_id": ["u"] * 4, "item_id": ["a"] * 4, "position": range(4)})
        with pytest.raises(DataError, match="no query to learn fusion from"):
            Reranker.fit(leave_one_out(Dataset.construct(items, again)), None)

    @pytest.mark.parametrize(
        "wrong",
        [{"loss": "hinge"}, {"dimensions": 0}, {"max_history": 0}, {"queries": 0}, {"shrinkage": 0.0}],
    )
    def test_settings_that_make_no_sense_are_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(TailrankError, match=next(iter(wrong))):
            Settings(**wrong)


def test_histories_of_nobody_score_nothing(reranker: Reranker) -> None:
    empty = Histories(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0), np.array([0]))
    assert reranker.score(empty, Candidates(np.array([3, 5], np.int32), 1682)).shape == (0, 2)
