"""Bodies with good and bad entries, whatever they hold."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import DecodeError

from tailrank import api_stored
from tailrank.errors import RequestError
from tailrank.server.batches import Batch, Entries, verdicts

GOOD = {"event_id": "e", "user_id": "u", "item_id": "i", "event": "click", "timestamp": 1.7e9}
EVENTS: Entries[api_stored.Event] = Entries(api_stored.Event, 20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.just(GOOD) | JSON, max_size=12))
def test_every_entry_is_taken_or_refused_once(sent: list[object]) -> None:
    found = EVENTS.decode(msgspec.json.encode(sent))
    good = [at for at, entry in enumerate(sent) if entry == GOOD]
    assert list(found.positions) == good
    assert [one.index for one in found.refused] == [at for at in range(len(sent)) if at not in good]
    assert all(isinstance(entry, api_stored.Event) for entry in found.entries)


@given(st.binary(max_size=60))
def test_whatever_the_bytes_they_are_read_or_refused(body: bytes) -> None:
    with suppress(DecodeError, UnicodeDecodeError):
        EVENTS.decode(body)


def test_a_refusal_keeps_its_index_however_many_came_before() -> None:
    batch = Batch.whole(["a", "b", "c", "d"]).without({1: "no b"})
    batch = batch.without({0: "no a", 2: "no d"})
    assert (list(batch.entries), list(batch.positions)) == (["c"], [2])
    found = verdicts(batch.refused, len(batch.entries), "letter")
    assert isinstance(found, list)
    assert [(one.index, one.error) for one in found] == [(0, "no a"), (1, "no b"), (3, "no d")]
    with pytest.raises(RequestError, match="letter 0: no a; letter 1: no b; letter 3: no d"):
        verdicts(batch.refused, 0, "letter")
    assert verdicts([], 0, "letter") is msgspec.UNSET


@pytest.mark.parametrize("bad", [b"NaN", b"-Infinity", b'"\\ud83d"'])
def test_what_no_json_may_hold_costs_its_entry_alone(bad: bytes) -> None:
    good = msgspec.json.encode(GOOD)
    faulty = good[:-1] + b',"value":' + bad + b"}"
    batch = EVENTS.decode(b"[" + b", ".join([good, faulty, good]) + b"]")
    assert list(batch.positions) == [0, 2]
    assert [(one.index, "not JSON" in one.error, "send null" in one.error) for one in batch.refused] == [
        (1, True, True)
    ]
    for body in (b"[" + faulty + b"]", b"[" + good + b"," + faulty, faulty):
        with pytest.raises((DecodeError, UnicodeDecodeError)):
            EVENTS.decode(body)
    with pytest.raises(msgspec.ValidationError, match="length <= 20"):
        EVENTS.decode(b"[" + b", ".join([faulty, *[good] * 20]) + b"]")


def test_a_line_that_is_no_json_costs_that_line_alone() -> None:
    lines: Entries[api_stored.Event] = Entries(api_stored.Event, lines=True)
    good = msgspec.json.encode(GOOD)
    batch = lines.decode(b"\n".join([good, b'{"event_id": ', b"", good[:-1] + b', "value": NaN}', good, b""]))
    assert (list(batch.positions), [one.index for one in batch.refused]) == ([0, 3], [1, 2])
    with pytest.raises(DecodeError):
        lines.decode(b'{"event_id":\n"e"')
