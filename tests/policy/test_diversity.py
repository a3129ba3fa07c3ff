"""Diversity against searches written out, and what it does where vectors say little."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from listings import StatedListing, drawn

from tailrank.arrays import Doubles, Floats
from tailrank.errors import RequestError
from tailrank.policy.base import Scored
from tailrank.policy.diversity import Diversity, SimilarityCeiling


def with_vectors(scored: Scored, vectors: Floats | None) -> Scored:
    assert isinstance(scored.listing, StatedListing)
    return replace(scored, listing=replace(scored.listing, vectors=vectors))


def vectors_of(scored: Scored) -> Floats:
    assert scored.listing is not None
    assert scored.listing.vectors is not None
    return scored.listing.vectors


def cosines(scored: Scored) -> Doubles:
    vectors = vectors_of(scored).astype(np.float64)
    return vectors @ vectors.T


def searched(strategy: str, scored: Scored, strength: float, places: int) -> list[int]:
    """Choose by the definitions, one after the other, in double precision."""
    scores, cosine, chosen = scored.scores.astype(np.float64), cosines(scored), list[int]()
    relevance = (scores - scores.min()) / np.ptp(scores)
    quality = np.exp((1 - strength) * (relevance - relevance.mean()) / relevance.std())
    kernel = quality[:, None] * cosine * quality

    def worth(item: int) -> float:
        if strategy == "dpp":
            members = [*chosen, item]
            return float(np.linalg.slogdet(kernel[np.ix_(members, members)]).logabsdet)
        if strategy == "msd":
            other = sum(1 - cosine[item, one] for one in chosen)
        else:
            other = -max((max(cosine[item, one], 0) for one in chosen), default=0)
        return float((1 - strength) * relevance[item] + strength * other)

    while len(chosen) < places:
        chosen.append(max(set(range(len(scores))).difference(chosen), key=worth))
    return chosen


def intra_list_distance(scored: Scored) -> float:
    chosen = scored.order[:10]
    return 1 - float(cosines(scored)[np.ix_(chosen, chosen)][np.triu_indices(10, 1)].mean())


@pytest.mark.parametrize("strategy", ["mmr", "msd", "dpp"])
@pytest.mark.parametrize("strength", [0.1, 0.5, 0.9])
def test_it_chooses_as_the_definition_says(strategy: str, strength: float) -> None:
    for seed in range(5):
        scored = drawn(seed, width=16)
        found = Diversity(strategy, strength).apply(scored)  # type: ignore[arg-type]
        assert found.order[:10].tolist() == searched(strategy, scored, strength, 10)


@pytest.mark.parametrize("strategy", ["mmr", "msd", "dpp"])
def test_lists_become_more_diverse_the_stronger_it_is(strategy: str) -> None:
    lists = [drawn(seed, n=100) for seed in range(20)]
    lists = [with_vectors(each, np.abs(vectors_of(each))) for each in lists]  # texts have no opposites
    means = []
    for strength in (0, 0.2, 0.5, 0.8):
        step = Diversity(strategy, strength)  # type: ignore[arg-type]
        means.append(np.mean([intra_list_distance(step.apply(each)) for each in lists]))
    assert means == sorted(means)
    assert means[-1] > means[0] + 0.05


@pytest.mark.parametrize("step", [Diversity("mmr"), Diversity("msd"), Diversity("dpp")], ids=str)
def test_the_unit_of_the_scores_does_not_matter(step: Diversity) -> None:
    scored = drawn(2)
    small = replace(scored, scores=scored.scores / np.float32(1024) + np.float32(8))
    again = replace(scored, scores=small.scores - np.float32(8))
    assert step.apply(again).order.tolist() == step.apply(small).order.tolist()


def test_a_process_ends_where_the_vectors_span_no_more() -> None:
    scored = drawn(0, width=3)
    found = Diversity("dpp", 0.5).apply(scored).order.tolist()
    assert found[:3] == searched("dpp", scored, 0.5, 3)
    assert found[3:] == [item for item in scored.order.tolist() if item not in found[:3]]


def test_copies_of_one_text_come_last() -> None:
    scored = drawn(0, n=12)
    vectors = vectors_of(scored).copy()
    copies = scored.order[:4]
    vectors[copies] = vectors[copies[0]]
    found = Diversity("dpp", 1.0, places=8).apply(with_vectors(scored, vectors)).order.tolist()
    assert found[0] == copies[0]
    assert not set(copies[1:].tolist()) & set(found[:8])


@pytest.mark.parametrize("step", [Diversity("mmr"), Diversity("dpp"), SimilarityCeiling(0.2)], ids=str)
def test_candidates_without_text_keep_their_ranks(step: Diversity | SimilarityCeiling) -> None:
    scored = drawn(4)
    vectors = vectors_of(scored).copy()
    without = scored.order[[0, 2, 7, 15]]
    vectors[without] = 0
    found = step.apply(with_vectors(scored, vectors))
    assert found.order[[0, 2, 7, 15]].tolist() == without.tolist()
    assert found.order.tolist() != scored.order.tolist()
    for without in (scored.order, scored.order[:10]):  # nothing to choose for the first ranks
        vectors = vectors_of(scored).copy()
        vectors[without] = 0
        assert np.array_equal(step.apply(with_vectors(scored, vectors)).scores, scored.scores)


@pytest.mark.parametrize("step", [Diversity(), SimilarityCeiling()], ids=str)
def test_a_model_without_texts_is_an_error(step: Diversity | SimilarityCeiling) -> None:
    with pytest.raises(RequestError, match=f"{step.name!r} compares items by their texts, and this model"):
        step.apply(with_vectors(drawn(0), None))


def test_a_missing_package_is_named_before_any_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyversity", None)
    with pytest.raises(RequestError, match=r"needs pyversity: pip install \"tailrank\[policies\]\""):
        Diversity()


@given(st.integers(0, 999), st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]), st.integers(1, 15))
def test_no_two_items_are_closer_than_the_ceiling(seed: int, cosine: float, places: int) -> None:
    scored = drawn(seed, width=4)
    near, accepted = cosines(scored).astype(np.float32), list[int]()
    for item in scored.order.tolist():
        if len(accepted) < places and all(near[item, one] <= cosine for one in accepted):
            accepted.append(item)
    found = SimilarityCeiling(cosine, places).apply(scored).order.tolist()
    assert found == [*accepted, *(item for item in scored.order.tolist() if item not in accepted)]
