"""The model that serves: where it comes from, and how another one takes over."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file, save_file
from server_helpers import rank, wait_until

from encoder_graphs import write_graph
from tailrank.benchmarks.launcher import Server
from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split
from tailrank.folders import MANIFEST
from tailrank.language.encoder import TextEncoder
from tailrank.language.vectors import ItemVectors
from tailrank.policy.tail import TailBoost
from tailrank.ranking.reranker import Reranker
from tailrank.state.base import ItemChange
from tailrank.state.open import open_state


def test_a_new_model_serves_without_a_restart_and_a_broken_one_is_refused(
    model: Path, movielens_split: Split, tmp_path: Path
) -> None:
    folder = tmp_path / "movies"
    shutil.copytree(model, folder)
    other = Reranker.fit(movielens_split, None)
    with Server(folder, tmp_path / "state") as server:
        before = rank(server.url)["model"]
        other.save(folder)
        wait_until(lambda: bool(rank(server.url)["model"] != before))
        after = rank(server.url)["model"]
        shutil.copytree(folder, tmp_path / "aside")
        for arrays in (tmp_path / "aside").glob("signals-*"):
            arrays.write_bytes(b"half")
        folder.rename(tmp_path / "old")
        (tmp_path / "aside").rename(folder)
        metrics = f"{server.url}/metrics"
        wait_until(lambda: "tailrank_models_refused_total 1.0" in httpx.get(metrics).text)
        assert rank(server.url)["model"] == after


def test_a_copy_with_the_size_and_time_of_what_it_overwrites_is_noticed(model: Path, tmp_path: Path) -> None:
    reranker, folders = Reranker.load(model), [tmp_path / "movies", tmp_path / "others"]
    for folder, strength in zip(folders, (0.25, 0.75), strict=True):
        replace(reranker, policy=(TailBoost(strength),)).save(folder)
        os.utime(folder / MANIFEST, (1e9, 1e9))
    served, other = (folder / MANIFEST for folder in folders)
    assert served.stat().st_size == other.stat().st_size
    with Server(folders[0], tmp_path / "state") as server:
        before, inode = rank(server.url)["model"], served.stat().st_ino
        shutil.copy2(other, served)
        assert (served.stat().st_ino, served.stat().st_mtime) == (inode, 1e9)
        wait_until(lambda: bool(rank(server.url)["model"] != before))


@pytest.mark.parametrize("with_encoder", [True, False])
def test_a_model_of_the_library_ranks_a_new_item_by_its_text(
    encoder: TextEncoder, tmp_path: Path, with_encoder: bool
) -> None:
    titles = {"m": "Mug for coffee", "g": "Coffee grinder", "t": "Tent for two", "s": "Sleeping bag"}
    items = pl.DataFrame({"item_id": list(titles), "title": list(titles.values())})
    events = pl.DataFrame({"user_id": list("aabbcc"), "item_id": list("mgtsmg"), "position": range(6)})
    vectors = ItemVectors.encode(items, encoder, "{title}") if with_encoder else None
    Reranker.fit(Dataset.construct(items, events), vectors).save(tmp_path / "model")
    new = {"item_id": "new", "title": "Tent for two, with sleeping bag"}
    with Server(tmp_path / "model", tmp_path / "state") as server:
        answer = httpx.post(f"{server.url}/v1/items", json=new, timeout=60)
        assert answer.status_code == 200, answer.text
        found = rank(server.url, candidates=["new", "m"], history=["t", "s"], explain=True)["items"]
    assert [item["id"] for item in found] == ["new", "m"]
    contributions = found[0]["contributions"]
    assert contributions["lexical"] > 0
    assert contributions.get("semantic", 0.0) > 0 if with_encoder else "semantic" not in contributions


TITLES = {"m": "Mug for coffee", "g": "Coffee grinder", "t": "Tent for two", "s": "Sleeping bag"}
GRAPH = 120.0
"""Seconds in which an encoder is certainly written as a graph."""

NEW = {"item_id": "new", "title": "Tent for two, with sleeping bag"}


def camping(titles: Mapping[str, str] = TITLES) -> Dataset:
    items = pl.DataFrame({"item_id": list(titles), "title": list(titles.values())})
    events = pl.DataFrame({"user_id": list("aabbcc"), "item_id": list("mgtsmg"), "position": range(6)})
    return Dataset.construct(items, events)


def train(folder: Path, encoder: Path, data: Dataset | None = None) -> None:
    data = camping() if data is None else data
    vectors = ItemVectors.encode(data.items, TextEncoder.load(str(encoder), "cpu"), "{title}")
    Reranker.fit(data, vectors).save(folder)


def contributions(server: Server, item: str, **how: object) -> dict[str, float]:
    """What sets an item apart from the mug after tent and sleeping bag; empty if the item isn't known."""
    body: dict[str, object] = {"candidates": [item, "m"], "history": ["t", "s"], "explain": True}
    found = rank(server.url, **body, **how)["items"]
    one = next(each for each in found if each["id"] == item)
    return {} if one.get("unknown") else dict(one["contributions"])


def put(server: Server, **item: str) -> int:
    return httpx.post(f"{server.url}/v1/items", json=item, timeout=GRAPH).status_code


@pytest.fixture(scope="module")
def graphs(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that has the graph of an encoder."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAILRANK_CACHE", str(folder))
        write_graph(str(tiny_folder))
    return folder


