"""Ids and codes of a catalogue, small or large, and of items that come to it one by one."""

from dataclasses import astuple, replace
from typing import get_args
from unittest.mock import patch

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tailrank.data.dataset import Clock
from tailrank.data.histories import Histories, History
from tailrank.ranking import catalogue
from tailrank.ranking.catalogue import Catalogue
from tailrank.ranking.hashed_codes import HashedCodes

NAMES = st.lists(st.text(max_size=3), max_size=40)


def catalogue_of(ids: list[str]) -> Catalogue:
    items = pl.DataFrame({"item_id": ids}, schema={"item_id": pl.String})
    return Catalogue.from_items(items, np.arange(len(ids)), ("click",), "timestamp")


@given(st.lists(st.text(max_size=3), unique=True, min_size=1, max_size=200), NAMES)
def test_ids_are_found_by_their_hashes_as_in_a_dict(ids: list[str], asked: list[str]) -> None:
    hashed, codes = HashedCodes.from_ids(ids), {name: code for code, name in enumerate(ids)}
    assert hashed is not None
    assert hashed.of([*ids, *asked]).tolist() == [codes.get(name, -1) for name in [*ids, *asked]]
    assert [name in hashed for name in asked] == [name in codes for name in asked]


def test_ids_that_share_a_hash_are_not_told_apart_by_it() -> None:
    assert HashedCodes.from_ids(["tea", "mug", "tea"]) is None


def test_a_large_catalogue_is_as_a_small_one() -> None:
    ids = [f"i{n}" for n in range(300)]
    small = catalogue_of(ids)
    with patch.object(catalogue, "LARGE", 10):
        large = catalogue_of(ids)
    assert isinstance(large.trained, HashedCodes)
    for each in (small, large):
        changed = each.with_items(["new", "i7"]).without_items(["i3", "i9", "never"]).with_items(["i9"])
        asked = ["i3", "i7", "i9", "new", "i299", "nobody"]
        assert changed.codes_of(asked).tolist() == [-1, 7, 9, 300, 299, -1]


def test_items_that_come_one_by_one_leave_earlier_catalogues_as_they_were() -> None:
    steps = [catalogue_of(["a", "b"])]
    for n in range(300):
        steps.append(steps[-1].with_items([f"n{n}"]))
    names = [f"n{n}" for n in range(300)]
    for n in (0, 1, 65, 299, 300):
        assert steps[n].codes_of(names).tolist() == [*range(2, 2 + n), *[-1] * (300 - n)]
        assert [len(each) for each in (steps[n].counts, steps[n].levels, steps[n].rarity)] == [2 + n] * 3
    assert steps[-1].rarity[2:].tolist() == [1.0] * 300
    assert np.shares_memory(steps[-1].counts, steps[-2].counts)


PASTS = st.lists(
    st.tuples(
        st.sampled_from("abcz"), st.sampled_from(["", "click", "sale"]), st.sampled_from([-np.inf, 1, 2])
    ),
    max_size=5,
).map(lambda events: History(*map(list, zip(*events, strict=True))) if events else History([], [], []))


@given(st.lists(PASTS, min_size=1, max_size=5), st.sampled_from(get_args(Clock)))
def test_histories_are_coded_together_as_one_by_one(pasts: list[History], clock: Clock) -> None:
    known = replace(catalogue_of(["a", "b", "c"]), clock=clock)
    together, unknown = known.histories(pasts)
    alone = [known.histories([past]) for past in pasts]
    expected = Histories.concatenate([history for history, _ in alone])
    assert unknown == [names for _, [names] in alone]
    for found, wanted in zip(astuple(together), astuple(expected), strict=True):
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == wanted.dtype


def test_an_event_without_a_time_or_seemingly_earlier_counts_as_of_the_latest_time_before() -> None:
    past = History(["a", "b", "nobody", "c", "a"], [""] * 5, [-np.inf, 5.0, 9.0, 3.0, -np.inf])
    histories, unknown = catalogue_of(["a", "b", "c"]).histories([past, History(["b"], [""], [1.0])])
    assert (histories.times.tolist(), unknown) == ([0.0, 5.0, 5.0, 5.0, 1.0], [["nobody"], []])
