"""One suite for every state: a folder, and a real server that the tests start."""

import asyncio
import itertools
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from bench.valkey import BINARY, Server
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from valkey import Valkey

from tailrank.benchmarks.launcher import free_port
from tailrank.data.histories import History
from tailrank.state.base import EVENTS_PER_USER, ItemChange, Read, StateError, StoredEvent
from tailrank.state.open import open_state

NOON = 1_700_000_000.0
numbers = itertools.count()


@contextmanager
def server(folder: Path, *options: str) -> Iterator[Server]:
    if BINARY is None:
        pytest.skip("neither valkey-server nor redis-server is installed")
    with Server(folder, *options) as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(params=["embedded", "networked"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place."""
    if request.param == "embedded":
        return str(tmp_path / "state")
    running = request.getfixturevalue("shared")
    with socket.create_connection(("127.0.0.1", running.port)) as line:
        line.sendall(b"FLUSHALL\r\n")
        assert line.recv(16) == b"+OK\r\n"
    return running.url


@asynccontextmanager
async def opened(place: str, ttl_days: float | None = None):
    state = open_state(place, ttl_days)
    try:
        yield state
    finally:
        await state.close()


def event(user="ann", item="tea", kind="click", at=NOON, event_id=None):
    return StoredEvent(event_id or f"e{next(numbers)}", user, item, kind, at)


def run(body, place, **options):
    async def inside():
        async with opened(place, **options) as state:
            return await body(state)

    return asyncio.run(inside())


def test_a_past_is_in_order_of_time_and_of_arrival_where_times_are_equal(place):
    async def body(state):
        assert await state.append([event(item="tea", at=NOON), event(item="jam", kind="buy", at=NOON)]) == 2
        assert await state.append([event(item="egg", at=NOON)]) == 1
        assert await state.append([event(item="oat", at=NOON - 3600.125)]) == 1  # a clock was set back
        return await state.read("ann")

    past, version = run(body, place)
    assert past == History(
        ["oat", "tea", "jam", "egg"],
        ["click", "click", "buy", "click"],
        [NOON - 3600.125, NOON, NOON, NOON],
    )
    assert version == 0


def test_a_stranger_has_no_past_and_nothing_to_erase(place):
    async def body(state):
        return await state.append([]), await state.read("nobody"), await state.erase("nobody")

    assert run(body, place) == (0, (History([], [], []), 0), False)


def test_an_event_that_comes_again_counts_once(place):
    async def body(state):
        first = event(event_id="1")
        news = [await state.append([first]), await state.append([first]), await state.append([first, first])]
        later = event(event_id="1", at=NOON + 5)
        other = [event(event_id="1", item="jam"), event(event_id="1", user="bob")]
        news += [await state.append([later]), await state.append(other), await state.append(other[::-1])]
        return news, await state.read("ann")

    news, read = run(body, place)
    assert news == [1, 0, 0, 0, 2, 0]
    assert read.history.items == ["tea", "jam"]


def test_the_latest_fifty_stay(place):
    async def body(state):
        sent = [event(item=f"i{n}", at=NOON + n) for n in range(EVENTS_PER_USER + 10)]
        news = [await state.append(sent[:20]), await state.append(sent[20:])]
        news += [await state.append([event(item="too old", at=NOON)])]
        return news, await state.read("ann"), await state.append(sent)

    news, read, again = run(body, place)
    assert news == [20, 40, 0]
    assert read.history.items == [f"i{n}" for n in range(10, EVENTS_PER_USER + 10)]
    assert again == 0


def test_a_person_is_forgotten(place):
    async def body(state):
        await state.append([event(), event(user="bob")])
        return (
            await state.erase("ann"),
            await state.read("ann"),
            await state.read("bob"),
            await state.append([event()]),
        )

    erased, ann, bob, new = run(body, place)
    assert (erased, ann.past.items, bob.past.items, new) == (True, [], ["tea"], 1)


def test_long_and_strange_ids_are_kept(place):
    strange = ["x" * 400, "é" * 200, "{a}b}", "a\0b", "\n", "用户"]

    async def body(state):
        for name in strange:
            await state.append([event(user=name, item=name, kind=name[:100])])
        return [(await state.read(name)).history for name in strange]

    assert run(body, place) == [History([name], [name[:100]], [NOON]) for name in strange]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"event_id": "x" * 401}, "event_id"),
        ({"user": ""}, "user_id is empty"),
        ({"user": "é" * 201}, "402 bytes"),
        ({"item": "\ud800"}, "Unicode"),
        ({"kind": ""}, "event is empty"),
        ({"at": -1.0}, "timestamp"),
        ({"at": float("nan")}, "timestamp"),
        ({"at": NOON * 1000}, "1970 to 2100"),
    ],
)
def test_of_a_call_with_an_event_that_cannot_be_kept_nothing_is(place, wrong, why):
    async def body(state):
        with pytest.raises(StateError, match=f"event 1: .*{why}"):
            await state.append([event(), event(**wrong)])
        return await state.read("ann")

    assert run(body, place).past.items == []


def test_the_latest_change_of_an_item_counts(place):
    vectors = {"fingerprint": bytes(range(256)) * 6, "other": b""}

    async def body(state):
        assert await state.changes(0) == (0, [])
        tea, jam = ItemChange("tea", b'{"title":"Tea"}', vectors), ItemChange("jam", b"{}", {})
        first = await state.change([tea, jam])
        everything = await state.changes(0)
        second = await state.change([ItemChange("tea", None, {})])
        return (
            first,
            everything,
            second,
            await state.changes(first),
            await state.changes(0),
            await state.read("x"),
        )

    first, everything, second, later, left, read = run(body, place)
    assert 0 < first < second == read.items_version
    assert everything == (
        first,
        [ItemChange("tea", b'{"title":"Tea"}', vectors), ItemChange("jam", b"{}", {})],
    )
    assert later == (second, [ItemChange("tea", None, {})])
    assert left == (second, [ItemChange("jam", b"{}", {}), ItemChange("tea", None, {})])


def test_many_changes_come_in_order(place):
    async def body(state):
        many = [ItemChange(f"i{n}", b"{}", {}) for n in range(700)]
        for start in range(0, 700, 100):
            version = await state.change(many[start : start + 100])
        with pytest.raises(StateError, match="change 0: item_id is empty"):
            await state.change([ItemChange("", None, {})])
        return version, many, await state.changes(0), await state.changes(version)

    version, many, found, nothing = run(body, place)
    assert found == (version, many)
    assert nothing == (version, [])


def test_expired_events_are_neither_kept_nor_read(place):
    async def body(state):
        now = time.time()
        first = await state.append([event(item="tea", at=now - 7200), event(item="jam", at=now - 3598)])
        await state.append(
            [event(item="egg", user="bob", at=now - 3598.2), event(item="oat", user="bob", at=now)]
        )
        early = (await state.read("ann")).history.items, (await state.read("bob")).history.items
        await asyncio.sleep(2.1)
        return first, early, (await state.read("ann")).history.items, (await state.read("bob")).history.items

    assert run(body, place, ttl_days=1 / 24) == (1, (["jam"], ["egg", "oat"]), [], ["oat"])


def test_expired_events_are_swept_away(place):
    async def body(state):
        await state.append([event(at=time.time() - 3598.8), event(user="bob", at=time.time())])
        await state.append([event(user="bob", at=time.time() - 3598.8)])
        await asyncio.sleep(1.4)
        await state.append([event(user="bob", item="jam", at=time.time())])

    async def everything(state):
        return (await state.read("ann")).history.items, (await state.read("bob")).history.items

    run(body, place, ttl_days=1 / 24)
    assert run(everything, place) == ([], ["tea", "jam"])


def test_calls_at_the_same_time_are_all_kept(place):
    async def body(state):
        async def connection(c):
            return [
                await state.append([event(user=f"u{c % 7}", item=f"i{c}-{n}", at=NOON + n)]) for n in range(7)
            ]

        news = await asyncio.gather(*map(connection, range(32)))
        return news, [(await state.read(f"u{u}")).history for u in range(7)]

    news, pasts = run(body, place)
    assert news == [[1] * 7] * 32
    for u, past in enumerate(pasts):
        assert sorted(past.items) == sorted(f"i{c}-{n}" for c in range(u, 32, 7) for n in range(7))
        assert past.times == sorted(past.times)


users, items, kinds = (
    st.sampled_from(["ann", "bob"]),
    st.sampled_from(["tea", "jam", "egg"]),
    st.sampled_from("cb"),
)
events = st.builds(
    StoredEvent,
    st.sampled_from(["1", "2", "3", "4"]),
    users,
    items,
    kinds,
    st.one_of(st.integers(0, 3).map(float), st.floats(0, 4_102_444_800).map(lambda s: round(s, 3))),
)
steps = st.lists(st.one_of(st.lists(events, max_size=20), users), max_size=15)


class Oracle:
    """What a state is meant to do, on a plain dict."""

    def __init__(self) -> None:
        self.people: dict[str, list[StoredEvent]] = {}

    def append(self, events):
        before = {user: list(past) for user, past in self.people.items()}
        for sent in events:
            past = self.people.setdefault(sent.user_id, [])
            if (sent.event_id, sent.item_id) not in [(kept.event_id, kept.item_id) for kept in past]:
                past.append(sent)
        for user, past in self.people.items():
            self.people[user] = sorted(past, key=lambda kept: kept.timestamp)[-EVENTS_PER_USER:]
        return sum(kept not in before.get(user, []) for user, past in self.people.items() for kept in past)

    def read(self, user):
        past = self.people.get(user, [])
        return History([e.item_id for e in past], [e.event for e in past], [e.timestamp for e in past])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(steps)
def test_it_does_what_a_dict_would(place, steps):
    async def body(state):
        oracle = Oracle()
        for user in "ann", "bob":
            await state.erase(user)
        for step in steps:
            if isinstance(step, str):
                assert await state.erase(step) == bool(oracle.people.pop(step, []))
            else:
                assert await state.append(step) == oracle.append(step)
            for user in "ann", "bob":
                assert (await state.read(user)).history == oracle.read(user)

    run(body, place)


def python(code: str, *arguments: str, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


OTHER = """
    import asyncio, sys
    from tailrank.state.open import open_state
    from tailrank.state.base import StoredEvent

    async def main(place):
        state = open_state(place)
        for line in sys.stdin:
            user, item = line.split()
            await state.append([StoredEvent(item, user, item, "click", 1.0)])
            print(len((await state.read(user)).history.items), flush=True)
        await state.close()

    asyncio.run(main(sys.argv[1]))
"""


def test_what_one_process_has_kept_the_next_read_of_another_sees(place):
    async def body(state):
        other = python(OTHER, place, stdin=subprocess.PIPE)
        try:
            for n in range(0, 200, 2):
                other.stdin.write(f"u{n % 10} theirs{n}\n")
                other.stdin.flush()
                theirs = int(other.stdout.readline())
                read = (await state.read(f"u{n % 10}")).history.items
                assert read[-1] == f"theirs{n}"
                assert len(read) == theirs
                await state.append([event(user=f"u{n % 10}", item=f"ours{n}", at=1.0)])
        finally:
            other.communicate()
        assert other.returncode == 0

    run(body, place)


INGEST = """
    import asyncio, sys
    from tailrank.state.open import open_state
    from tailrank.state.base import StoredEvent

    async def main(place, run):
        state = open_state(place)
        async def connection(c):
            for n in range(45):
                item, users = f"{run}-{c}-{n}", [f"u{run}-{c}-{b}" for b in range(3)]
                await state.append([StoredEvent(item, user, item, "click", 1.0 + n) for user in users])
                print(c, n, flush=True)
        await asyncio.gather(*map(connection, range(8)))

    asyncio.run(main(*sys.argv[1:]))
"""


def test_what_was_acknowledged_survives_kill_9(place):
    for attempt in range(3):
        ingest = python(INGEST, place, str(attempt))
        acknowledged = [ingest.stdout.readline() for _ in range(40 + 60 * attempt)]
        os.kill(ingest.pid, signal.SIGKILL)
        acknowledged += ingest.stdout.read().splitlines(keepends=True)
        ingest.wait()
        whole = [line for line in acknowledged if line.endswith("\n")]  # the last one may have been cut
        kept = {int(c): int(n) for c, n in map(str.split, whole)}

        async def body(state, attempt=attempt, kept=kept):
            for c, n in kept.items():
                for b in range(3):
                    found = (await state.read(f"u{attempt}-{c}-{b}")).history.items
                    assert found[: n + 1] == [f"{attempt}-{c}-{i}" for i in range(n + 1)]

        assert kept
        run(body, place)


def test_after_closing_nothing_is_kept(tmp_path):
    async def body():
        state = open_state(str(tmp_path / "state"))
        pending = asyncio.gather(*(state.append([event(item=f"i{n}")]) for n in range(20)))
        await asyncio.sleep(0)
        await state.close()
        assert await pending == [1] * 20
        with pytest.raises(StateError, match="closed"):
            await state.append([event()])
        with pytest.raises(StateError, match="closed"):
            await state.read("ann")

    asyncio.run(body())


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("", "no place"),
        ("mysql://localhost/x", "mysql"),
        ("redis://127.0.0.1:port/0", "address"),
        ("redis://127.0.0.1/zero", "address"),
        ("redis:///0", "address"),
        ("/dev/null/state", "can't be used"),
    ],
)
def test_a_place_that_makes_no_sense_is_refused(place, why):
    with pytest.raises(StateError, match=why):
        open_state(place)


def test_days_to_keep_are_positive(tmp_path):
    with pytest.raises(StateError, match="more than 0"):
        open_state(str(tmp_path), ttl_days=0)


def test_a_server_that_is_down_is_told_at_once_and_found_again(tmp_path):
    async def body(state, running):
        async def told():
            start = time.monotonic()
            with pytest.raises(StateError, match="redis://127") as raised:
                await asyncio.gather(*(state.read("ann") for _ in range(100)))
            assert time.monotonic() - start < 3
            return str(raised.value)

        await state.append([event()])
        running.kill()
        assert "start the server" in await told()
        running.start()
        assert (await state.read("ann")).history.items == ["tea"]
        running.process.send_signal(signal.SIGSTOP)
        assert "no answer" in await told()
        with pytest.raises(StateError, match="no answer"):
            await state.append([event(item="jam")])
        running.process.send_signal(signal.SIGCONT)
        await state.append([event(item="egg")])
        return (await state.read("ann")).history.items

    with server(tmp_path) as running:
        found = run(lambda state: body(state, running), running.url)
    assert found[0] == "tea"
    assert "egg" in found


def test_a_server_that_refuses_says_why(tmp_path):
    async def body(state):
        client = state._client  # the only way to make the server refuse
        await client.set("tailrank:user:ann", "text")
        with pytest.raises(StateError, match="something else uses its keys"):
            await state.append([event()])
        await client.config_set("maxmemory", 1)
        with pytest.raises(StateError, match="memory is full"):
            await state.append([event(user="bob")])
        await client.config_set("requirepass", "secret")
        await client.connection_pool.disconnect()
        with pytest.raises(StateError, match="password") as raised:
            await state.read("ann")
        assert "secret" not in str(raised.value)

    with server(tmp_path) as running:
        run(body, running.url)


def test_a_cluster_is_found_from_one_of_its_servers(tmp_path):
    buses = [str(free_port()), str(free_port())]
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    with ExitStack() as stack:
        a, b = (
            stack.enter_context(server(folder, "--cluster-enabled", "yes", "--cluster-port", bus))
            for folder, bus in zip(folders, buses, strict=True)
        )
        with Valkey(port=a.port) as one, Valkey(port=b.port) as other:
            one.execute_command("CLUSTER ADDSLOTSRANGE", 0, 8191)
            other.execute_command("CLUSTER ADDSLOTSRANGE", 8192, 16383)
            one.execute_command("CLUSTER MEET", "127.0.0.1", b.port, buses[1])
            for _ in range(1000):
                time.sleep(0.02)
                if all(c.cluster("INFO")["cluster_state"] == "ok" for c in (one, other)):
                    break

            async def body(state):
                assert await state.append([event(user=f"u{n}") for n in range(100)]) == 100
                assert await state.append([event(user=f"u{n}", event_id="1") for n in range(100)]) == 100
                assert await state.append([event(user=f"u{n}", event_id="1") for n in range(100)]) == 0
                assert await state.change([ItemChange("tea", b"{}", {}), ItemChange("jam", None, {})]) == 2
                assert await state.changes(1) == (2, [ItemChange("jam", None, {})])
                return [await state.read(f"u{n}") for n in range(100)]

            assert run(body, a.url) == [Read(History(["tea"] * 2, ["click"] * 2, [NOON] * 2), 2)] * 100
            assert min(one.dbsize(), other.dbsize()) > 20
