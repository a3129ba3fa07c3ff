"""A folder of the format before this one: nothing in it is lost, and it becomes one of this format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lmdb
import pytest
from state_helpers import NOON, event, former_record, run

from tailrank.data.histories import History
from tailrank.state.base import State
from tailrank.state.checks import id_digest
from tailrank.state.compaction import compact
from tailrank.state.record import Row

NOON_MS = round(NOON * 1000)
ITEMS = ["tea", "mug", "pot"]
WHOLE = History(["tea", "mug", "pot"], ["click"] * 3, [NOON, NOON + 1, NOON + 2])


def row(item: int, event_id: str) -> Row:
    return Row(NOON_MS + 1000 * item, item, 0, int.from_bytes(id_digest(event_id), "little"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    users = {b"ann": [row(0, "a"), row(1, "b"), row(2, "c")], b"bob": [row(0, "a")], b"cleo": [row(1, "z")]}
    with lmdb.open(str(tmp_path), max_dbs=6) as env, env.begin(write=True) as txn:
        txn.put(b"format", b"tailrank state 1")
        for table, names in (b"items", ITEMS), (b"types", ["click"]):
            for code, name in enumerate(names):
                txn.put(code.to_bytes(4, "big"), name.encode(), db=env.open_db(table, txn))
        for user, rows in users.items():
            txn.put(user, former_record(rows), db=env.open_db(b"users", txn))
    return tmp_path


async def histories(state: State, users: Sequence[str] = ("ann", "bob", "cleo")) -> list[History]:
    return [(await state.read(user)).history for user in users]


def test_it_is_read_before_and_after_it_is_written_anew(folder: Path) -> None:
    before = run(histories, folder)
    assert before[0] == WHOLE
    assert [len(history.items) for history in before] == [3, 1, 1]
    compact(folder)
    assert run(histories, folder) == before
    with lmdb.open(str(folder), max_dbs=9) as env, env.begin() as txn:
        assert txn.stat(env.open_db(b"users", txn))["entries"] == 0


def test_its_events_are_known_and_new_ones_follow_them(folder: Path) -> None:
    async def body(state: State) -> Any:
        again = await state.append([event("ann", "mug", NOON + 9, event_id="b")])
        new = await state.append([event("ann", "tea", NOON + 9, event_id="b"), event("dan", "jug", NOON)])
        return again, new, (await state.read("ann")).history.items, (await state.read("dan")).history.items

    assert run(body, folder) == (0, 2, [*WHOLE.items, "tea"], ["jug"])
    assert run(histories, folder)[0].items == [*WHOLE.items, "tea"]


def test_its_users_are_erased(folder: Path) -> None:
    async def body(state: State) -> Any:
        await state.append([event("bob", "mug", NOON + 5)])
        erased = [await state.erase(user) for user in ("ann", "bob", "ann", "bob")]
        return erased, [history.items for history in await histories(state)]

    assert run(body, folder) == ([True, True, False, False], [[], [], ["mug"]])


def test_its_events_expire(folder: Path) -> None:
    compact(folder, ttl=3600)
    assert [history.items for history in run(histories, folder)] == [[], [], []]
