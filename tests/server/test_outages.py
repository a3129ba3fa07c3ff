"""A server when things go wrong, in short; `python -m bench resilience outages` takes longer over it."""

from __future__ import annotations

import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from bench.resilience import cluster, outages
from bench.resilience.clients import RecordingClient, items_of
from bench.resilience.models import models, serve_each
from bench.valkey import BINARY
from bench.valkey import Server as Valkey
from server_helpers import wait_until

from tailrank.benchmarks.launcher import Server
from tailrank.policy.tail import TailBoost
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.storage import write_model


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_it_has_lost_nothing_that_it_acknowledged(model: Path, tmp_path: Path, workers: int) -> None:
    found = outages.kills(model, tmp_path, 3 - workers, workers)
    assert found["acknowledged"] > 0
    assert (found["lost"], found["faults"], found["damaged"]) == (0, 0, False)


def test_a_supervisor_that_is_killed_takes_its_workers_along(model: Path, tmp_path: Path) -> None:
    with Server(model, tmp_path, "--workers", "2") as server:
        workers = server.workers()
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        wait_until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
        server.start()


@pytest.mark.slow
@pytest.mark.skipif(BINARY is None, reason="needs valkey-server or redis-server")
def test_cut_off_from_its_state_it_gives_lists_back_as_they_came(model: Path, tmp_path: Path) -> None:
    found = outages.cut_off(model, tmp_path, 4.5)  # several times what a ranking waits for the state
    assert (found["lost"], found["strange"], found["faults"]) == (0, 0, 0)
    for phase in ("paused", "stopped"):
        for job in ("patient", "in time"):
            outcome = found[phase][job]
            ranked = outcome["statuses"].pop("200")
            assert sum(outcome["degraded"].values()) >= ranked - 2  # one of each was under way
            assert set(outcome["statuses"]) <= {"429"}
        assert found[phase]["patient"]["slowest_ms"] < 2_500
    assert found["paused"]["in time"]["slowest_ms"] < 1_000
    for phase in ("resumed", "started"):
        assert found[phase]["recovery_s"] < 5
        assert found[phase]["one"]["statuses"]["200"] > 0


@pytest.mark.skipif(BINARY is None, reason="needs valkey-server or redis-server")
def test_a_cluster_that_loses_two_primaries_loses_no_event(model: Path, tmp_path: Path) -> None:
    found = cluster.measure(model, tmp_path, 0.5, replicas=2)
    assert found["acknowledged"] > 0
    assert found["lost"] == 0
    assert found["slots"]["moved"]["keys"] > 0
    for phase in ("calm", "slots", "rollout", "first", "second"):
        assert set(found[phase]["events"]) <= {
            "200",
            "429",
            "503",
        }  # 503 without a loss, too, on a busy machine
        assert set(found[phase]["rankings"]) <= {"200", "429"}
    for phase in ("first", "second"):
        assert found[phase]["events"]["503"] > 0
        assert found[phase]["degraded"] > 0


def test_without_room_it_ranks_on_and_goes_on_once_there_is_room(model: Path, tmp_path: Path) -> None:
    found = outages.full(model, tmp_path, 0.7)
    assert (found["lost"], found["faults"]) == (0, 0)
    assert set(found["full"]["rank"]["statuses"]) <= {"200", "429"}
    assert found["full"]["rank"]["degraded"] == {}
    assert sum(found["full"][name]["statuses"].get("503", 0) for name in ("f0", "f1", "f2")) > 0
    for name in ("f0", "f1", "f2"):
        assert found["room"][name]["statuses"]["200"] > 0
        assert "503" not in found["room"][name]["statuses"]


def test_a_clock_that_was_set_back_changes_nothing(model: Path, tmp_path: Path) -> None:
    assert outages.clock(model, tmp_path) == {"statuses": {"200": 21}, "degraded": False, "in_order": True}


def test_models_come_and_go_and_every_ranking_is_of_one(model: Path, tmp_path: Path) -> None:
    found = outages.swaps(model, tmp_path, 4)
    assert found["statuses"] == {"200": sum(found["statuses"].values())}
    assert found["mixed"] == 0
    assert len(found["by_model"]) == 2


def test_mutated_models_are_refused_or_rank(model: Path, tmp_path: Path) -> None:
    found = models(model, tmp_path, 6, seed=1)
    assert (found["faults"], found["traceback"], found["serves_again"]) == ([], False, True)
    assert found["answers"].keys() == {"200"}
    assert found["refused"] + found["ranked"] == 6


def test_a_folder_that_holds_what_serves_already_is_not_waited_for(model: Path, tmp_path: Path) -> None:
    same = shutil.copytree(model, tmp_path / "same")
    found = serve_each(model, [same], tmp_path, items_of(model))
    assert found["serves_again"]


@pytest.mark.skipif(BINARY is None, reason="needs valkey-server or redis-server")
def test_a_new_model_waits_for_the_state_and_outlives_a_broken_one(model: Path, tmp_path: Path) -> None:
    place, reranker = tmp_path / "movies", Reranker.load(model)
    reranker.save(place)
    (tmp_path / "valkey").mkdir()
    with Valkey(tmp_path / "valkey") as valkey, Server(place, valkey.url) as server:
        client = RecordingClient(server.port)

        def named() -> str:
            found = client.ask("/v1/rank", {"candidates": []})
            return str(found.answer["model"]) if found.status == 200 else ""

        first = named()
        valkey.kill()
        replace(reranker, policy=(TailBoost(0.25),)).save(place)
        time.sleep(2)
        valkey.start()
        wait_until(lambda: named() not in {"", first})
        second = named()
        write_model(place, reranker.catalogue.items, {}, {})  # whole, but it says nothing
        wait_until(lambda: "new model refused" in server.log())
        replace(reranker, policy=(TailBoost(0.5),)).save(place)
        wait_until(lambda: named() not in {"", second})
