"""Calibration and xQuAD against searches written out."""

from dataclasses import replace

import numpy as np
import pytest
from listings import StatedListing, drawn
from scipy.special import rel_entr

from tailrank.arrays import Doubles
from tailrank.policy.base import Scored
from tailrank.policy.calibration import Calibration
from tailrank.policy.xquad import XQuad

Lists = list[list[str]]


def listing_of(scored: Scored) -> StatedListing:
    assert isinstance(scored.listing, StatedListing)
    return scored.listing


def genres(scored: Scored) -> tuple[Lists, Lists]:
    """Those of the candidates and of the history."""
    listing = listing_of(scored)
    candidates, history = listing.attribute("genres"), listing.of_history("genres")
    return [each or [] for each in candidates], [each or [] for each in history]


def halves(scored: Scored) -> tuple[Lists, Lists]:
    listing = listing_of(scored)
    return [[str(tail)] for tail in listing.tail], [[str(tail)] for tail in listing.history_tail]


def shares(items: Lists, names: list[str]) -> Doubles:
    sums = [sum(1 / len(item) for item in items if name in item) for name in names]
    return np.array(sums) / len(items)


def scaled(scored: Scored) -> Doubles:
    scores = scored.scores.astype(np.float64)
    found: Doubles = (scores - scores.min()) / np.ptp(scores)
    return found


def searched(scored: Scored, items: Lists, history: Lists, strength: float) -> list[int]:
    """Choose greedily by Steck's objective for whole lists."""
    names = sorted({name for item in [*items, *history] for name in item})
    wanted, relevance, chosen = shares([*filter(None, history)], names), scaled(scored), list[int]()

    def objective(members: list[int]) -> float:
        shown = 0.99 * shares([items[member] for member in members], names) + 0.01 * wanted
        divergence = rel_entr(wanted, np.where(wanted, shown, 1)).sum()
        return float((1 - strength) * relevance[members].sum() - strength * divergence)

    while len(chosen) < 10:
        left = set(range(len(items))).difference(chosen)
        chosen.append(max(left, key=lambda item: objective([*chosen, item])))
    return chosen


@pytest.mark.parametrize("strength", [0.1, 0.5, 0.9])
def test_it_chooses_as_the_paper_says(strength: float) -> None:
    for seed in range(5):
        scored = drawn(seed)
        found = Calibration("genres", strength).apply(scored).order[:10].tolist()
        assert found == searched(scored, *genres(scored), strength)
        found = Calibration(strength=strength).apply(scored).order[:10].tolist()
        assert found == searched(scored, *halves(scored), strength)


def test_lists_come_near_to_the_history() -> None:
    scored = drawn(0, n=100, events=40)
    history = listing_of(scored).history_tail.mean()
    for step in (Calibration(strength=0.9), XQuad(strength=1.0)):
        top = step.apply(scored).order[:10]
        assert abs(listing_of(scored).tail[top].mean() - history) <= 0.1


def test_without_a_history_there_is_nothing_to_calibrate_to() -> None:
    scored = drawn(0, events=0)
    assert Calibration("genres").apply(scored) is scored
    assert Calibration().apply(scored) is scored


def test_candidates_of_other_categories_alone_stay_in_their_order() -> None:
    scored = drawn(0)
    others = replace(listing_of(scored), history_columns={"genres": [["Opera"]] * 12})
    found = Calibration("genres").apply(replace(scored, listing=others))
    categorised = {at for at, each in enumerate(genres(scored)[0]) if each}
    order = scored.order.tolist()
    assert [each for each in found.order.tolist() if each in categorised] == [
        each for each in order if each in categorised
    ]


@pytest.mark.parametrize("strength", [0.1, 0.4, 0.8])
@pytest.mark.parametrize("events", [0, 12])
def test_xquad_chooses_as_the_equation_says(strength: float, events: int) -> None:
    for seed in range(5):
        scored = drawn(seed, events=events)
        tail, relevance, chosen = listing_of(scored).tail, scaled(scored), list[int]()
        liked = listing_of(scored).history_tail.mean() if events else 0.5
        for rank in range(10):
            left = set(range(30)).difference(chosen)
            so_far = tail[chosen].mean() if rank else None
            worth = {}
            for item in left:
                likes = liked if tail[item] else 1 - liked
                share = 0 if so_far is None else so_far if tail[item] else 1 - so_far
                worth[item] = (1 - strength) * relevance[item] + strength * likes * (1 - share)
            chosen.append(max(left, key=worth.__getitem__))
        assert XQuad(strength).apply(scored).order[:10].tolist() == chosen


@pytest.mark.parametrize("kind", [True, False])
def test_a_list_of_tail_or_head_alone_stays_as_it_is(kind: bool) -> None:
    scored = drawn(0)
    alone = replace(listing_of(scored), tail=np.full(30, kind))
    for step in (XQuad(), Calibration()):
        found = step.apply(replace(scored, listing=alone))
        assert np.array_equal(found.scores, scored.scores)
