"""Servers of a cluster come, go and hand over keys while events are stored."""

from __future__ import annotations

import asyncio
import itertools
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from bench.valkey import BINARY, IN_MEMORY, Cluster
from state_helpers import NOON, be_patient, event, run
from valkey.crc import key_slot

from tailrank.data.histories import History
from tailrank.state.base import ItemChange, State, StateError, UserSnapshot
from tailrank.state.loading import load_events

USERS = [f"u{n}" for n in range(60)]
SECONDS_TO_TAKE_OVER = 30
LASTING = *IN_MEMORY, "--cluster-node-timeout", "30000"
"""Of servers that don't fail: one that a busy machine keeps waiting isn't replaced."""


@contextmanager
def running_cluster(folder: Path, *options: str) -> Iterator[Cluster]:
    if BINARY is None:
        pytest.skip("neither valkey-server nor redis-server is installed")
    with Cluster(folder, 3, 1, *options) as running:
        yield running


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster for all tests that leave its servers alone."""
    with running_cluster(tmp_path_factory.mktemp("cluster"), *LASTING) as running:
        yield running


@pytest.fixture
def cluster(lasting: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    be_patient(monkeypatch)
    for n in range(3):
        lasting.client(n).flushall()
    return lasting


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster for one test, which may kill its servers."""
    with running_cluster(tmp_path) as running:
        yield running


def batch(n: int) -> Any:
    """The n-th event of every user."""
    return [event(user, f"i{n}", NOON + n, event_id=str(n)) for user in USERS]


async def store(state: State, n: int) -> list[str]:
    """Store the n-th event of every user; returns why it was refused before."""
    refused, until = list[str](), time.monotonic() + SECONDS_TO_TAKE_OVER
    while time.monotonic() < until:
        try:
            await state.append(batch(n))
        except StateError as why:  # and nothing else
            refused.append(str(why))
            await asyncio.sleep(0.05)
        else:
            return refused
    raise AssertionError(refused[-1])


async def missing(state: State, sent: set[int]) -> int:
    """Count events of acknowledged batches that aren't there."""
    histories = [set((await state.read(user)).history.items) for user in USERS]
    return sum(len({f"i{n}" for n in sorted(sent)[-50:]} - items) for items in histories)


def test_a_cluster_is_found_from_one_of_its_servers(tmp_path: Path) -> None:
    async def body(state: State) -> Any:
        assert await state.append([event(user=f"u{n}") for n in range(100)]) == 100
        assert await state.append([event(user=f"u{n}", event_id="1") for n in range(100)]) == 100
        assert await state.append([event(user=f"u{n}", event_id="1") for n in range(100)]) == 0
        assert await state.change_items([ItemChange("tea", b"{}", {}), ItemChange("jam", None, {})]) == 2
        assert await state.item_changes(1) == (2, [ItemChange("jam", None, {})])
        return [await state.read(f"u{n}") for n in range(100)]

    with Cluster(tmp_path, 2, 0, *LASTING) as cluster:
        found = run(body, cluster.url)
        assert min(cluster.client(n).dbsize() for n in range(2)) > 20
    assert found == [UserSnapshot(History(["tea"] * 2, ["click"] * 2, [NOON] * 2), 2)] * 100


def test_slots_move_while_events_are_stored(cluster: Cluster) -> None:
    async def body(state: State) -> Any:
        await state.append(batch(0))
        await state.change_items([ItemChange("tea", b"{}", {}), ItemChange("jam", None, {})])
        numbers, sent = itertools.count(1), {0}
        for key in [*(f"tailrank:user:{user}" for user in USERS[:6]), "tailrank:{items}:version"]:
            source = cluster.owner(slot := key_slot(key.encode()))
            for _ in cluster.move_slot(slot, (source + 1) % 3):
                n = next(numbers)
                assert await state.append(batch(n)) == len(USERS)
                sent.add(n)
                assert (await state.read(USERS[0])).history.items[-1] == f"i{n}"
        assert await state.change_items([ItemChange("egg", None, {})]) == 3
        return await missing(state, sent), await state.item_changes(2)

    assert run(body, cluster.url) == (0, (3, [ItemChange("egg", None, {})]))


