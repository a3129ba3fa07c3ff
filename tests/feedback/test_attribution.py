"""Which events belong to which impression."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_helpers import NOW, event, impression, shown

from tailrank.data.lists import Lists
from tailrank.feedback.attribution import Outcome, attributed, impressions_table, outcomes
from tailrank.feedback.log_tables import tables
from tailrank.feedback.records import Record


def joined(*records: Record, minutes: float = 30) -> dict[str, Outcome]:
    return {found.impression.ranking_id: found for found in outcomes(tables(records), minutes)}


def clicks(*records: Record, minutes: float = 30) -> dict[str, list[str]]:
    return {
        name: [item for item, one in zip(o.impression.item_ids, o.clicked, strict=True) if one]
        for name, o in joined(*records, minutes=minutes).items()
    }


TWO = shown(impression("early", "abc"), impression("late", "bcd", at=NOW + 600))


@pytest.mark.parametrize(
    ("happened", "expected"),
    [
        (event("1", "a"), {"early": ["a"], "late": []}),
        (event("1", "b", at=NOW + 700), {"early": [], "late": ["b"]}),
        (event("1", "b", at=NOW + 599), {"early": ["b"], "late": []}),
        (event("1", "a", at=NOW + 1_800), {"early": ["a"], "late": []}),
        (event("1", "a", at=NOW + 1_801), {"early": [], "late": []}),
        (event("1", "a", at=NOW - 1), {"early": [], "late": []}),
        (event("1", "z"), {"early": [], "late": []}),
        (event("1", "a", user="bob"), {"early": [], "late": []}),
        (event("1", "b", at=NOW + 700, ranking="early"), {"early": ["b"], "late": []}),
        (event("1", "b", at=NOW + 1e6, ranking="late"), {"early": [], "late": ["b"]}),
        (event("1", "a", ranking="late"), {"early": [], "late": []}),
        (event("1", "b", ranking="no such ranking"), {"early": [], "late": []}),
        (event("1", "b", user="bob", ranking="late"), {"early": [], "late": []}),
        (event("1", "a", type_="purchase"), {"early": ["a"], "late": []}),
        (event("1", "a", type_="dislike"), {"early": [], "late": []}),
    ],
)
def test_an_event_belongs_to_the_ranking_that_it_names_or_the_latest_within_the_window(
    happened: Record, expected: dict[str, list[str]]
) -> None:
    assert clicks(*TWO, happened) == expected


def test_the_window_is_as_long_as_it_is_said_to_be() -> None:
    late = event("1", "a", at=NOW + 3_000)
    assert clicks(*TWO, late, minutes=50)["early"] == ["a"]
    assert clicks(*TWO, late, minutes=49)["early"] == []


def test_a_list_for_nobody_in_particular_takes_events_that_name_it() -> None:
    lists = shown(impression("list", "abc", user=""))
    assert clicks(*lists, event("1", "b", user="bob", ranking="list"), event("2", "c")) == {"list": ["b"]}


def test_what_was_passed_over_lies_above_a_click_and_has_no_event() -> None:
    happened = [event("1", "d"), event("2", "b", type_="dislike"), event("3", "d", at=NOW + 90)]
    [found] = joined(*shown(impression("list", "abcde")), *happened).values()
    assert found.clicked.tolist() == [False, False, False, True, False]
    assert found.disliked.tolist() == [False, True, False, False, False]
    assert found.skipped.tolist() == [True, False, True, False, False]
    assert found.times["click"][3] == NOW + 60
    assert np.isnan(found.times["dislike"][3])


def test_outcomes_come_in_the_order_of_time() -> None:
    lists = [impression(str(at), "ab", at=NOW + at) for at in (3, 1, 2)]
    happened = event("1", "a", at=NOW + 4, ranking="2")
    found = list(outcomes(tables([*shown(*lists), happened])))
    assert [each.impression.ranking_id for each in found] == ["1", "2", "3"]
    assert [each.clicked.any() for each in found] == [False, True, False]


def test_nothing_is_skipped_without_a_click() -> None:
    [found] = joined(*shown(impression("list", "abc")), event("1", "c", type_="dislike")).values()
    assert not found.clicked.any()
    assert not found.skipped.any()


def test_an_outcome_holds_the_impression_as_it_was() -> None:
    before = [impression(f"r{n}", "abcd"[: 1 + n % 4], at=NOW + n, seed=n) for n in range(20)]
    unknown = impression("no signals", "ab", at=NOW + 99)
    object.__setattr__(unknown, "signals", np.empty((2, 0), np.float32))
    object.__setattr__(unknown, "signal_names", ())
    before.append(unknown)
    found = [each.impression for each in outcomes(tables(shown(*before)))]
    assert len(found) == len(before)
    for one, other in zip(before, found, strict=True):
        for name, value in vars(one).items():
            np.testing.assert_array_equal(getattr(other, name), value, err_msg=name)
        assert [getattr(other, name).dtype for name in ("signals", "count_levels", "previous_ranks")] == [
            "float32",
            "int32",
            "int64",
        ]
    assert found[0].known.all()
    assert not found[-1].known.any()


def test_the_table_is_what_a_data_folder_holds(tmp_path: Path) -> None:
    lists = [impression("one", "abc"), impression("two", "ca", "bob", NOW + 5), impression("x", "ab", "")]
    table = impressions_table(tables([*shown(*lists), event("1", "c"), event("2", "c"), event("3", "b")]))
    table.write_parquet(tmp_path / "impressions.parquet")
    found = Lists.impressions(tmp_path)
    assert found.users == ["ada", "bob"]
    assert found.items == [["a", "b", "c"], ["c", "a"]]
    assert found.clicked is not None
    assert [each.tolist() for each in found.clicked] == [[False, True, True], [False, False]]
    assert found.times is not None
    assert found.times.tolist() == [NOW, NOW + 5]
    np.testing.assert_array_equal(found.scores["score"][0], lists[0].scores)


def test_lists_of_one_moment_stay_in_the_order_of_the_log() -> None:
    names = [str(n) for n in np.random.default_rng(0).permutation(2_000)]
    table = impressions_table(tables(shown(*(impression(name, "a") for name in names))))
    assert table["ranking_id"].to_list() == names


def test_what_no_recommender_scored_has_no_score_in_the_table() -> None:
    lists = [impression("one", "ab", seed=1), impression("two", "ab", at=NOW + 1)]
    lists[0].upstream[1] = np.nan  # type: ignore[index]
    table = impressions_table(tables(shown(*lists)))
    assert table["upstream"].to_list() == [lists[0].upstream[0], None, None, None]  # type: ignore[index]


def test_the_table_is_sorted_and_has_clicks_of_its_window_only() -> None:
    lists = [impression("late", "ab", at=NOW + 9), impression("early", "abc"), impression("too", "cb", "bob")]
    happened = [
        event("1", "a", at=NOW + 70),  # more than a minute after both lists, within two of both
        event("2", "b", at=NOW + 5, type_="dislike"),
        event("3", "c", at=NOW + 61),
    ]
    table = impressions_table(tables([*shown(*lists), *happened]), minutes=1)
    assert table["ranking_id"].to_list() == ["early"] * 3 + ["too"] * 2 + ["late"] * 2
    assert table["item_id"].to_list() == [*"abc", *"cb", *"ab"]
    assert table["position"].to_list() == [1, 2, 3, 1, 2, 1, 2]
    assert not table["clicked"].any()
    assert table["propensity"].to_list() == pytest.approx(
        [p for at in (1, 2, 0) for p in lists[at].propensities]
    )
    longer = impressions_table(tables([*shown(*lists), *happened]), minutes=2)
    assert longer.filter("clicked").select("ranking_id", "item_id").rows() == [("early", "c"), ("late", "a")]


def test_a_click_stays_one_whatever_comes_after_it() -> None:
    happened = [event("1", "a"), event("2", "a", at=NOW + 70, type_="dislike")]
    for those in (happened, happened[::-1]):
        [found] = joined(*shown(impression("list", "ab")), *those).values()
        assert (found.clicked.tolist(), found.disliked.tolist()) == ([True, False], [True, False])


def test_any_of_several_dislikes_is_one() -> None:
    happened = [event("1", "a", type_="skip"), event("2", "b", type_="hide"), event("3", "c")]
    [found] = joined(*shown(impression("list", "abc")), *happened).values()
    assert found.disliked.tolist() == [True, True, False]
    assert not found.skipped.any()


drawn_event = st.tuples(
    st.sampled_from("abc"), st.sampled_from("uv"), st.integers(-5, 100), st.sampled_from([None, "0", "1"])
)
drawn_list = st.tuples(
    st.permutations("abc").map(lambda items: items[:2]), st.sampled_from(["u", "v", ""]), st.integers(0, 60)
)


@given(st.lists(drawn_list, max_size=5, unique_by=lambda drawn: drawn[2]), st.lists(drawn_event, max_size=8))
def test_the_join_is_that_of_a_loop(
    lists: list[tuple[Sequence[str], str, int]], events: list[tuple[str, str, int, str | None]]
) -> None:
    rankings = [impression(str(n), i, user, NOW + t) for n, (i, user, t) in enumerate(lists)]
    happened = [event(str(n), i, u, NOW + t, ranking=r) for n, (i, u, t, r) in enumerate(events)]
    expected = []
    for one in happened:
        those = [r for r in rankings if one.item_id in r.item_ids]
        if one.ranking_id is not None:
            mine = [r for r in those if r.ranking_id == one.ranking_id and r.user_id in {one.user_id, ""}]
        else:
            mine = [r for r in those if r.user_id == one.user_id and 0 <= one.timestamp - r.time <= 30]
        if mine:
            last = max(mine, key=lambda r: r.time)
            expected.append((last.ranking_id, one.item_id, one.event, one.timestamp))
    found = attributed(tables([*shown(*rankings), *happened]), minutes=0.5).collect()
    assert found.schema.names() == ["ranking_id", "item_id", "event", "timestamp"]
    assert sorted(found.rows()) == sorted(expected)
    assert isinstance(found, pl.DataFrame)
