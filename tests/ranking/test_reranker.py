"""`Reranker` on real films and users: does it beat popularity, agree with itself, refuse nonsense?"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import product
from typing import Any

import numpy as np
import polars as pl
import pytest

from tailrank.data.candidates import Candidates, Scorer
from tailrank.data.dataset import Dataset
from tailrank.data.histories import UNTYPED, Event, Histories, History
from tailrank.data.splits import Split, leave_one_out
from tailrank.errors import DataError, RequestError, TailrankError
from tailrank.language.vectors import ItemVectors
from tailrank.policy.tail import TailBoost
from tailrank.ranking.fusion import HISTORY_LABELS
from tailrank.ranking.ranking import RankedItem
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings

FILMS = ["50", "181", "100", "1682", "742", "1", "1350"]
"""Well-known ones, and 1682 and 1350 with one rating or none among the users learned from."""

HISTORY = ["172", "174", "210", "174"]


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
        ranked = reranker.rank(HISTORY, FILMS)
        codes = Candidates(np.array([reranker.catalogue.items["item_id"].index_of(f) for f in FILMS]), 1682)
        scores = reranker.score(reranker.catalogue.histories([History.from_events(HISTORY)])[0], codes)[0]
        assert [item.item_id for item in ranked] == [FILMS[at] for at in np.argsort(-scores)]
        assert [item.score for item in ranked] == sorted(scores.tolist(), reverse=True)
        assert [item.rank for item in ranked] == list(range(1, 8))
        assert all(FILMS[item.previous_rank - 1] == item.item_id for item in ranked)
        assert all(isinstance(item, RankedItem) for item in ranked)

    @pytest.mark.parametrize("k", [1, 3, 7, 100])
    def test_k_cuts_the_list(self, reranker: Reranker, k: int) -> None:
        assert list(reranker.rank(HISTORY, FILMS, k=k)) == reranker.rank(HISTORY, FILMS)[:k]

    def test_no_candidate_gives_no_ranking(self, reranker: Reranker) -> None:
        assert len(reranker.rank(HISTORY, [])) == 0

    def test_what_the_user_just_did_matters(self, reranker: Reranker) -> None:
        stars, children = ["172", "181", "174"], ["1", "588", "95"]
        films = ["50", "71"]  # Star Wars, The Lion King
        assert reranker.rank(stars, films)[0].item_id == "50"
        margin = [
            {item.item_id: item.score for item in reranker.rank(history, films)}
            for history in (stars, children)
        ]
        assert margin[1]["71"] - margin[1]["50"] > margin[0]["71"] - margin[0]["50"] + 0.5

    def test_without_a_history_the_known_come_first(self, reranker: Reranker) -> None:
        ranked = [item.item_id for item in reranker.rank([], FILMS)]
        assert ranked[0] == "50"
        assert set(ranked[-2:]) == {"1682", "1350"}

    def test_upstream_scores_add_their_standard_score(self, reranker: Reranker) -> None:
        plain = {item.item_id: item.score for item in reranker.rank(HISTORY, FILMS)}
        upstream = [0, 0, 0, 700, 0, 0, float("nan")]
        known = np.array(upstream[:6])
        expected = dict(zip(FILMS, [*(known - known.mean()) / known.std(), 0], strict=True))
        for item in reranker.rank(HISTORY, FILMS, scores=upstream):
            assert item.score - plain[item.item_id] == pytest.approx(expected[item.item_id], abs=1e-5)

    @pytest.mark.parametrize("scores", [[float("nan")] * 7, [0.1] * 7, [None] * 7])
    def test_upstream_scores_that_say_nothing_change_nothing(
        self, reranker: Reranker, scores: list[Any]
    ) -> None:
        assert reranker.rank(HISTORY, FILMS, scores=scores) == reranker.rank(HISTORY, FILMS)

    def test_equal_scores_keep_the_candidates_order(self) -> None:
        items = pl.DataFrame({"item_id": list("abcdef"), "title": ["one title"] * 6})
        events = pl.DataFrame({"user_id": list("uuvv"), "item_id": list("abab"), "position": range(4)})
        twins = Reranker.fit(Dataset.construct(items, events), None)
        assert [item.item_id for item in twins.rank(["a"], list("fdec"))] == list("fdec")

    def test_only_the_latest_events_count(self, reranker: Reranker, movielens: Dataset) -> None:
        long = movielens.item_ids[:1_000] * 10
        assert reranker.rank(long, FILMS) == reranker.rank(long[-reranker.settings.max_history :], FILMS)

    def test_bare_ids_and_events_say_the_same(self, reranker: Reranker) -> None:
        events = [Event(film) for film in HISTORY]
        assert reranker.rank(events, FILMS) == reranker.rank(HISTORY, FILMS)
        assert reranker.rank([HISTORY[0], *events[1:]], FILMS) == reranker.rank(HISTORY, FILMS)
        moments = [Event(film, timestamp=1e9) for film in HISTORY]
        assert reranker.rank(moments, FILMS) == reranker.rank(HISTORY, FILMS)

    @pytest.mark.parametrize("form", [tuple, iter, np.array, pl.Series])
    def test_any_list_of_ids_will_do(self, reranker: Reranker, form: Callable[[list[str]], Any]) -> None:
        expected = reranker.explain(HISTORY, FILMS)
        assert reranker.explain(form(HISTORY), form(FILMS)) == expected
        events = (Event(film) for film in HISTORY)
        assert reranker.explain(events, candidates=form(FILMS)) == expected  # type: ignore[arg-type]
        [ranking] = reranker.rank_many([Request(form(HISTORY), form(FILMS))])
        assert ranking == reranker.rank(HISTORY, FILMS)

    def test_recommenders_of_similar_names_both_count(self, reranker: Reranker) -> None:
        rising = [float(at) for at in range(7)]
        both = reranker.rank([], FILMS, scores={"als": rising, "als ": rising[::-1]})
        assert both.scores == pytest.approx(reranker.rank([], FILMS).scores, abs=1e-5)

    def test_event_types_and_times_are_understood(self, reranker: Reranker) -> None:
        kinds = ["rating", "dislike", "like", None]
        told = [
            Event(film, kind, 1e9 + at * 1e7)
            for at, (film, kind) in enumerate(zip(HISTORY, kinds, strict=True))
        ]
        history, _ = reranker.catalogue.histories([History.from_events(told)])
        assert history.types.tolist() == [2, 0, 1, UNTYPED]
        assert history.gaps.tolist() == [3e7, 2e7, 1e7, 0]


MIXED = [Event("1", timestamp=5.0), "50"]


@pytest.mark.parametrize(
    ("history", "candidates", "options", "words"),
    [
        ([("1", "like")], FILMS, {}, "history item ('1', 'like') is no string"),
        (HISTORY, [1], {}, "candidate 1 is no string"),
        (HISTORY, FILMS, {"scores": [1.0]}, "1 scores for 7 candidates"),
        (HISTORY, FILMS, {"scores": [float("inf")] * 7}, "finite"),
        (HISTORY, FILMS, {"scores": ["high"] * 7}, "must be numbers"),
        (HISTORY, FILMS, {"k": 0}, "k must be at least 1, not 0"),
        (HISTORY, FILMS, {"k": -3}, "k must be at least 1, not -3"),
        (HISTORY, FILMS, {"k": 2.5}, "k must be a whole number, not 2.5"),
        (HISTORY, FILMS, {"ranking_id": ""}, "ranking_id must be text, not ''"),
        (HISTORY, FILMS, {"ranking_id": 7}, "ranking_id must be text, not 7"),
        (HISTORY, FILMS, {"scores": "1234567"}, "must be numbers"),
        (HISTORY, FILMS, {"scores": [[1.0]] * 7}, "must be numbers"),
        (HISTORY, FILMS, {"scores": [10**400] * 7}, "must be numbers"),
        (HISTORY, FILMS, {"scores": {"als": None}}, "scores must be a list, one a candidate, not None"),
        (HISTORY, FILMS, {"scores": {1: [1.0] * 7}}, "names of recommenders must be strings"),
        (HISTORY, FILMS, {"policy": TailBoost(0.5)}, "policy must be a list"),
        (HISTORY, FILMS, {"policy": ["tail"]}, "policy must be a list"),
        (HISTORY, FILMS, {"policy": [TailBoost]}, "policy must be a list"),
        ([Event("1", ["click"])], FILMS, {}, "event type ['click'] is no string"),  # type: ignore[arg-type]
        ([Event("1", 5)], FILMS, {}, "event type 5 is no string"),  # type: ignore[arg-type]
        ("172", FILMS, {}, "history must be a list of item ids, not '172'"),
        (None, FILMS, {}, "history must be a list of item ids, not None"),
        (HISTORY, "50", {}, "candidates must be a list of item ids, not '50'"),
        ([{"item_id": "1"}], FILMS, {}, "history item {'item_id': '1'} is no string"),
        (HISTORY, [["50"]], {}, "candidate ['50'] is no string"),
        ([1], [], {}, "history item 1 is no string"),
        (Request(HISTORY, FILMS), (), {"scores": [1.0] * 7}, "a Request holds all that is asked"),
        (Request(HISTORY), FILMS, {}, "a Request holds all that is asked"),
        (MIXED, FILMS, {}, "give one to all, or to none"),
        ([Event("1", timestamp=9.0), Event("50", timestamp=8.0)], FILMS, {}, "ascend"),
        ([Event("1", timestamp=float("nan"))], FILMS, {}, "finite"),
        ([Event("1", timestamp=float("inf"))], FILMS, {}, "finite"),
        ([Event("1", timestamp=1.7e12)], FILMS, {}, "timestamp 1700000000000 is in the future: send seconds"),
        ([Event("1", timestamp=datetime(2020, 1, 1))], FILMS, {}, "must be numbers"),  # type: ignore[arg-type]
        ([Event("1", timestamp=np.datetime64("2020-01-01"))], FILMS, {}, "must be numbers"),  # type: ignore[arg-type]
    ],
)
def test_bad_requests_are_refused(
    reranker: Reranker, history: Any, candidates: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(RequestError) as refused:
        reranker.rank(history, candidates, **options)
    assert words in str(refused.value)
    if "k" not in options:
        with pytest.raises(RequestError):
            reranker.explain(history, candidates, **options)
    if not isinstance(history, Request):
        with pytest.raises(RequestError):
            reranker.rank_many([Request(history, candidates, **options)])


def test_an_unknown_option_is_refused_with_the_nearest(reranker: Reranker) -> None:
    for call in (reranker.rank, reranker.explain):
        with pytest.raises(RequestError, match="unknown option `polciy`: did you mean `policy`"):
            call(HISTORY, FILMS, polciy=())
    with pytest.raises(RequestError, match=r"rank_many takes a list of Request"):
        reranker.rank_many([HISTORY])  # type: ignore[list-item]


class TestUnknown:
    """What a model doesn't know is handled here alone, for the library, the command line and the server."""

    def test_items_of_the_history_are_dropped_and_named(self, reranker: Reranker) -> None:
        ranking = reranker.rank(["nope", *HISTORY, "gone"], FILMS)
        assert ranking == replace(reranker.rank(HISTORY, FILMS), unknown_history=["nope", "gone"])

    def test_only_those_that_were_read_count(self, reranker: Reranker) -> None:
        most = reranker.settings.max_history
        lengths = [
            each.history_length
            for each in reranker.rank_many(
                [Request(["nope", "1", "2"], FILMS), Request(["1"] * (most + 1), FILMS), Request([], FILMS)]
            )
        ]
        assert lengths == [2, most, 0]

    def test_they_are_named_without_candidates_too(self, reranker: Reranker) -> None:
        ranking = reranker.rank(["nope", "1"], [], scores={"als": []}, explain=True)
        assert (list(ranking), ranking.unknown_history) == ([], ["nope"])

    def test_an_event_type_counts_as_none(self, reranker: Reranker) -> None:
        assert reranker.rank([Event("1", "purchased")], FILMS) == reranker.rank(["1"], FILMS)

    def test_candidates_keep_their_ranks(self, reranker: Reranker) -> None:
        ranking = reranker.rank(HISTORY, ["?a", *FILMS[:4], "?b", *FILMS[4:]])
        assert [(item.item_id, item.rank) for item in ranking if not item.known] == [("?a", 1), ("?b", 6)]
        known = [item.item_id for item in ranking if item.known]
        assert known == reranker.rank(HISTORY, FILMS).item_ids
        assert ranking.scores == sorted(ranking.scores, reverse=True)

    def test_with_upstream_scores_they_are_ranked_by_them(self, reranker: Reranker) -> None:
        given, scores = ["?good", *FILMS[:3], "?bad"], [100.0, 0.0, 0.0, 0.0, -100.0]
        ranked = reranker.rank([], given, scores=scores).item_ids
        assert (ranked[0], ranked[-1]) == ("?good", "?bad")

    @pytest.mark.parametrize("scores", [None, [100.0, *[0.0] * 7, -100.0]])
    def test_their_contributions_add_up_too(self, reranker: Reranker, scores: list[float] | None) -> None:
        given = ["?good", *FILMS, "?bad"]
        for item in reranker.rank(HISTORY, given, scores=scores, policy=(TailBoost(0.3),), explain=True):
            assert sum((item.contributions or {}).values()) == pytest.approx(item.score, abs=1e-4)

    def test_only_unknown_candidates_stay_in_their_order(self, reranker: Reranker) -> None:
        assert reranker.rank(HISTORY, ["?x", "?y", "?z"], explain=True).item_ids == ["?x", "?y", "?z"]


