"""What every state does: a folder, and a real server that the tests start."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from state_helpers import NOON, event, run

from tailrank.data.histories import History
from tailrank.state.base import EVENTS_PER_USER, ItemChange, State, StateError, StoredEvent


def test_a_history_is_in_order_of_time_and_of_arrival_where_times_are_equal(location: str) -> None:
    async def body(state: State) -> Any:
        assert (
            await state.append([event(item="tea", at=NOON), event(item="jam", event_type="buy", at=NOON)])
            == 2
        )
        assert await state.append([event(item="egg", at=NOON)]) == 1
        assert await state.append([event(item="oat", at=NOON - 3600.125)]) == 1  # a clock was set back
        return await state.read("ann")

    history, version = run(body, location)
    assert history == History(
        ["oat", "tea", "jam", "egg"],
        ["click", "click", "buy", "click"],
        [NOON - 3600.125, NOON, NOON, NOON],
    )
    assert version == 0


def test_an_unknown_user_has_no_history_and_nothing_to_erase(location: str) -> None:
    async def body(state: State) -> Any:
        return await state.append([]), await state.read("nobody"), await state.erase("nobody")

    assert run(body, location) == (0, (History([], [], []), 0), False)


def test_an_event_that_is_repeated_counts_once(location: str) -> None:
    async def body(state: State) -> Any:
        first = event(event_id="1")
        news = [await state.append([first]), await state.append([first]), await state.append([first, first])]
        later = event(event_id="1", at=NOON + 5)
        other = [event(event_id="1", item="jam"), event(event_id="1", user="bob")]
        news += [await state.append([later]), await state.append(other), await state.append(other[::-1])]
        return news, await state.read("ann")

    news, read = run(body, location)
    assert news == [1, 0, 0, 0, 2, 0]
    assert read.history.items == ["tea", "jam"]


def test_the_latest_fifty_stay(location: str) -> None:
    async def body(state: State) -> Any:
        sent = [event(item=f"i{n}", at=NOON + n) for n in range(EVENTS_PER_USER + 10)]
        news = [await state.append(sent[:20]), await state.append(sent[20:])]
        news += [await state.append([event(item="too old", at=NOON)])]
        return news, await state.read("ann"), await state.append(sent)

    news, read, again = run(body, location)
    assert news == [20, 40, 0]
    assert read.history.items == [f"i{n}" for n in range(10, EVENTS_PER_USER + 10)]
    assert again == 0


def test_the_type_makes_no_other_event(location: str) -> None:
    async def body(state: State) -> Any:
        news = [await state.append([event(event_id="1"), event(event_id="1", event_type="buy", at=NOON + 1)])]
        news += [await state.append([event(event_id="1", event_type="buy", at=NOON + 2)])]
        return news, (await state.read("ann")).history

    assert run(body, location) == ([1, 0], History(["tea"], ["click"], [NOON]))


def test_a_time_that_is_still_to_come_is_now(location: str) -> None:
    async def body(state: State) -> Any:
        before = time.time()
        await state.append([event(item="ahead", at=before + 3600)])
        await state.append([event(item="next", at=time.time())])
        return before, (await state.read("ann")).history, time.time()

    before, history, after = run(body, location)
    assert history.items == ["ahead", "next"]
    assert round(before, 3) - 0.001 <= history.times[0] <= history.times[1] <= after + 0.001


@pytest.mark.parametrize("kept", [0, 3, EVENTS_PER_USER])
def test_what_a_clock_far_ahead_stored_is_not_the_latest(
    location: str, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    years, now = 3650 * 86_400, time.time()

    async def skewed(state: State) -> None:
        await state.append([event(item=f"good {n}", at=now - 3600 + n) for n in range(kept)])
        await state.append([event(item=f"ahead {n}", at=now + years + n) for n in range(EVENTS_PER_USER)])

    async def mended(state: State) -> Any:
        times = [(await state.read("ann")).history.times]
        news = [await state.append([event(item=name, at=now - 60 + at)]) for at, name in enumerate("abc")]
        after = (await state.read("ann")).history
        return news, after.items, [*times, after.times]

    with monkeypatch.context() as clock:
        clock.setattr(time, "time", lambda: now + 2 * years)
        run(skewed, location)
    news, items, times = run(mended, location)
    assert news == [1, 1, 1]
    assert items == [*(f"ahead {n}" for n in range(3, EVENTS_PER_USER)), *"abc"]
    assert all(each == sorted(each) and each[-1] < now + 100_000 for each in times)


def test_a_user_is_erased(location: str) -> None:
    async def body(state: State) -> Any:
        await state.append([event(), event(user="bob")])
        return (
            await state.erase("ann"),
            await state.read("ann"),
            await state.read("bob"),
            await state.append([event()]),
        )

    erased, ann, bob, new = run(body, location)
    assert (erased, ann.history.items, bob.history.items, new) == (True, [], ["tea"], 1)


def test_long_and_strange_ids_are_stored(location: str) -> None:
    strange = ["x" * 400, "é" * 200, "{a}b}", "a\0b", "\n", "用户"]

    async def body(state: State) -> Any:
        for name in strange:
            await state.append([event(user=name, item=name, event_type=name[:100])])
        return [(await state.read(name)).history for name in strange]

    assert run(body, location) == [History([name], [name[:100]], [NOON]) for name in strange]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"event_id": "x" * 401}, "event_id"),
        ({"user": ""}, "user_id is empty"),
        ({"user": "é" * 201}, "402 bytes"),
        ({"item": "\ud800"}, "Unicode"),
        ({"event_type": ""}, "event is empty"),
        ({"at": -1.0}, "timestamp"),
        ({"at": float("nan")}, "timestamp"),
        ({"at": NOON * 1000}, "timestamp 1700000000000 is in the future: send seconds since 1970"),
        ({"at": NOON / 1000}, "timestamp 1700000 is before 1990: send seconds since 1970"),
        ({"at": time.time() + 90_000}, "in the future"),
    ],
)
def test_of_a_call_with_an_invalid_event_nothing_is_stored(
    location: str, wrong: dict[str, Any], why: str
) -> None:
    async def body(state: State) -> Any:
        with pytest.raises(StateError, match=f"event 1: .*{why}"):
            await state.append([event(), event(**wrong)])
        return await state.read("ann")

    assert run(body, location).history.items == []


def test_the_latest_change_of_an_item_counts(location: str) -> None:
    vectors = {"fingerprint": bytes(range(256)) * 6, "other": b""}

    async def body(state: State) -> Any:
        assert await state.item_changes(0) == (0, [])
        tea, jam = ItemChange("tea", b'{"title":"Tea"}', vectors), ItemChange("jam", b"{}", {})
        first = await state.change_items([tea, jam])
        everything = await state.item_changes(0)
        second = await state.change_items([ItemChange("tea", None, {})])
        return (
            first,
            everything,
            second,
            await state.item_changes(first),
            await state.item_changes(0),
            await state.read("x"),
        )

    first, everything, second, later, left, read = run(body, location)
    assert 0 < first < second == read.items_version
    assert everything == (
        first,
        [ItemChange("tea", b'{"title":"Tea"}', vectors), ItemChange("jam", b"{}", {})],
    )
    assert later == (second, [ItemChange("tea", None, {})])
    assert left == (second, [ItemChange("jam", b"{}", {}), ItemChange("tea", None, {})])


def test_of_a_review_every_entry_counts_and_none_changes_its_item(location: str) -> None:
    item, deleted = ItemChange("tea", b"{}", {}, 1.0), ItemChange("tea", None, {}, 4.0)
    held, approved = (ItemChange("tea", None, {}, time, b"%d" % time) for time in (2, 3))

    async def body(state: State) -> Any:
        version = await state.change_items([item, held])
        await state.change_items([approved])
        found = await state.item_changes(0)
        later = await state.item_changes(version)
        await state.change_items([deleted])
        return found, later, await state.item_changes(0)

    found, later, left = run(body, location)
    assert found == (3, [item, held, approved])
    assert later == (3, [approved])
    assert left == (4, [held, approved, deleted])


def test_many_changes_come_in_order(location: str) -> None:
    async def body(state: State) -> Any:
        many = [ItemChange(f"i{n}", b"{}", {}) for n in range(700)]
        for start in range(0, 700, 100):
            version = await state.change_items(many[start : start + 100])
        with pytest.raises(StateError, match="change 0: item_id is empty"):
            await state.change_items([ItemChange("", None, {})])
        return version, many, await state.item_changes(0), await state.item_changes(version)

    version, many, found, nothing = run(body, location)
    assert found == (version, many)
    assert nothing == (version, [])


def test_a_note_takes_the_place_of_the_one_before(location: str) -> None:
    async def body(state: State) -> Any:
        nothing = await state.notes("learning")
        for value in (b"first", bytes(range(256)) * 400, b""):
            await state.put_note("learning", "b", value)
        await state.put_note("learning", "ä", b"another's")
        await state.put_note("learning", "a", b"and another's")
        await state.put_note("learnings", "a", b"of another kind")
        with pytest.raises(StateError, match="is empty"):
            await state.put_note("learning", "", b"")
        return nothing, await state.notes("learning"), await state.notes("learnings")

    nothing, found, others = run(body, location)
    assert nothing == {}
    assert list(found.items()) == [("a", b"and another's"), ("b", b""), ("ä", b"another's")]
    assert others == {"a": b"of another kind"}


def test_calls_at_the_same_time_are_all_stored(location: str) -> None:
    async def body(state: State) -> Any:
        async def connection(c: int) -> Any:
            return [
                await state.append([event(user=f"u{c % 7}", item=f"i{c}-{n}", at=NOON + n)]) for n in range(7)
            ]

        news = await asyncio.gather(*map(connection, range(32)))
        return news, [(await state.read(f"u{u}")).history for u in range(7)]

    news, histories = run(body, location)
    assert news == [[1] * 7] * 32
    for u, history in enumerate(histories):
        assert sorted(history.items) == sorted(f"i{c}-{n}" for c in range(u, 32, 7) for n in range(7))
        assert history.times == sorted(history.times)


users, items, event_types = (
    st.sampled_from(["ann", "bob"]),
    st.sampled_from(["tea", "jam", "egg"]),
    st.sampled_from("cb"),
)


events = st.builds(
    StoredEvent,
    st.sampled_from(["1", "2", "3", "4"]),
    users,
    items,
    event_types,
    st.one_of(st.sampled_from([1e9, 1e9 + 1, 1e9 + 2]), st.floats(7e8, NOON).map(lambda s: round(s, 3))),
)


steps = st.lists(st.one_of(st.lists(events, max_size=20), users), max_size=15)


class Oracle:
    """What a state should do, on a plain dict."""

    def __init__(self) -> None:
        self.histories: dict[str, list[StoredEvent]] = {}

    def append(self, events: list[StoredEvent]) -> int:
        before = {user: list(history) for user, history in self.histories.items()}
        for sent in events:
            history = self.histories.setdefault(sent.user_id, [])
            if (sent.event_id, sent.item_id) not in [(stored.event_id, stored.item_id) for stored in history]:
                history.append(sent)
        for user, history in self.histories.items():
            self.histories[user] = sorted(history, key=lambda stored: stored.timestamp)[-EVENTS_PER_USER:]
        after = self.histories.items()
        return sum(stored not in before.get(user, []) for user, history in after for stored in history)

    def read(self, user: str) -> History:
        events = self.histories.get(user, [])
        return History(
            [e.item_id for e in events], [e.event_type for e in events], [e.timestamp for e in events]
        )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(steps)
def test_it_does_what_a_dict_would(location: str, steps: list[list[StoredEvent] | str]) -> None:
    async def body(state: State) -> None:
        oracle = Oracle()
        for user in "ann", "bob":
            await state.erase(user)
        for step in steps:
            if isinstance(step, str):
                assert await state.erase(step) == bool(oracle.histories.pop(step, []))
            else:
                assert await state.append(step) == oracle.append(step)
            for user in "ann", "bob":
                assert (await state.read(user)).history == oracle.read(user)

    run(body, location)
