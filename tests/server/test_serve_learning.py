"""A server lives by what it learns: on every worker and machine, each click once."""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from bench.valkey import BINARY
from bench.valkey import Server as Valkey
from server_helpers import CANDIDATES, rank, wait_until
from test_impressions import click

from tailrank.benchmarks.launcher import Server
from tailrank.errors import RequestError
from tailrank.feedback.guard import Guard
from tailrank.feedback.learner import KIND, Learner, LearningNote
from tailrank.feedback.log_reader import LogReader
from tailrank.feedback.online_fusion import OnlineFusion
from tailrank.feedback.records import EventRecord, ShownRecord, encode
from tailrank.feedback.segments import Segment
from tailrank.ranking.fusion import Fusion
from tailrank.server.learning import check_learnable
from tailrank.server.loaded_model import LoadedModel
from tailrank.server.settings import ServerSettings
from tailrank.state.open import open_state

LISTS = 1_300


def notes(location: Path | str) -> dict[str, LearningNote]:
    async def read() -> dict[str, bytes]:
        state = open_state(str(location))
        try:
            return await state.notes(KIND)
        finally:
            await state.close()

    return {name: LearningNote.decoded(note) for name, note in asyncio.run(read()).items()}


def once(folder: Path, served: LoadedModel) -> Guard:
    """Learn a whole log in one pass."""
    learner = Learner(served.name, Guard(OnlineFusion.start(served.reranker.fusion)))
    learner.learn(LogReader(folder).read())
    return learner.guard


def metric(url: str, name: str) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return sum(float(value) for key, _, value in (line.rpartition(" ") for line in lines) if key == name)


def scores(url: str) -> list[float]:
    return [item["score"] for item in rank(url, history=["50", "181"])["items"]]


def log_visits(folder: Path, served: LoadedModel, seed: int) -> None:
    """Log lists of the model, and clicks by another taste than that of training."""
    fusion = served.reranker.fusion
    signals, spreads = fusion.signals, np.asarray(fusion.spreads)
    rng = np.random.default_rng(seed)
    taste = 3.0 * (np.arange(len(signals)) == seed)
    segment, records = Segment(folder), list[bytes]()
    for at in range(LISTS):
        standard = rng.standard_normal((10, len(signals)))
        values = (standard * spreads).astype(np.float32)
        chances = np.exp(standard @ taste - np.log(np.arange(1, 11)))
        item, moment, name = int(rng.choice(10, p=chances / chances.sum())), time.time(), f"{seed}-{at}"
        user, items = f"u{at % 100}", [str(n) for n in range(10)]
        levels, ranks = rng.integers(0, 151, 10).astype("<i4"), list(range(1, 11))
        shown = ShownRecord(
            name,
            user,
            moment,
            served.name,
            items,
            ranks,
            None,
            values.tobytes(),
            signals,
            levels.tobytes(),
            at % 5,
            None,
        )
        click = EventRecord(name, user, items[item], "click", moment, name)
        records += [encode(shown), encode(click)]
    segment.append(records)
    segment.close()


@pytest.fixture(scope="module")
def served(model: Path) -> LoadedModel:
    return LoadedModel.load(model)


def with_fusion(served: LoadedModel, fusion: Fusion) -> list[float]:
    reranker = replace(served.reranker, fusion=fusion)
    return reranker.rank(["50", "181"], CANDIDATES).scores


def test_all_workers_rank_by_what_was_learned(model: Path, served: LoadedModel, tmp_path: Path) -> None:
    log, state = tmp_path / "log", tmp_path / "state"
    log_visits(log, served, 0)
    guard = once(log, served)
    options = "--workers", "2", "--learn", "--log-impressions", str(log)
    with Server(model, state, *options) as server:
        wait_until(lambda: metric(server.url, "tailrank_learned_outcomes") > 0)
        wait_until(lambda: len({tuple(scores(server.url)) for _ in range(20)}) == 1)
        found = scores(server.url)
        np.testing.assert_allclose(found, with_fusion(served, guard.served), rtol=1e-5)
        assert not np.allclose(found, with_fusion(served, guard.online.offline), rtol=1e-3)
        assert metric(server.url, "tailrank_learned_events_total") == LISTS
        assert metric(server.url, 'tailrank_learning_decisions_total{action="publish"}') >= 1
        assert metric(server.url, "tailrank_learned_timestamp_seconds") > time.time() - 600
    [note] = notes(state).values()
    assert equal(note.guard(served.reranker.fusion), guard)


