"""The record of one person, against a list that is sorted."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tailrank.state.base import EVENTS_PER_USER
from tailrank.state.record import HEAD, LONG, ROW, TYPES, Row, columns, encode, merge, rows

names = st.integers(0, 2**32 - 1)
times = st.one_of(st.integers(0, 20), st.integers(0, 4_102_444_800_000))
row = st.builds(Row, times, names, st.integers(0, 2**32 - 1))
alike = st.builds(Row, times, st.integers(0, 3 * TYPES), st.integers(0, 3))


def by_time(events):
    return sorted(events, key=lambda event: event.time)


def merged_by_hand(held, new):
    known = {(event.names // TYPES, event.digest) for event in held}
    for event in new:
        if (event.names // TYPES, event.digest) not in known:
            known.add((event.names // TYPES, event.digest))
            held = [*held, event]
    return by_time(held)[-EVENTS_PER_USER:]


@given(st.lists(row, min_size=1, max_size=EVENTS_PER_USER).map(by_time))
@example([Row(0, 0, 0), Row(LONG - 1, 1, 1), Row(2 * LONG - 1, 2, 2), Row(3 * LONG, 3, 3)])
def test_what_is_written_is_read_again(events):
    record = encode(events)
    assert rows(record) == events
    assert columns(record) == (tuple(e.names for e in events), [e.time for e in events])


def test_fifty_events_take_12_bytes_each_and_7():
    events = [Row(1_700_000_000_000 + 60_000 * i, i * TYPES, i) for i in range(EVENTS_PER_USER)]
    assert len(encode(events)) == 7 + 12 * EVENTS_PER_USER


@given(st.lists(st.lists(alike, min_size=1, max_size=8), min_size=1, max_size=30))
def test_merging_is_sorting_without_repetitions(batches):
    record, by_hand = None, []
    for batch in batches:
        before = by_hand
        by_hand = merged_by_hand(before, batch)
        record, new = merge(record, batch)
        assert rows(record) == by_hand
        assert new == len([event for event in by_hand if event not in before])


@given(st.lists(st.tuples(st.integers(0, 2**33), names, st.integers(0, 5)), min_size=1, max_size=120))
def test_events_one_by_one_end_as_all_at_once(gaps):
    time, record, events = 0, None, []
    for gap, name, digest in gaps:
        time += gap
        events.append(Row(time, name, digest))
        record, _ = merge(record, [events[-1]])
    by_hand = []
    for event in events:
        by_hand = merged_by_hand(by_hand, [event])
    assert rows(record) == by_hand


@given(st.binary(max_size=700))
@example(HEAD.pack(2, 0, 0) + ROW.pack(1, 1, 0) + ROW.pack(1, 1, LONG) + bytes(8))
@example(HEAD.pack(0, 0, 0) + bytes(12))
@example(HEAD.pack(1, 0, 0) + bytes(13))
def test_what_is_no_record_is_told_apart_or_read_as_one(noise):
    try:
        read = rows(noise)
    except ValueError:
        with pytest.raises(ValueError, match=r"record|fit|1970"):
            merge(noise, [Row(2**40, 0, 0), Row(2**40, TYPES, 0)])
    else:
        assert 0 < len(read) <= EVENTS_PER_USER
        assert read == by_time(read)
