"""The record of one user, against a list that is sorted."""

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tailrank.state.base import EVENTS_PER_USER
from tailrank.state.record import (
    HEAD,
    LONG_GAP,
    RARE_TYPE,
    ROW,
    TYPE_BITS,
    Row,
    decode_columns,
    decode_rows,
    encode_rows,
    item_code,
    joined_codes,
    merge_rows,
    type_code,
)

LATEST = 2**48
near = st.integers(RARE_TYPE - 1, RARE_TYPE + 1)
event_types = st.one_of(st.integers(0, 3), near, st.integers(0, 2**16 - 1))
codes = st.builds(joined_codes, event_types, st.integers(0, 2**24 - 1))
times = st.one_of(st.integers(0, 20), st.integers(0, 4_102_444_800_000))
row = st.builds(Row, times, codes, st.integers(0, 2**32 - 1))
alike = st.builds(Row, times, st.builds(joined_codes, event_types, st.integers(0, 3)), st.integers(0, 3))


def by_time(events: Sequence[Row]) -> list[Row]:
    return sorted(events, key=lambda event: event.time)


def merged_by_hand(held: list[Row], new: Sequence[Row]) -> list[Row]:
    known = {(item_code(event.codes), event.digest) for event in held}
    for event in new:
        if (item_code(event.codes), event.digest) not in known:
            known.add((item_code(event.codes), event.digest))
            held = [*held, event]
    return by_time(held)[-EVENTS_PER_USER:]


@given(st.lists(row, min_size=1, max_size=EVENTS_PER_USER).map(by_time))
@example([Row(0, 0, 0), Row(LONG_GAP - 1, 1, 1), Row(2 * LONG_GAP - 1, 2, 2), Row(3 * LONG_GAP, 3, 3)])
def test_what_is_written_is_read_again(events: list[Row]) -> None:
    record = encode_rows(events)
    assert decode_rows(record) == events
    assert [Row(*columns) for columns in zip(*decode_columns(record), strict=True)] == events


def test_fifty_events_take_12_bytes_each_and_7() -> None:
    events = [Row(1_700_000_000_000 + 60_000 * i, joined_codes(i % 2, i), i) for i in range(EVENTS_PER_USER)]
    assert len(encode_rows(events)) == 7 + 12 * EVENTS_PER_USER


@given(event_types, st.integers(0, 2**24 - 1))
def test_codes_come_apart_again(event_type: int, item: int) -> None:
    joined = joined_codes(event_type, item)
    assert (type_code(joined), item_code(joined)) == (event_type, item)
    assert (joined < 2**32) == (event_type <= RARE_TYPE)


def test_only_event_types_that_need_it_take_more_room() -> None:
    few = [Row(1_700_000_000_000 + i, joined_codes(RARE_TYPE - i % 2, i), i) for i in range(EVENTS_PER_USER)]
    record = encode_rows(few)
    assert len(record) == 7 + 12 * EVENTS_PER_USER  # as before there were more than 256
    assert decode_rows(record) == few
    many, _ = merge_rows(record, [Row(few[-1].time, joined_codes(RARE_TYPE + 1, 7), 99)], LATEST)
    assert len(many) == len(record) + 2 * (EVENTS_PER_USER // 2)
    assert decode_rows(many)[-1].codes == joined_codes(RARE_TYPE + 1, 7)


@given(st.lists(st.lists(alike, min_size=1, max_size=8), min_size=1, max_size=30))
def test_merging_is_sorting_without_repetitions(batches: list[list[Row]]) -> None:
    record: bytes | None = None
    by_hand: list[Row] = []
    for batch in batches:
        before = by_hand
        by_hand = merged_by_hand(before, batch)
        record, new = merge_rows(record, batch, LATEST)
        assert record is not None
        assert decode_rows(record) == by_hand
        assert new == len([event for event in by_hand if event not in before])


@given(st.lists(st.tuples(st.integers(0, 2**33), codes, st.integers(0, 5)), min_size=1, max_size=120))
def test_events_one_by_one_end_as_all_at_once(gaps: list[tuple[int, int, int]]) -> None:
    time, events = 0, list[Row]()
    record: bytes | None = None
    for gap, code, digest in gaps:
        time += gap
        events.append(Row(time, code, digest))
        record, _ = merge_rows(record, [events[-1]], LATEST)
    by_hand: list[Row] = []
    for event in events:
        by_hand = merged_by_hand(by_hand, [event])
    assert record is not None
    assert decode_rows(record) == by_hand


@given(st.binary(max_size=700))
@example(HEAD.pack(2, 0, 0) + ROW.pack(1, 1, 0) + ROW.pack(1, 1, LONG_GAP) + bytes(8))
@example(HEAD.pack(0, 0, 0) + bytes(12))
@example(HEAD.pack(1, 0, 0) + bytes(13))
def test_what_is_no_record_is_refused_or_read_as_one(noise: bytes) -> None:
    try:
        read = decode_rows(noise)
    except ValueError:
        with pytest.raises(ValueError, match=r"record|fit|1970"):
            merge_rows(noise, [Row(2**40, 0, 0), Row(2**40, 1 << TYPE_BITS, 0)], LATEST)
    else:
        assert 0 < len(read) <= EVENTS_PER_USER
        assert read == by_time(read)