@pytest.mark.skipif(BINARY is None, reason="needs valkey-server or redis-server")
def test_machines_that_share_a_state_agree(model: Path, served: LoadedModel, tmp_path: Path) -> None:
    (tmp_path / "valkey").mkdir()
    with Valkey(tmp_path / "valkey") as shared:
        logs = [tmp_path / "one", tmp_path / "other"]
        for seed, log in enumerate(logs):
            log_visits(log, served, seed)
        options = [("--learn", "--log-impressions", str(log)) for log in logs]
        with Server(model, shared.url, *options[0]) as one, Server(model, shared.url, *options[1]) as other:
            guards = [once(log, served) for log in logs]
            outcomes = sum(guard._served_sums.outcomes.sum() for guard in guards)
            for server in (one, other):
                wait_until(lambda: metric(server.url, "tailrank_learned_outcomes") == outcomes)  # noqa: B023
            assert scores(one.url) == scores(other.url)
            together = replace(guards[0].online, sums=guards[0]._served_sums.plus(guards[1]._served_sums))
            expected = with_fusion(served, together.fusion())
            np.testing.assert_allclose(scores(one.url), expected, rtol=1e-5)
            assert all(guard._served_sums.outcomes.any() for guard in guards)


def equal(one: Guard, other: Guard) -> bool:
    left, right = one.arrays(), other.arrays()
    return all(np.array_equal(left[name], right[name]) for name in left.keys() | right.keys())


def test_a_server_that_is_killed_learns_each_click_once(
    model: Path, served: LoadedModel, tmp_path: Path
) -> None:
    log, state, rng = tmp_path / "log", tmp_path / "state", np.random.default_rng(0)
    offline = served.reranker.fusion
    log_visits(log, served, 2)

    def outcomes() -> float:
        return float(sum(note.guard(offline).online.sums.outcomes.sum() for note in notes(state).values()))

    with Server(model, state, "--learn", "--log-impressions", str(log)) as server:
        for turn in range(4):
            for at in range(10):
                shown = rank(server.url, user=f"k{at}")
                item, name = shown["items"][at % 5]["id"], shown["ranking_id"]
                click(server.url, f"k{at}", item, f"{turn} {at}", ranking_id=name)
            time.sleep(rng.uniform(0, 1))
            server.kill()
            server.start()
        wait_until(lambda: outcomes() == LISTS + 40)
    [note] = notes(state).values()
    assert equal(note.guard(offline), once(log, served))


def test_a_model_that_is_loaded_anew_ranks_by_what_was_learned(
    model: Path, served: LoadedModel, tmp_path: Path
) -> None:
    log, copy = tmp_path / "log", tmp_path / model.name
    shutil.copytree(model, copy)
    log_visits(log, served, 0)
    with Server(copy, tmp_path / "state", "--learn", "--log-impressions", str(log)) as server:
        wait_until(lambda: metric(server.url, "tailrank_learned_outcomes") > 0)
        wait_until(lambda: not np.allclose(scores(server.url), with_fusion(served, served.reranker.fusion)))
        learned = scores(server.url)
        shutil.copyfile(copy / "manifest.json", tmp_path / "again")
        (tmp_path / "again").replace(copy / "manifest.json")
        wait_until(lambda: "new model" in server.log())
        wait_until(lambda: scores(server.url) == learned)


def test_what_can_not_be_learned_is_refused(served: LoadedModel, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="--learn needs --log-impressions"):
        ServerSettings(tmp_path, "state", learn=True)
    with pytest.raises(RequestError, match="train it again"):
        check_learnable(replace(served.reranker.fusion, spreads=None), served.name)