def test_items_whose_keys_are_on_two_servers_are_refused_and_later_stored(cluster: Cluster) -> None:
    async def body(state: State) -> None:
        await state.change_items([ItemChange("tea", b"{}", {})])
        slot = key_slot(b"tailrank:{items}:version")
        moving = cluster.move_slot(slot, (cluster.owner(slot) + 1) % 3)
        next(moving)
        next(moving)
        with pytest.raises(StateError, match="moving keys"):
            await state.change_items([ItemChange("jam", b"{}", {})])
        for _ in moving:
            pass
        assert await state.change_items([ItemChange("jam", b"{}", {})]) == 2

    run(body, cluster.url)


def test_a_server_that_forgot_the_scripts_counts_right(cluster: Cluster) -> None:
    async def body(state: State) -> Any:
        await state.append(batch(0))
        with cluster.client(1) as client:
            client.script_flush()
        return await state.append(batch(1))

    assert run(body, cluster.url) == len(USERS)


def test_replicas_take_over_and_no_acknowledged_event_is_lost(mortal: Cluster) -> None:
    async def body(state: State) -> Any:
        numbers, refused = itertools.count(), list[str]()
        for victim in (0, 1):
            for _ in range(20):
                await store(state, next(numbers))
            mortal.servers[victim].kill()
            refused += await store(state, next(numbers))
        assert refused
        return await missing(state, set(range(42)))

    assert run(body, mortal.url) == 0


def test_a_user_who_may_not_wait_for_replicas_is_told(cluster: Cluster) -> None:
    rules = ["on", ">pw", "~tailrank:*", "+@read", "+@write", "+@scripting", "+cluster|slots", "+info"]
    for n in range(3):
        cluster.client(n).execute_command("ACL", "SETUSER", "little", *rules)

    async def body(state: State) -> None:
        with pytest.raises(StateError, match="allow commands"):
            await state.append(batch(0))
        assert (await state.read("u0")).items_version == 0

    run(body, cluster.url.replace("//", "//little:pw@"))


def test_a_primary_that_hangs_is_replaced_for_those_who_only_read(mortal: Cluster) -> None:
    async def body(state: State) -> Any:
        await state.append(batch(0))
        mortal.servers[1].process.send_signal(signal.SIGSTOP)
        until = asyncio.get_running_loop().time() + SECONDS_TO_TAKE_OVER
        while asyncio.get_running_loop().time() < until:
            with suppress(StateError):
                return [(await state.read(user)).history.items for user in USERS]
        raise AssertionError("never")

    assert run(body, mortal.url) == [["i0"]] * len(USERS)


def test_a_write_that_the_replica_has_not_confirmed_is_no_success(mortal: Cluster) -> None:
    async def body(state: State) -> None:
        await state.append(batch(0))
        for replica in mortal.servers[3:]:
            replica.process.send_signal(signal.SIGSTOP)
        with pytest.raises(StateError, match="replica hasn't confirmed"):
            await state.append(batch(1))
        assert (await state.read("u0")).history.items[0] == "i0"
        for replica in mortal.servers[3:]:
            replica.process.send_signal(signal.SIGCONT)
        await store(state, 1)
        for replica in mortal.servers[3:]:
            replica.kill()
        await store(state, 2)  # there is nobody to wait for

    run(body, mortal.url)


def test_the_servers_share_what_is_loaded(cluster: Cluster) -> None:
    events = pl.DataFrame({"user_id": USERS, "item_id": "tea", "timestamp": [NOON] * len(USERS)})
    assert asyncio.run(load_events(cluster.url, events)).new == len(USERS)
    assert asyncio.run(load_events(cluster.url, events)).new == 0
    assert sum(cluster.client(n).dbsize() > 0 for n in range(3)) == 3

    async def read(state: State) -> Any:
        return [(await state.read(user)).history.items for user in USERS]

    assert run(read, cluster.url) == [["tea"]] * len(USERS)