@pytest.fixture
def tiny_copy(tiny_folder: Path, tmp_path: Path, graphs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An encoder's folder that a test may change."""
    monkeypatch.setenv("TAILRANK_CACHE", str(graphs))
    return Path(shutil.copytree(tiny_folder, tmp_path / "encoder"))


def test_a_server_without_the_encoder_ranks_what_another_one_put(tiny_copy: Path, tmp_path: Path) -> None:
    train(tmp_path / "model", tiny_copy)
    with Server(tmp_path / "model", tmp_path / "state") as server:
        assert put(server, **NEW) == 200
        expected = contributions(server, "new")
        assert expected["semantic"] > 0
        tiny_copy.rename(tmp_path / "gone")
        with Server(tmp_path / "model", tmp_path / "state") as blind:
            assert contributions(blind, "new", user="ada") == expected
            # One that has not loaded the encoder sees what another one puts, and can't put itself.
            assert put(server, item_id="newer", title=NEW["title"]) == 200
            assert contributions(blind, "newer", user="ada") == expected
            assert put(blind, **NEW) == 503
            item = {"event": "item", "id": "i", "timestamp": 1_700_000_000_000, "item": "newest"}
            item["fields"] = [{"name": "title", "value": "Tent"}]
            click = {**item, "event": "interaction", "id": "c", "type": "click", "user": "eve", "item": "t"}
            answer = httpx.post(f"{blind.url}/feedback", json=[item, click])
            assert answer.status_code == 503  # but only the item waits for the encoder
            assert len(httpx.get(f"{blind.url}/v1/users/eve").json()["events"]) == 1
            assert httpx.get(f"{blind.url}/readyz").status_code == 200


def test_items_without_vectors_get_them_once_the_encoder_is_back(tiny_copy: Path, tmp_path: Path) -> None:
    train(tmp_path / "model", tiny_copy)
    tiny_copy.rename(tmp_path / "gone")

    async def store() -> None:
        """Put the item as a server of another model would."""
        state = open_state(str(tmp_path / "state"))
        fields = json.dumps(NEW).encode()
        await state.change_items([ItemChange("new", fields, {"by another encoder": b"1234"}, time.time())])
        await state.close()

    asyncio.run(store())
    with Server(tmp_path / "model", tmp_path / "state") as server:
        found = contributions(server, "new", user="ada")
        assert found["lexical"] > 0
        (tmp_path / "gone").rename(tiny_copy)
        wait_until(lambda: contributions(server, "new")["semantic"] > found["semantic"], GRAPH)


def test_an_encoder_that_was_tuned_again_into_its_folder_serves_with_its_model(
    tiny_copy: Path, tmp_path: Path
) -> None:
    train(tmp_path / "model", tiny_copy)
    with Server(tmp_path / "model", tmp_path / "state") as server:
        assert put(server, **NEW) == 200
        before = rank(server.url)["model"]
        [weights] = tiny_copy.rglob("*.safetensors")
        changed = {name: -2 * array[::-1] for name, array in load_file(weights).items()}
        save_file({name: np.ascontiguousarray(array) for name, array in changed.items()}, weights)
        train(tmp_path / "model", tiny_copy)
        wait_until(lambda: bool(rank(server.url)["model"] != before), GRAPH)
        assert contributions(server, "new")["semantic"] > 0
        assert put(server, item_id="newer", title=NEW["title"]) == 200
        assert contributions(server, "newer") == contributions(server, "new")


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of another process are set on Linux")
def test_a_model_that_could_not_be_read_is_tried_again(
    model: Path, movielens_split: Split, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "movies"))
    with Server(folder, tmp_path / "state") as server, httpx.Client() as client:

        def served() -> str:
            found = client.post(f"{server.url}/v1/rank", json={"candidates": ["1"]}).json()
            return str(found["model"])

        before, pid = served(), server.process.pid
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))  # what is open stays so
        Reranker.fit(movielens_split, None).save(folder)
        wait_until(lambda: "new model refused" in server.log())
        assert "Too many open files" in server.log()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        wait_until(lambda: served() != before)


def test_what_was_said_of_items_before_the_data_were_read_gives_way(tiny_copy: Path, tmp_path: Path) -> None:
    train(tmp_path / "model", tiny_copy)
    with Server(tmp_path / "model", tmp_path / "state") as server:
        before = contributions(server, "t")
        assert put(server, item_id="t", title="Coffee") == 200
        assert put(server, **NEW) == 200
        assert httpx.delete(f"{server.url}/v1/items/s").status_code == 200
        assert contributions(server, "t") != before
        assert contributions(server, "s") == {}
        first = rank(server.url)["model"]
        data = camping()
        assert httpx.delete(f"{server.url}/v1/items/g").status_code == 200  # while it is trained
        train(tmp_path / "model", tiny_copy, data)
        wait_until(lambda: bool(rank(server.url)["model"] != first))
        assert contributions(server, "t") == before
        assert contributions(server, "s")["semantic"] > 0
        assert contributions(server, "new")["semantic"] > 0  # which the data don't have
        assert contributions(server, "g") == {}
        with Server(tmp_path / "model", tmp_path / "state") as other:
            for item in ("t", "s", "new", "g", "m"):
                assert contributions(other, item) == contributions(server, item)


def test_changes_count_though_the_clock_of_the_trainer_is_ahead(tmp_path: Path) -> None:
    data = replace(camping(), read_at=time.time() + 3600)
    Reranker.fit(data, None).save(tmp_path / "model")
    with Server(tmp_path / "model", tmp_path / "state") as server:
        before = contributions(server, "g")
        assert put(server, item_id="g", title="Tent for two, and sleeping bag") == 200
        assert httpx.delete(f"{server.url}/v1/items/s").status_code == 200
        assert contributions(server, "s") == {}
        after = contributions(server, "g")
        assert after != before
    with Server(tmp_path / "model", tmp_path / "state") as server:
        assert (contributions(server, "g"), contributions(server, "s")) == (after, {})
