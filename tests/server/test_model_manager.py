"""The model that serves: where it comes from, and how another one takes over."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx
import polars as pl
import pytest
from server_helpers import rank, wait_until

from tailrank.benchmarks.launcher import Server
from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split
from tailrank.language.encoder import TextEncoder
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.reranker import Reranker


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
        (tmp_path / "aside" / "signals.safetensors").write_bytes(b"half")
        folder.rename(tmp_path / "old")
        (tmp_path / "aside").rename(folder)
        metrics = f"{server.url}/metrics"
        wait_until(lambda: "tailrank_models_refused_total 1.0" in httpx.get(metrics).text)
        assert rank(server.url)["model"] == after


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
