"""Fusion must not learn from counts what they say only of held-out events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tailrank.data.candidates import Candidates
from tailrank.data.cold_items import cold_items
from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split, hold_out, leave_one_out
from tailrank.language.text import item_texts
from tailrank.language.vector_column import VectorColumn
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.evidence import ARRIVING, Evidence
from tailrank.ranking.fitting import fit_before, fuse, with_template
from tailrank.ranking.fusion import COUNT_KNOTS, count_levels
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.ranking.text_events import AnyEvent, TextEvent
from tailrank.signals.base import Signal
from tailrank.signals.semantic import SemanticAttention

N_ITEMS, FILTER = 120, 5
RNG = np.random.default_rng(0)
VECTORS = ItemVectors(RNG.standard_normal((N_ITEMS, 16)).astype(np.float32))


def filtered() -> Dataset:
    """Users choose at random by popularity, and every item has at least five events, as filters leave it."""
    chances = 1 / np.arange(1, N_ITEMS + 1)
    events = [RNG.choice(N_ITEMS, 8, replace=False, p=chances / chances.sum()) for _ in range(400)]
    users = np.repeat(np.arange(400), 8)
    items = np.concatenate(events)
    short = np.flatnonzero(np.bincount(items, minlength=N_ITEMS) < FILTER)
    users = np.concatenate([users, np.tile(400 + np.arange(FILTER), len(short))])
    items = np.concatenate([items, np.repeat(short, FILTER)])
    return Dataset.construct(
        pl.DataFrame(
            {"item_id": [f"i{n}" for n in range(N_ITEMS)], "title": [f"thing {n}" for n in range(N_ITEMS)]}
        ),
        pl.DataFrame(
            {
                "user_id": [f"u{n}" for n in users],
                "item_id": [f"i{n}" for n in items],
                "position": np.arange(len(items)),
            }
        ),
    )


@pytest.fixture(scope="module")
def split() -> Split:
    return leave_one_out(filtered())


@pytest.fixture(scope="module")
def evidence(split: Split) -> Evidence:
    settings = with_template(Settings(), split.train)
    signals = fit_before(split, VECTORS, settings).before
    texts = item_texts(split.train.items, settings.template)
    return Evidence.draw(split, signals, texts, np.random.default_rng(0))


def test_items_below_the_filter_are_neither_targets_nor_candidates(split: Split, evidence: Evidence) -> None:
    short = split.train.counts < FILTER
    assert short.any()
    queries = split.validation
    assert not evidence.candidates(queries)[:, short].any()
    assert not evidence.learnable(queries)[short[queries.targets]].any()


def test_a_tenth_of_the_others_is_seen_as_new(split: Split, evidence: Evidence) -> None:
    arriving = evidence.arriving
    assert len(arriving) == round(ARRIVING * evidence.fair.sum())
    assert evidence.fair[arriving].all()
    assert not evidence.levels[arriving].any()
    assert evidence.tail[arriving].all()
    others = np.setdiff1d(np.arange(N_ITEMS), arriving)
    assert np.array_equal(evidence.levels[others], np.minimum(split.train.counts, COUNT_KNOTS[-1])[others])


def test_an_item_seen_as_new_scores_as_one_that_arrives_after_training(
    split: Split, evidence: Evidence
) -> None:
    settings = Settings()
    reranker = Reranker.from_fitted(fuse(fit_before(split, VECTORS, settings), settings))
    code = int(evidence.arriving[0])
    arrived = reranker.with_items(["new"], [f"thing {code}"], {"semantic": VECTORS.values[[code]]})
    history = split.validation.histories.latest(50).cut(np.array([0]), np.array([6]))
    expected = [
        signal.score(history, arrived.catalogue.candidates(np.array([N_ITEMS], np.int32)))[0, 0]
        for signal in arrived.signals
    ]
    found = [scores[0, code] for scores in evidence.score(history)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_scores_go_evenly_from_one_knot_to_the_next(reranker: Reranker) -> None:
    """A step at the edge of a bucket would be a jump because one more user chose an item."""
    items = reranker.catalogue.items["item_id"].to_list()
    history, candidates = items[:20], items[20:220]

    def scores(count: int) -> np.ndarray:
        counts = np.full(len(items), count)
        catalogue = replace(reranker.catalogue, counts=counts, levels=count_levels(counts))
        ranking = replace(reranker, catalogue=catalogue, policy=()).rank(history, candidates)
        return np.array([score for _, score in sorted(zip(ranking.item_ids, ranking.scores, strict=True))])

    counts = np.arange(31)
    walk = np.stack([scores(count) for count in counts.tolist()])
    assert np.ptp(walk, axis=0).min() > 0.1
    knots = [knot for knot in COUNT_KNOTS if knot <= counts[-1] + 20]
    evenly = [np.interp(counts, knots, [scores(knot)[at] for knot in knots]) for at in range(5)]
    np.testing.assert_allclose(walk[:, :5], np.transpose(evenly), atol=1e-3)


def test_never_chosen_items_are_not_put_first_because_others_events_are_held_out(split: Split) -> None:
    """By counts alone every item below the filter is a target: the tilt that used to be learned."""
    reranker = Reranker.fit(split, VECTORS, Settings(tail=0.0))
    counts = split.full_train.counts
    popular, short = np.argsort(-counts)[:20], np.flatnonzero(counts < FILTER)[:20]
    ranking = reranker.rank([], [f"i{n}" for n in (*short, *popular)])
    first = {f"i{n}" for n in popular}
    assert np.mean([item in first for item in ranking.item_ids[:10]]) > 0.8


def test_where_there_are_times_the_latest_events_are_held_out() -> None:
    data = filtered()
    h = data.histories
    times = (1.6e9 + RNG.permutation(len(h.items)) * 60).astype(np.float64)
    order = np.lexsort((times, h.owners))
    timed = replace(data, histories=replace(h, items=h.items[order], times=times[order]), clock="timestamp")
    split = hold_out(timed)
    assert split.least_count == 0
    source = split.validation.source
    assert split.train.histories.times.max() < source.times[split.validation.full_ends].min()
    assert split.full_train is timed


def learned(split: Split) -> ItemVectors:
    """Vectors that know by heart who chose what in training, as those of a tuned encoder may."""
    h = split.train.histories
    chosen = np.zeros((N_ITEMS, len(h)), np.float32)
    chosen[h.items, h.owners] = 1
    return ItemVectors(chosen / np.maximum(np.linalg.norm(chosen, axis=1, keepdims=True), 1), whiten=False)


def taught(split: Split) -> Dataset:
    """The events of training, with a table of which items go together, as a teacher learned it from them."""
    known = learned(split).values
    rows, columns = np.triu(known @ known.T, 1).nonzero()
    ids = np.array(split.train.item_ids)
    pairs = {"item_id": ids[rows], "neighbour": ids[columns], "score": np.ones(len(rows))}
    return replace(split.train, taught=pl.DataFrame(pairs))


@pytest.fixture(scope="module")
def both(split: Split) -> Reranker:
    """Two spaces: one that is frozen, and one that has learned from behaviour."""
    return Reranker.fit(split, {"semantic": VECTORS, "tuned": learned(split)})


def attention(signals: Sequence[Signal], space: str) -> SemanticAttention:
    """Find the signal of a space."""
    [found] = [s for s in signals if isinstance(s, SemanticAttention) and s.space == space]
    return found


def test_vectors_that_learned_from_behaviour_say_nothing_of_new_items(split: Split, tmp_path: Path) -> None:
    cold, tuned = cold_items(split), learned(split)
    settings = with_template(Settings(), cold.train)
    before = fit_before(cold, {"semantic": VECTORS, "tuned": tuned}, settings)
    histories, everything = split.validation.histories.latest(50), Candidates.everything(N_ITEMS)
    found = attention(before.before, "tuned").score(histories, everything).any(axis=0)
    np.testing.assert_array_equal(found, cold.train.counts > 0)
    assert attention(before.before, "semantic").score(histories, everything).any(axis=0).all()

    seen = Evidence.draw(cold, before.before, item_texts(split.train.items), np.random.default_rng(0))
    pairs = zip(seen.signals, seen.score(histories), strict=True)
    scores = {signal.name: found[:, seen.arriving] for signal, found in pairs}
    assert not scores["tuned"].any()
    assert scores["semantic"].any()

    fitted = Reranker.from_fitted(fuse(before, settings))
    fitted.save(tmp_path / "model")
    known = int(np.argmax(cold.train.counts))
    given = {"semantic": VECTORS.values[[0, 1]], "tuned": tuned.values[[0, 1]]}
    for each in (fitted, Reranker.load(tmp_path / "model")):
        later = each.with_items(["new", f"i{known}"], ["a thing", "its new text"], given)
        some = Candidates(np.array([N_ITEMS, known], np.int32), N_ITEMS + 1)
        new, changed = later.attention("tuned").score(histories, some).T
        assert changed.any()
        assert not new.any()
        assert later.attention("semantic").score(histories, some).any(axis=0).all()


def test_an_item_that_was_without_text_for_a_while_scores_as_before(both: Reranker, split: Split) -> None:
    """A server whose encoder is away puts texts without vectors, and puts them again when it is back."""
    known = int(np.argmax(split.train.counts))
    vectors = {"semantic": VECTORS.values[[known]], "tuned": learned(split).values[[known]]}
    texts = [f"thing {known}"]
    back = both.with_items([f"i{known}"], texts).with_items([f"i{known}"], texts, vectors)
    history, candidates = ["i1", "i2"], [f"i{known}", "i5"]
    expected = {one.item_id: one.score for one in both.rank(history, candidates)}
    assert {one.item_id: one.score for one in back.rank(history, candidates)} == pytest.approx(expected)


def test_they_read_what_users_say_and_new_items_in_histories(both: Reranker, split: Split) -> None:
    vectors = {"semantic": VECTORS.values[[3]], "tuned": learned(split).values[[3]]}
    later = both.with_items(["new"], ["a thing"], vectors)
    texts = TextEvent("a thing", {name: found[0] for name, found in vectors.items()})

    def tuned(history: list[AnyEvent]) -> list[float]:
        ranking = later.rank(history, ["i3", "i4", "i5"], explain=True)
        assert ranking.contributions is not None
        found = dict(zip(ranking.item_ids, ranking.contributions.by_item(), strict=True))
        return [found[name]["tuned"] for name in ("i3", "i4", "i5")]

    as_known = tuned(["i3"])
    assert np.ptp(as_known) > 0.01
    assert tuned(["new"]) == pytest.approx(as_known, abs=1e-5)
    assert tuned([texts]) == pytest.approx(as_known, abs=1e-5)


def test_explanations_know_that_they_say_nothing_of_a_new_item(both: Reranker, split: Split) -> None:
    vectors = {"semantic": VECTORS.values[[3]], "tuned": learned(split).values[[3]]}
    later = both.with_items(["new"], ["a thing"], vectors)
    found = {one.item_id: one for one in later.explain(["i3", "i1"], ["new", "i3", "i4"])}
    assert [found[name].lacking for name in ("new", "i3")] == [{"tuned"}, frozenset()]
    for one in found.values():
        assert sum(one.contributions.values()) == pytest.approx(one.score, abs=1e-5)
        assert sum(one.by_event["tuned"]) == pytest.approx(one.contributions["tuned"], abs=1e-5)


def test_an_item_whose_only_event_was_held_out_is_known_to_what_serves() -> None:
    """Fusion weighs known items; once all events are learned from, this one is known."""
    data = filtered()
    first = int(data.histories.items[data.histories.offsets[1] - 1])
    others = data.histories.items != first
    others[data.histories.offsets[1] - 1] = True
    h = data.histories
    offsets = np.concatenate([[0], np.cumsum(others)])[h.offsets]
    kept = replace(h, items=h.items[others], types=h.types[others], times=h.times[others], offsets=offsets)
    once = replace(data, histories=kept)
    assert once.counts[first] == 1
    split = hold_out(once)
    assert split.train.counts[first] == 0
    values = learned(split).values
    values[first] = values[values.any(axis=1)][0]
    pairs = pl.DataFrame({"item_id": [f"i{first}"], "neighbour": ["i1"], "score": [1.0]})
    with_pair = replace(once, taught=pairs if first != 1 else pairs.with_columns(neighbour=pl.lit("i2")))
    spaces = {"semantic": VECTORS, "tuned": ItemVectors(values, whiten=False)}
    model = Reranker.fit(with_pair, spaces)
    everyone, some = once.histories, Candidates(np.array([first], np.int32), N_ITEMS)
    for name in ("tuned", "taught"):
        [signal] = [each for each in model.signals if each.name == name]
        assert signal.score(everyone, some).any()


def test_a_space_of_a_column_does_not_place_new_items(split: Split) -> None:
    """It knows what has a picture, say; the words of new items have to be read by what is left."""
    pictured = ItemVectors(VECTORS.values, column=VectorColumn("picture"))
    cold = cold_items(split)
    found = fit_before(cold, {"tuned": learned(split), "image": pictured}, Settings()).before
    everything = Candidates.everything(N_ITEMS)
    assert attention(found, "tuned").score(split.validation.histories, everything).any(axis=0).all()


def test_as_the_only_space_they_place_new_items(split: Split) -> None:
    only = attention(fit_before(cold_items(split), learned(split), Settings()).before, "semantic")
    everything = Candidates.everything(N_ITEMS)
    assert only.score(split.validation.histories, everything).any(axis=0).all()


def test_by_time_new_items_keep_their_vectors(split: Split) -> None:
    """There fusion judges them by items that really are new."""
    honest, spaces = replace(cold_items(split), least_count=0), {"semantic": VECTORS, "tuned": learned(split)}
    found = attention(fit_before(honest, spaces, Settings()).before, "tuned")
    assert found.score(split.validation.histories, Candidates.everything(N_ITEMS)).any(axis=0).all()


def test_an_item_without_events_has_no_neighbours_in_what_is_taught(split: Split) -> None:
    dataset = taught(split)
    cold = cold_items(replace(split, train=dataset, full_train=dataset))
    [signal] = [s for s in fit_before(cold, VECTORS, Settings()).before if s.name == "taught"]
    found = signal.score(split.validation.histories, Candidates.everything(N_ITEMS)).any(axis=0)
    np.testing.assert_array_equal(found, cold.train.counts > 0)


def test_a_table_of_items_without_events_teaches_nothing(split: Split) -> None:
    cold = cold_items(split)
    ids = np.array(split.train.item_ids)[cold.train.counts == 0]
    pairs = pl.DataFrame({"item_id": ids[:3], "neighbour": ids[3:6], "score": np.ones(3)})
    of_cold = replace(cold, train=replace(cold.train, taught=pairs))
    [signal] = [s for s in fit_before(of_cold, VECTORS, Settings()).before if s.name == "taught"]
    assert not signal.score(split.validation.histories, Candidates.everything(N_ITEMS)).any()


def test_what_knows_the_events_by_heart_does_not_say_how_far_to_go_for_the_tail(split: Split) -> None:
    """The way is rehearsed on the latest events of training, which such signals have learned."""
    plain = Reranker.fit(split, VECTORS).fusion
    with_table = replace(split, train=taught(split), full_train=taught(split))
    for found in (
        Reranker.fit(split, {"semantic": VECTORS, "tuned": learned(split)}).fusion,
        Reranker.fit(with_table, VECTORS).fusion,
    ):
        assert len(found.signals) == 1 + len(plain.signals)
        assert (found.tail_emphasis, found.new_lift) == (plain.tail_emphasis, plain.new_lift)
