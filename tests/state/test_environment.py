"""Damaged and foreign folders are refused, with a remedy."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import lmdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from state_helpers import event, fill, read_all, run

from tailrank.state.base import State, StateError
from tailrank.state.compaction import compact
from tailrank.state.embedded import EmbeddedState


@pytest.mark.parametrize("left", [0, 100, 8192, 40_000])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, left: int) -> None:
    fill(tmp_path, users=50, events=10)
    data = tmp_path / "data.mdb"
    data.write_bytes(data.read_bytes()[:left])
    with pytest.raises(StateError, match=r"damaged.*backup"):
        EmbeddedState(tmp_path)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
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
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    fill(folder, users=50, events=20)
    return folder


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.floats(0, 1, exclude_max=True), noise=st.binary(min_size=1, max_size=300))
def test_compaction_of_a_damaged_file_keeps_it_or_reports_it(
    tmp_path: Path, filled: Path, at: float, noise: bytes
) -> None:
    copy = tmp_path / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(filled, copy)
    data = bytearray((copy / "data.mdb").read_bytes())
    start = int(at * len(data))
    data[start : start + len(noise)] = noise[: len(data) - start]
    (copy / "data.mdb").write_bytes(data)
    try:
        compact(copy)
    except StateError:
        assert (copy / "data.mdb").read_bytes() == data
    else:
        run(lambda state: read_all(state, 50), copy)


def test_a_damaged_record_is_reported_with_its_user(tmp_path: Path) -> None:
    fill(tmp_path, users=1, events=3)
    with lmdb.open(str(tmp_path), max_dbs=9) as env, env.begin(write=True) as txn:
        number = txn.get(b"u0", db=env.open_db(b"numbers", txn))
        assert number is not None
        txn.put(number, b"\x03" + bytes(10), db=env.open_db(b"records", txn))

    async def body(state: State) -> None:
        for call in state.read("u0"), state.append([event("u0", "tea")]):
            with pytest.raises(StateError, match=r"record of a user: .*backup"):
                await call
        refused, stored = await asyncio.gather(
            state.append([event("u0", "tea")]), state.append([event("u1", "tea")]), return_exceptions=True
        )
        assert isinstance(refused, StateError)
        assert stored == 1
        assert await state.erase("u0")

    run(body, tmp_path)
