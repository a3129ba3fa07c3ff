"""The record of one user, against a list that is sorted."""

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tailrank.state.base import EVENTS_PER_USER
from tailrank.state.record import (
    HEAD,
    LONG_GAP,
    MAX_TYPES,
    ROW,
    Row,
    decode_columns,
    decode_rows,
    encode_rows,
    merge_rows,
)

LATEST = 2**48
codes = st.integers(0, 2**32 - 1)
times = st.one_of(st.integers(0, 20), st.integers(0, 4_102_444_800_000))
row = st.builds(Row, times, codes, st.integers(0, 2**32 - 1))
alike = st.builds(Row, times, st.integers(0, 3 * MAX_TYPES), st.integers(0, 3))


def by_time(events: Sequence[Row]) -> list[Row]:
    return sorted(events, key=lambda event: event.time)


def merged_by_hand(held: list[Row], new: Sequence[Row]) -> list[Row]:
    known = {(event.codes // MAX_TYPES, event.digest) for event in held}
    for event in new:
        if (event.codes // MAX_TYPES, event.digest) not in known:
            known.add((event.codes // MAX_TYPES, event.digest))
            held = [*held, event]
    return by_time(held)[-EVENTS_PER_USER:]


@given(st.lists(row, min_size=1, max_size=EVENTS_PER_USER).map(by_time))
@example([Row(0, 0, 0), Row(LONG_GAP - 1, 1, 1), Row(2 * LONG_GAP - 1, 2, 2), Row(3 * LONG_GAP, 3, 3)])
def test_what_is_written_is_read_again(events: list[Row]) -> None:
    record = encode_rows(events)
    assert decode_rows(record) == events
    assert [Row(*columns) for columns in zip(*decode_columns(record), strict=True)] == events


def test_fifty_events_take_12_bytes_each_and_7() -> None:
    events = [Row(1_700_000_000_000 + 60_000 * i, i * MAX_TYPES, i) for i in range(EVENTS_PER_USER)]
    assert len(encode_rows(events)) == 7 + 12 * EVENTS_PER_USER


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
            merge_rows(noise, [Row(2**40, 0, 0), Row(2**40, MAX_TYPES, 0)], LATEST)
    else:
        assert 0 < len(read) <= EVENTS_PER_USER
        assert read == by_time(read)
