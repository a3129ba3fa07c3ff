"""A server compares two models: who ranks, what is logged of it, and what is decided."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
from bench.live import Users, by_popularity, compared
from msgspec import to_builtins
from server_helpers import CANDIDATES, rank, spoiled, wait_until
from typer.testing import CliRunner

from tailrank import api_reports
from tailrank.benchmarks.launcher import Server
from tailrank.cli.main import app
from tailrank.client import Client
from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError, TailrankError
from tailrank.evaluation.simulation.clicks import PositionBased
from tailrank.feedback.assignment import Experiment
from tailrank.feedback.experiments import decide
from tailrank.feedback.interleaving import team_draft
from tailrank.feedback.live_outcomes import read_comparison
from tailrank.feedback.log_tables import read_log
from tailrank.feedback.records import all_segments
from tailrank.ranking.reranker import Reranker
from tailrank.server.settings import ServerSettings

HISTORY = ["50", "181"]
EAGER = PositionBased(decay=0.0)


@pytest.fixture(scope="module")
def worse(reranker: Reranker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "worse"
    spoiled(reranker).save(folder)
    return folder


class Comparing(NamedTuple):
    server: Server
    folder: Path
    challenger: Path

    @property
    def url(self) -> str:
        return self.server.url

    def logged(self, ranking_id: str) -> dict[str, Any]:
        """Wait for a ranking to be logged."""

        def rows() -> list[dict[str, Any]]:
            if not all_segments(self.folder):
                return []
            return read_log(self.folder).shown.filter(ranking_id=ranking_id).collect().to_dicts()

        wait_until(lambda: bool(rows()))
        return rows()[0]


@contextmanager
def comparing(model: Path, worse: Path, folder: Path, compare: str) -> Iterator[Comparing]:
    challenger = Path(shutil.copytree(worse, folder / "worse"))
    options = ("--log-impressions", str(folder / "log"), "--challenger", str(challenger))
    with Server(model, folder / "state", *options, "--compare", compare) as server:
        yield Comparing(server, folder / "log", challenger)


@pytest.fixture(scope="module")
def split(model: Path, worse: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comparing]:
    with comparing(model, worse, tmp_path_factory.mktemp("split"), "split") as running:
        yield running


@pytest.fixture(scope="module")
def interleaved(model: Path, worse: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comparing]:
    with comparing(model, worse, tmp_path_factory.mktemp("interleaved"), "interleave") as running:
        yield running


def names(running: Comparing) -> list[str]:
    """Name the two models, as a ranking is logged to be of both."""
    return list(running.logged(rank(running.url, user="names")["ranking_id"])["compared"])


def test_each_user_has_one_of_two_models(split: Comparing, reranker: Reranker) -> None:
    control, challenger = names(split)
    users = [f"u{n}" for n in range(12)]
    drawn = Experiment(f"{control} {challenger}", {"control": 1, "challenger": 1})
    rankers = {"control": reranker, "challenger": spoiled(reranker)}
    for user in users:
        found, again = (rank(split.url, user=user, history=HISTORY) for _ in range(2))
        variant = drawn.variant(user)
        assert found["model"] == again["model"] == {"control": control, "challenger": challenger}[variant]
        assert "challenger" not in found
        assert [item["id"] for item in found["items"]] == rankers[variant].rank(HISTORY, CANDIDATES).item_ids
        shown = split.logged(found["ranking_id"])
        assert (shown["variant"], shown["model"], shown["teams"]) == (variant, found["model"], [])
        assert 0 <= shown["tail_share"] <= 1
    assert {drawn.variant(user) for user in users} == set(rankers)


def test_who_isnt_known_and_what_is_degraded_belong_to_neither(split: Comparing) -> None:
    control, _ = names(split)
    late = httpx.post(
        f"{split.url}/v1/rank", json={"candidates": CANDIDATES, "user": "u1", "deadline_ms": 1e-6}
    ).json()
    assert late["degraded"]
    nobody = rank(split.url, history=HISTORY)
    for found in (late, nobody):
        assert found["model"] == control
        assert split.logged(found["ranking_id"])["variant"] == ""


@pytest.mark.parametrize("k", [1, 4, None])
def test_both_rankings_take_turns(interleaved: Comparing, reranker: Reranker, k: int | None) -> None:
    control, challenger = names(interleaved)
    asked = [*CANDIDATES, "no such film"]
    found = rank(interleaved.url, candidates=asked, user="ann", history=HISTORY, explain=True, k=k)
    assert (found["model"], found["challenger"]) == (control, challenger)
    whole = reranker.rank(HISTORY, asked, explain=True, keep_signals=True)
    other = spoiled(reranker).rank(HISTORY, asked)
    assert whole.item_ids != other.item_ids
    drafted = team_draft(
        whole.item_ids,
        other.item_ids,
        experiment=f"{control} {challenger}",
        ranking_id=found["ranking_id"],
        k=k,
    )
    assert [item["id"] for item in found["items"]] == list(drafted.items)
    by_id = {item.item_id: item for item in whole}
    for item in found["items"]:
        mine = by_id[item["id"]]
        assert item["score"] == pytest.approx(mine.score, abs=1e-4)
        assert item["previous_rank"] == mine.previous_rank
        assert item.get("unknown", False) is not mine.known
        assert sum(item["contributions"].values()) == pytest.approx(item["score"], abs=1e-4)
    shown = interleaved.logged(found["ranking_id"])
    assert (shown["variant"], shown["model"]) == ("interleaved", control)
    assert (shown["item_ids"], shown["teams"]) == (list(drafted.items), list(drafted.teams))
    assert whole.signals is not None
    rows = [whole.item_ids.index(name) for name in drafted.items]
    np.testing.assert_allclose(shown["signals"], whole.signals.values[rows].ravel(), rtol=1e-4, atol=1e-4)
    assert shown["count_levels"] == whole.signals.count_levels[rows].tolist()


def test_no_candidates_are_no_ranking(interleaved: Comparing) -> None:
    assert rank(interleaved.url, candidates=[], user="ann")["items"] == []


def test_a_new_item_is_known_to_both(split: Comparing) -> None:
    item = {"item_id": "new film", "title": "A new film", "genres": "Comedy"}
    assert httpx.post(f"{split.url}/v1/items", json=item, timeout=120).status_code == 200
    models = set()
    for n in range(12):
        found = rank(split.url, user=f"v{n}", candidates=["50", "new film"])
        models.add(found["model"])
        assert not any("unknown" in item for item in found["items"])
    assert len(models) == 2


def test_a_challenger_that_is_replaced_is_another_comparison(split: Comparing, reranker: Reranker) -> None:
    control, before = names(split)
    replace(reranker, policy=()).save(split.challenger, {"made": "anew"})
    wait_until(lambda: names(split)[1] != before)
    assert names(split)[0] == control
    metrics = httpx.get(f"{split.url}/metrics").text
    served = re.findall(r'^tailrank_model_info{model="(.+)"} 1\.0$', metrics, re.M)
    assert sorted(served) == sorted(names(split))


def test_workers_compare_alike(model: Path, worse: Path, tmp_path: Path) -> None:
    options = ("--workers", "2", "--log-impressions", str(tmp_path / "log"), "--challenger", str(worse))
    with Server(model, tmp_path / "state", *options, "--compare", "split") as server:
        users = [f"w{n}" for n in range(32)]  # by their names and the models', who is shown which is a draw
        found = [{rank(server.url, user=user)["model"] for _ in range(4)} for user in users]
    assert {len(each) for each in found} == {1}
    assert len(set.union(*found)) == 2


@pytest.fixture(scope="module")
def users(reranker: Reranker, movielens: Dataset) -> Users:
    return Users.draw(reranker, movielens, 900)  # so many that the variance of what they do is known


class TestDecisions:
    """Simulated users choose between a model and one that is known to be worse, over HTTP."""

    def test_the_better_one_is_shipped(
        self, model: Path, reranker: Reranker, users: Users, tmp_path: Path
    ) -> None:
        by_popularity(reranker).save(tmp_path / "worse")
        log = compared(tmp_path / "worse", model, tmp_path, "interleave", users, 1_200, EAGER)
        _, outcomes = read_comparison(log, "clicks")
        decision = decide(outcomes, "clicks")
        assert decision.verdict == "ship", decision

    def test_one_of_the_same_quality_is_held(self, model: Path, users: Users, tmp_path: Path) -> None:
        same = Path(shutil.copytree(model, tmp_path / "same"))
        log = compared(model, same, tmp_path, "split", users, 600, EAGER)
        _, outcomes = read_comparison(log, "clicks")
        decision = decide(outcomes, "clicks")
        assert decision.verdict == "hold", decision
        assert {gate.status for gate in decision.gates} == {"passed"}


def test_the_server_reports_as_the_command_does(interleaved: Comparing) -> None:
    for n in range(5):
        found = rank(interleaved.url, user=f"w{n}", history=HISTORY)
        httpx.post(
            f"{interleaved.url}/v1/events",
            json={
                "event_id": f"w{n}",
                "user_id": f"w{n}",
                "item_id": found["items"][n]["id"],
                "event": "click",
                "timestamp": 1.7e9 + n,
                "ranking_id": found["ranking_id"],
            },
        ).raise_for_status()
    interleaved.logged(found["ranking_id"])
    with Client(interleaved.url, timeout=120) as client:
        [reported] = client.experiments()
        assert client.experiments() == [reported]
    printed = CliRunner().invoke(app, ["experiments", "--log", str(interleaved.folder), "--json"])
    assert json.loads(printed.output) == json.loads(json.dumps(to_builtins(reported)))
    assert isinstance(reported, api_reports.Experiment)
    assert reported.verdict == "hold"
    assert reported.compare == "interleave"
    assert reported.rankings >= 5


def test_a_server_without_a_log_says_so(model: Path, tmp_path: Path) -> None:
    with Server(model, tmp_path / "state") as server:
        answer = httpx.get(f"{server.url}/v1/experiments")
        assert answer.status_code == 422
        assert "--log-impressions" in answer.json()["error"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"challenger": Path("new")}, "--log-impressions FOLDER"),
        ({"compare": "split"}, "--challenger MODEL"),
        ({"challenger": Path("x/../model"), "log_impressions": Path("log")}, "is --model itself"),
        ({"beside": {"challenger": Path("new")}}, "--beside challenger=…: .* give another name"),
    ],
)
def test_a_comparison_that_cant_be_is_refused(options: dict[str, Any], error: str) -> None:
    with pytest.raises(RequestError, match=error):
        ServerSettings(Path("model"), "state", **options)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_challenger_that_isnt_there_is_named(model: Path, tmp_path: Path, workers: str) -> None:
    options = ("--log-impressions", str(tmp_path / "log"), "--challenger", str(tmp_path / "nothing"))
    with pytest.raises(TailrankError, match="nothing"):
        Server(model, tmp_path / "state", *options, "--workers", workers)
