"""The folder: its size, its growth, compaction, and what can befall its files."""

import asyncio
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import lmdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailrank.state.base import ItemChange, StateError, StoredEvent
from tailrank.state.compaction import compact
from tailrank.state.embedded import EmbeddedState

MEGABYTE = 1 << 20


def event(user, item, at=1_700_000_000.0, kind="click"):
    return StoredEvent(f"{item}-{at}", user, item, kind, at)


def run(folder, body, ttl=None):
    async def inside():
        state = EmbeddedState(folder, ttl)
        try:
            return await body(state)
        finally:
            await state.close()

    return asyncio.run(inside())


def fill(folder, people=300, events=50):
    """Take events as they come: of all people, one after the other."""

    async def body(state):
        for n in range(events):
            await state.append([event(f"u{p}", f"i{(p * n) % 997}", 1e9 + n) for p in range(people)])
        await state.change([ItemChange("tea", b"{}", {"m": bytes(3000)}), ItemChange("jam", None, {})])
        await state.change([ItemChange("tea", b"[]", {"m": bytes(3000)})])

    run(folder, body)


async def everything(state, people=300):
    return [await state.read(f"u{p}") for p in range(people)], await state.changes(0)


def python(code: str, *arguments: str, **options) -> subprocess.Popen:
    start = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom tailrank.state.embedded import EmbeddedState\n"
    )
    start += "from tailrank.state.base import ItemChange, StateError, StoredEvent\n"
    return subprocess.Popen(
        [sys.executable, "-c", start + textwrap.dedent(code), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


def test_a_compacted_folder_holds_the_same_in_little_more_than_its_records(tmp_path):
    fill(tmp_path)
    before = run(tmp_path, everything)
    old, new = compact(tmp_path)
    assert run(tmp_path, everything) == before
    assert new == (tmp_path / "data.mdb").stat().st_size < old
    assert new < 300 * (7 + 50 * 12) * 1.2 + 20 * 4096
    assert sorted(file.name for file in tmp_path.iterdir()) == ["data.mdb", "in-use", "lock.mdb"]


def test_a_compacted_folder_goes_on(tmp_path):
    fill(tmp_path, people=20, events=10)
    compact(tmp_path)

    async def body(state):
        new = await state.append([event("u3", "fresh", 2e9), event("u3", "i3", 1e9 + 1)])
        version = await state.change([ItemChange("tea", None, {})])
        return new, version, (await state.read("u3")).history.items[-1]

    assert run(tmp_path, body) == (1, 4, "fresh")


def test_compaction_forgets_expired_events_and_the_names_in_them(tmp_path):
    async def before(state):
        await state.append([event("ann", "secret name", 1e9), event("bob", "secret name", 1e9)])
        await state.append([event("ann", "tea", time.time())])

    async def after(state):
        return (await state.read("ann")).history.items, (await state.read("bob")).history.items

    run(tmp_path, before)
    compact(tmp_path, ttl=3600)
    assert run(tmp_path, after) == (["tea"], [])
    assert b"secret name" not in (tmp_path / "data.mdb").read_bytes()


def test_nothing_is_compacted_that_is_in_use_or_is_not_there(tmp_path):
    async def body(state):
        with pytest.raises(StateError, match="in use: stop its servers"):
            compact(tmp_path / "state")

    run(tmp_path / "state", body)
    with pytest.raises(StateError, match="no state is kept here"):
        compact(tmp_path / "other")
    assert not (tmp_path / "other").exists()


GROW = """
    async def main(folder):
        state = EmbeddedState(Path(folder))
        print("open", flush=True)
        for line in sys.stdin:
            if line.startswith("grow"):
                for n in range(12):
                    many = [ItemChange(f"{line} {n} {m}", None, {"m": bytes(1 << 20)}) for m in range(8)]
                    await state.change(many)
            else:
                await state.append([StoredEvent(line, "ann", line.strip(), "click", 1.0)])
            print(len((await state.read("ann")).history.items), flush=True)
        await state.close()

    asyncio.run(main(sys.argv[1]))
"""


def test_the_map_grows_in_all_processes(tmp_path):
    async def body(state):
        other = python(GROW, str(tmp_path))
        assert other.stdout.readline() == "open\n"

        def ask(line):
            other.stdin.write(line + "\n")
            other.stdin.flush()
            return int(other.stdout.readline())

        await state.append([event("ann", "tea", 1.0)])
        assert ask("grow") == 1  # beyond what this process has mapped
        assert (await state.read("ann")).history.items == ["tea"]
        assert ask("jam") == 2
        many = [ItemChange(f"ours {m}", None, {"m": bytes(MEGABYTE)}) for m in range(160)]
        await state.change(many)  # beyond what the other has mapped
        assert ask("egg") == 3
        assert (await state.read("ann")).history.items == ["tea", "jam", "egg"]
        other.communicate()
        assert other.returncode == 0
        version, changes = await state.changes(0)
        assert version == len(changes) == 96 + 160

    run(tmp_path, body)
    assert (tmp_path / "data.mdb").stat().st_size > 256 * MEGABYTE


FULL = """
    import resource

    async def main(folder):
        state = EmbeddedState(Path(folder))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        kept = 0
        try:
            while True:
                await state.append([StoredEvent("1", f"u{kept}-{n}", "tea", "click", 1.0) for n in range(100)])
                kept += 1
        except StateError as error:
            print(error)
        print(kept, len((await state.read("u0-0")).history.items))
        try:
            await state.append([StoredEvent("1", "ann", f"{n:0200}", "click", 1.0) for n in range(9999)])
        except StateError as error:
            print(error)
        await state.close()

    asyncio.run(main(sys.argv[1]))
"""


def test_a_full_disk_is_told_and_takes_nothing_away(tmp_path):
    first, counts, second, _ = python(FULL, str(tmp_path)).communicate()[0].split("\n")
    assert "the disk is full: free some space" in first
    assert "the disk is full: free some space" in second
    kept, read = map(int, counts.split())
    assert kept > 10
    assert read == 1

    async def body(state):
        assert [len((await state.read(f"u{k}-99")).history.items) for k in range(kept + 1)] == [1] * kept + [
            0
        ]
        assert (await state.read("ann")).history.items == []
        assert await state.append([event("ann", "tea")]) == 1

    run(tmp_path, body)
    compact(tmp_path)


@pytest.mark.parametrize("left", [0, 100, 8192, 40_000])
def test_a_file_that_was_cut_off_is_told(tmp_path, left):
    fill(tmp_path, people=50, events=10)
    data = tmp_path / "data.mdb"
    data.write_bytes(data.read_bytes()[:left])
    with pytest.raises(StateError, match=r"damaged.*backup"):
        EmbeddedState(tmp_path)


def test_a_folder_of_something_else_is_told(tmp_path):
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "data.mdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(StateError, match=r"damaged.*backup"):
        EmbeddedState(tmp_path / "text")
    for folder, content in ("theirs", (b"key", b"value")), ("newer", (b"format", b"tailrank state 9")):
        with lmdb.open(str(tmp_path / folder)) as env, env.begin(write=True) as txn:
            txn.put(*content)
        with pytest.raises(StateError, match="name another folder"):
            EmbeddedState(tmp_path / folder)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filled")
    fill(folder, people=50, events=20)
    return folder


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), noise=st.binary(min_size=1, max_size=300))
def test_compaction_of_a_damaged_file_keeps_it_or_tells(tmp_path, filled, place, noise):
    copy = tmp_path / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(filled, copy)
    data = bytearray((copy / "data.mdb").read_bytes())
    start = int(place * len(data))
    data[start : start + len(noise)] = noise[: len(data) - start]
    (copy / "data.mdb").write_bytes(data)
    try:
        compact(copy)
    except StateError:
        assert (copy / "data.mdb").read_bytes() == data
    else:
        run(copy, lambda state: everything(state, 50))