def test_a_candidate_that_occurs_again_is_ranked_once_by_its_first_rank(reranker: Reranker) -> None:
    ranking = reranker.rank([], ["50", "1", "50", "172", "1"], scores=[3.0, 2.0, 9.0, 1.0, 9.0])
    assert sorted((i.item_id, i.previous_rank) for i in ranking) == [("1", 2), ("172", 4), ("50", 1)]
    assert ranking == replace(
        reranker.rank([], ["50", "1", "172"], scores=[3.0, 2.0, 1.0]), previous_ranks=ranking.previous_ranks
    )


@pytest.mark.parametrize("at_once", [50_000, 1])
def test_many_requests_are_ranked_as_one_by_one(
    reranker: Reranker, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr("tailrank.ranking.list_ranker.SCORES_AT_ONCE", at_once)
    requests = [
        Request(history, candidates, k=k)
        for k, (history, candidates) in enumerate(product((HISTORY, ["1"], []), (FILMS, FILMS[::-1], [])), 1)
    ]
    for together, alone in zip(reranker.rank_many(requests), map(reranker.rank, requests), strict=True):
        assert together.item_ids == alone.item_ids
        assert together.scores == pytest.approx(alone.scores, abs=1e-5)


def test_without_time_to_rank_the_order_of_the_request_stays() -> None:
    ranking = Request(
        HISTORY, ["b", "a", "b", "c"], scores=[2.0, float("nan"), 9.0, 5.0], k=2
    ).upstream_ranking()
    assert list(ranking) == [RankedItem("b", 2.0, 1, 1), RankedItem("a", 0.0, 2, 2)]


class TestFit:
    def test_the_learned_weights_depend_on_how_well_the_user_is_known(self, reranker: Reranker) -> None:
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
        assert one.rank(HISTORY, FILMS) == two.rank(HISTORY, FILMS)

    def test_without_vectors_the_semantic_signal_is_left_out(self, reranker: Reranker) -> None:
        items = pl.DataFrame({"item_id": list("abc"), "title": ["tea", "tea pot", "coffee"]})
        events = pl.DataFrame({"user_id": list("uuv"), "item_id": list("aca"), "position": range(3)})
        small = Reranker.fit(Dataset.construct(items, events), None)
        assert set(reranker.fusion.signals) - set(small.fusion.signals) == {"semantic"}
        assert small.rank(["a"], ["c", "b"])[0].rank == 1

    def test_the_smallest_data_set_can_be_fitted(self) -> None:
        items = pl.DataFrame({"item_id": ["only"], "title": ["Tea"]})
        events = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["only"] * 2, "position": [0, 1]})
        for vectors in (None, ItemVectors(np.ones((1, 3), np.float32))):
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
            Reranker.fit(movielens_split, ItemVectors(np.ones((9, 4), np.float32)))

    def test_data_without_anything_to_hold_out_are_refused(self) -> None:
        items = pl.DataFrame({"item_id": ["a", "b"], "title": ["tea", "jam"]})
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


def test_no_histories_score_nothing(reranker: Reranker) -> None:
    empty = Histories(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0), np.array([0]))
    assert reranker.score(empty, Candidates(np.array([3, 5], np.int32), 1682)).shape == (0, 2)
