"""A server lives by what it learns: on every worker and machine, each click once."""

from __future__ import annotations

import asyncio
import shutil
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from bench.valkey import BINARY, IN_MEMORY
from bench.valkey import Server as Valkey
from server_helpers import CANDIDATES, rank, wait_until
from test_impressions import click

from tailrank.benchmarks.launcher import Server
from tailrank.errors import RequestError
from tailrank.feedback.guard import Guard
from tailrank.feedback.hand_over import KIND as HANDED
from tailrank.feedback.hand_over import HandOverNote
from tailrank.feedback.learner import KIND, Learner, LearningNote
from tailrank.feedback.log_reader import LogReader, log_id
from tailrank.feedback.online_fusion import OnlineFusion
from tailrank.feedback.records import EventRecord, ShownRecord, encode
from tailrank.feedback.segments import Segment
from tailrank.ranking.fusion import Fusion
from tailrank.server.learning import check_learnable
from tailrank.server.loaded_model import LoadedModel
from tailrank.server.log_process import agreed_on_learning
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
    with Valkey(tmp_path / "valkey", *IN_MEMORY) as shared:
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


def outcomes_in(location: Path | str, served: LoadedModel) -> float:
    """How many outcomes all logs that share a state have learned from, in service or not."""
    guards = (note.guard(served.reranker.fusion) for note in notes(location).values())
    return float(sum(guard.online.sums.outcomes.sum() for guard in guards))


@pytest.mark.skipif(BINARY is None, reason="needs valkey-server or redis-server")
def test_a_click_that_reaches_another_machine_is_learned_once_whatever_is_killed(
    model: Path, served: LoadedModel, tmp_path: Path
) -> None:
    (tmp_path / "valkey").mkdir()
    with ExitStack() as running:
        url = running.enter_context(Valkey(tmp_path / "valkey", *IN_MEMORY)).url
        logs = [tmp_path / name for name in ("one", "other", "third")]
        options = [("--learn", "--log-impressions", str(log)) for log in logs]
        one, other, _ = (running.enter_context(Server(model, url, *each)) for each in options)

        def clicked(at: int) -> None:
            """Send a click to the other machine on a list of the first one, which may be down by then."""
            name, item = shown[at]["ranking_id"], shown[at]["items"][2]["id"]
            click(other.url, f"user {at}", item, **({"ranking_id": name} if at % 2 else {}))

        def learned(n: int) -> bool:
            return outcomes_in(url, served) == n

        shown = [rank(one.url, user=f"user {at}") for at in range(4)]
        clicked(0)
        wait_until(lambda: learned(1))
        clicked(1)
        other.kill()
        other.start()
        wait_until(lambda: learned(2))
        one.kill()
        clicked(2)
        clicked(3)
        wait_until(lambda: handed_over(url, logs[1]) == 2)
        other.kill()
        other.start()
        one.start()
        wait_until(lambda: learned(4))
        click(other.url, "user 0", CANDIDATES[0], ranking_id="made up")
        wait_until(lambda: metric(other.url, "tailrank_learning_unmatched_events_total") == 1)
        assert handed_over(url, logs[1]) == 0
        assert learned(4)
        assert metric(one.url, "tailrank_learning_unmatched_events_total") == 0


def handed_over(location: str, log: Path) -> int:
    """How many events of a log wait for another one."""

    async def read() -> dict[str, bytes]:
        state = open_state(location)
        try:
            return await state.notes(HANDED)
        finally:
            await state.close()

    note = HandOverNote.decoded(asyncio.run(read())[log_id(log)])
    assert note is not None
    return len(note.events)


def equal(one: Guard, other: Guard) -> bool:
    left, right = one.arrays(), other.arrays()
    return all(np.array_equal(left[name], right[name]) for name in left.keys() | right.keys())


def test_a_server_that_is_killed_learns_each_click_once(
    model: Path, served: LoadedModel, tmp_path: Path
) -> None:
    log, state, rng = tmp_path / "log", tmp_path / "state", np.random.default_rng(0)
    log_visits(log, served, 2)
    with Server(model, state, "--learn", "--log-impressions", str(log)) as server:
        for turn in range(3):
            for at in range(10):
                shown = rank(server.url, user=f"k{at}")
                item, name = shown["items"][at % 5]["id"], shown["ranking_id"]
                click(server.url, f"k{at}", item, f"{turn} {at}", ranking_id=name)
            time.sleep(rng.uniform(0, 1))
            server.kill()
            server.start()
        wait_until(lambda: outcomes_in(state, served) == LISTS + 30)
    [note] = notes(state).values()
    assert equal(note.guard(served.reranker.fusion), once(log, served))


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


def test_servers_of_one_log_learn_from_it_all_or_none(model: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with agreed_on_learning(log, learn=False), agreed_on_learning(log, learn=False):
        with pytest.raises(RequestError, match="another server logs there without --learn"):
            Server(model, tmp_path / "state", "--learn", "--log-impressions", str(log))
        with agreed_on_learning(tmp_path / "another", learn=True):
            pass
    with agreed_on_learning(log, learn=True):  # noqa: SIM117
        with pytest.raises(RequestError, match="with --learn, and either all"):
            agreed_on_learning(log, learn=False).__enter__()