def test_a_damaged_record_is_told_with_its_person(tmp_path):
    fill(tmp_path, people=1, events=3)
    with lmdb.open(str(tmp_path), max_dbs=9) as env, env.begin(write=True) as txn:
        txn.put(b"u0", b"\x03" + bytes(10), db=env.open_db(b"users", txn))

    async def body(state):
        for asked in state.read("u0"), state.append([event("u0", "tea")]):
            with pytest.raises(StateError, match=r"record of user 'u0'.*backup"):
                await asked
        refused, kept = await asyncio.gather(
            state.append([event("u0", "tea")]), state.append([event("u1", "tea")]), return_exceptions=True
        )
        assert isinstance(refused, StateError)
        assert kept == 1
        assert await state.erase("u0")

    run(tmp_path, body)


def test_event_types_are_limited_and_compaction_makes_room(tmp_path):
    async def body(state):
        assert await state.append([event("ann", "tea", n, kind=f"k{n}") for n in range(256)]) == 50
        with pytest.raises(StateError, match=r"'k256' is one too many.*compaction"):
            await state.append([event("ann", "tea", 256, kind="k256"), event("bob", "tea")])
        assert (await state.read("bob")).history.items == []

    async def after(state):
        return await state.append([event("ann", "tea", 256, kind="k256")]), (
            await state.read("ann")
        ).past.events

    run(tmp_path, body)
    compact(tmp_path)
    assert run(tmp_path, after) == (1, [f"k{n}" for n in range(207, 257)])


def test_fifty_events_take_little_room(tmp_path: Path):
    async def body(state):
        for start in range(0, 2000, 20):
            people = range(start, start + 20)
            await state.append([event(f"user-{p}", f"item-{n}", 1e9 + n) for p in people for n in range(50)])

    run(tmp_path, body)
    compact(tmp_path)
    assert (tmp_path / "data.mdb").stat().st_size / 2000 < 720
