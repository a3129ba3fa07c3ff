"""Servers as processes: what keeps them from starting, several workers, and what they load."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from server_helpers import rank, wait_until
from typer.testing import CliRunner

from tailrank.benchmarks.launcher import Server, free_port
from tailrank.cli.main import app
from tailrank.errors import DataError, TailrankError


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--host", "0.0.0.0"], "--keys"),
        (["--model", "nowhere"], "nowhere"),
        (["--state", "ftp://example.org"], "ftp"),
        (["--workers", "0"], "workers must be at least 1, not 0"),
    ],
)
def test_a_mistake_in_the_options_is_reported(
    model: Path, tmp_path: Path, options: list[str], error: str
) -> None:
    given = {"--model": str(model), "--state": str(tmp_path / "state")}
    given |= dict(zip(options[::2], options[1::2], strict=True))
    done = CliRunner().invoke(app, ["serve", *(word for pair in given.items() for word in pair)])
    assert isinstance(done.exception, TailrankError)
    assert error in str(done.exception)


def test_a_server_that_can_not_listen_says_so_without_a_traceback(model: Path, tmp_path: Path) -> None:
    (tmp_path / "KEYS").write_text("read:a-key-of-some-length\n")
    program = str(Path(sys.executable).with_name("tailrank"))
    command = [program, "serve", "--model", str(model), "--state", "state", "--keys", "KEYS"]
    command += ["--host", "203.0.113.1", "--port", str(free_port())]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 2, done.stderr
    assert "can't listen" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_that_only_ranks_does_without_torch_and_scipy(model: Path, tmp_path: Path) -> None:
    with Server(model, tmp_path) as server:
        rank(server.url, history=["50"])
        mapped = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "libtorch" not in mapped
    assert "/scipy/" not in mapped  # which takes a third of a second to import


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_that_is_copied_over_the_model_stops_the_server(
    model: Path, tmp_path: Path, workers: int
) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    [arrays] = folder.glob("signals-*")
    with Server(folder, tmp_path / "state", "--workers", str(workers)) as server:
        before = rank(server.url, history=["50"])["items"]
        if workers > 1:
            wait_until(lambda: all(map(_copies, server.workers())))
            assert len(set().union(*map(_copies, server.workers()))) == 1
        running = server.workers()
        os.truncate(arrays, 0)  # as the first step of `cp` does
        for _ in range(10):
            assert rank(server.url, history=["50"])["items"] == before
        assert server.workers() == running


def _copies(worker: int) -> set[str]:
    """The files of arrays that a worker has mapped."""
    return set(re.findall(r"\S+/models/\w{64}$", Path(f"/proc/{worker}/maps").read_text(), re.M))


def test_the_users_of_a_data_folder_are_known_from_the_start(model: Path, tmp_path: Path) -> None:
    data, state = tmp_path / "data", tmp_path / "state"
    data.mkdir()
    (data / "events.csv").write_text("user_id,item_id,timestamp\nann,50,1e9\nann,181,1000000001\n")
    for _ in range(2):  # and once only
        with Server(model, state, "--workers", "2", "--seed-from", str(data)) as server:
            found = rank(server.url, user="ann")
            assert (found["history_length"], "unknown_user" in found) == (2, False)
            assert rank(server.url, user="bob")["unknown_user"]


def test_data_that_can_not_be_loaded_are_named_before_anything_is_served(model: Path, tmp_path: Path) -> None:
    options = ["--model", str(model), "--state", str(tmp_path / "state"), "--seed-from", str(tmp_path)]
    done = CliRunner().invoke(app, ["serve", *options])
    assert isinstance(done.exception, DataError)
    assert "no events file" in str(done.exception)


def test_what_one_worker_stores_the_others_know(model: Path, tmp_path: Path) -> None:
    with Server(model, tmp_path / "state", "--workers", "2") as server:
        for turn in range(40):
            with httpx.Client(base_url=server.url) as one, httpx.Client(base_url=server.url) as other:
                user = f"u{turn}"
                event = {
                    "event_id": "1",
                    "user_id": user,
                    "item_id": "50",
                    "event": "rating",
                    "timestamp": 1e9,
                }
                assert one.post("/v1/events", json=event).status_code == 200
                found = other.get(f"/v1/users/{user}").json()["events"]
                assert [each["item_id"] for each in found] == ["50"]
        assert "tailrank_events_total 40.0" in httpx.get(f"{server.url}/metrics").text
