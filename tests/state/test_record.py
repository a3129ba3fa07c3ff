"""The record of one user, against a list that is sorted; and as the format before wrote it."""

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from state_helpers import former_record

from tailrank.state.base import EVENTS_PER_USER
from tailrank.state.former_record import LONG_GAP, decode_former
from tailrank.state.former_record import ROW as FORMER_ROW
from tailrank.state.merging import merge_rows
from tailrank.state.record import (
    HEAD,
    MAX_DIGESTS,
    MAX_ITEMS,
    MAX_TYPES,
    Row,
    Widths,
    decode_columns,
    decode_rows,
    encode_rows,
)

LATEST = 2**48
NOON = 1_700_000_000_000
event_types = st.one_of(st.integers(0, 3), st.integers(0, MAX_TYPES - 1))
items = st.one_of(st.integers(0, 3), st.integers(0, MAX_ITEMS - 1))
times = st.one_of(st.integers(0, 20), st.integers(0, 4_102_444_800_000))
row = st.builds(Row, times, items, event_types, st.integers(0, MAX_DIGESTS - 1))
alike = st.builds(Row, times, st.integers(0, 3), event_types, st.integers(0, 3))
some_rows = st.lists(row, min_size=1, max_size=EVENTS_PER_USER)
widths = st.builds(Widths, st.integers(0, 24), st.integers(0, 16))


def by_time(events: Sequence[Row]) -> list[Row]:
    return sorted(events, key=lambda event: event.time)


def merged_by_hand(held: list[Row], new: Sequence[Row]) -> list[Row]:
    known = {(event.item, event.digest) for event in held}
    for event in new:
        if (event.item, event.digest) not in known:
            known.add((event.item, event.digest))
            held = [*held, event]
    return by_time(held)[-EVENTS_PER_USER:]


@given(some_rows.map(by_time), widths)
@example([Row(0, 0, 0, 0), Row(2**42, MAX_ITEMS - 1, MAX_TYPES - 1, 1)], Widths())  # rows of eleven bytes
def test_what_is_written_is_read_again(events: list[Row], least: Widths) -> None:
    record = encode_rows(events, least)
    assert decode_rows(record) == events
    columns = [column.tolist() for column in decode_columns(record)]
    assert list(zip(*columns, strict=True)) == [event[:3] for event in events]


@pytest.mark.parametrize(
    ("step", "n_items", "n_types", "size"),
    [(60_000, 2_000, 1, 7), (60_000, 100_000, 4, 8), (60_001, 100_000, 4, 10)],
)
def test_an_event_takes_as_much_as_its_shop_needs(step: int, n_items: int, n_types: int, size: int) -> None:
    events = [Row(NOON + step * i, n_items - 1 - i, i % n_types, i) for i in range(EVENTS_PER_USER)]
    assert len(encode_rows(events)) == HEAD.size + size * EVENTS_PER_USER


def test_an_event_that_needs_more_room_is_added_all_the_same() -> None:
    few = [Row(NOON + 1_000 * i, i, 0, i) for i in range(EVENTS_PER_USER)]
    for one in (
        Row(few[-1].time + 1, 7, 0, 99),
        Row(few[-1].time, MAX_ITEMS - 1, 0, 99),
        Row(few[-1].time, 7, MAX_TYPES - 1, 99),
        Row(few[-1].time + 2**41, 7, 0, 99),
    ):
        record, new = merge_rows(encode_rows(few), [one], LATEST)
        assert (decode_rows(record), new) == ([*few[1:], one], 1)


@given(some_rows.map(by_time))
@example(
    [Row(0, 0, 0, 0), Row(LONG_GAP - 1, 1, 0, 1), Row(2 * LONG_GAP - 1, 2, 0, 2), Row(3 * LONG_GAP, 3, 0, 3)]
)
def test_a_record_of_the_format_before_is_read(events: list[Row]) -> None:
    assert decode_former(former_record(events)) == events


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


@given(
    st.lists(
        st.tuples(st.integers(0, 2**33), items, event_types, st.integers(0, 5)), min_size=1, max_size=120
    )
)
def test_events_one_by_one_end_as_all_at_once(gaps: list[tuple[int, int, int, int]]) -> None:
    time, events = 0, list[Row]()
    record: bytes | None = None
    for gap, *names in gaps:
        time += gap
        events.append(Row(time, *names))
        record, _ = merge_rows(record, [events[-1]], LATEST)
    by_hand: list[Row] = []
    for event in events:
        by_hand = merged_by_hand(by_hand, [event])
    assert record is not None
    assert decode_rows(record) == by_hand


@given(st.binary(max_size=700))
@example(HEAD.pack(2, 1, 1, 4, 0, 0) + bytes(2 * 3) + b"\xff" * 8)
@example(HEAD.pack(1, 1, 1, 0, 0, 0) + bytes(3))
@example(HEAD.pack(0, 0, 0, 1, 0, 0))
@example(HEAD.pack(1, 200, 200, 60, 0, 0) + bytes(63))
def test_what_is_no_record_is_refused_or_read_as_one(noise: bytes) -> None:
    try:
        read = decode_rows(noise)
    except ValueError:
        with pytest.raises(ValueError, match=r"record|fit|1970"):
            merge_rows(noise, [Row(2**40, 0, 0, 0)], LATEST)
    else:
        assert 0 < len(read) <= EVENTS_PER_USER
        assert read == by_time(read)


@given(st.binary(max_size=700))
@example(b"\x02" + bytes(6) + FORMER_ROW.pack(1, 1, 0) + FORMER_ROW.pack(1, 1, LONG_GAP) + bytes(8))
@example(b"\x00" + bytes(18))
@example(b"\x01" + bytes(19))
def test_what_is_no_record_of_the_format_before_is_refused_or_read_as_one(noise: bytes) -> None:
    with suppress(ValueError):
        read = decode_former(noise)
        assert read == by_time(read)
