"""A model that is replaced while a server runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx
from server_helpers import rank, wait_until

from tailrank.benchmarks.launcher import Server
from tailrank.data.splits import Split
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
