"""A server that explores says how likely each list was, so that its log can judge other policies."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from server_helpers import wait_until
from typer.testing import CliRunner

from tailrank import api_stored
from tailrank.benchmarks.launcher import Server
from tailrank.cli.main import app
from tailrank.client import Client
from tailrank.errors import RequestError
from tailrank.feedback.attribution import impressions_table
from tailrank.feedback.exploring_fusion import DRAWS
from tailrank.feedback.log_tables import read_log
from tailrank.feedback.roll_over import roll_over
from tailrank.policy.file import PolicyFile
from tailrank.policy.tail import TailBoost
from tailrank.ranking.reranker import Reranker
from tailrank.server.settings import ServerSettings

N = 600
K = 4
HISTORY = ["50", "181"]


def call(*words: object) -> str:
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code == 0, done.output
    return done.stdout


def close_calls(reranker: Reranker) -> list[str]:
    """Items whose scores are so near to each other that a draw of the weights may decide between them."""
    ranked = reranker.rank(HISTORY, reranker.catalogue.items["item_id"].to_list())
    return ranked.item_ids[20:120:5]


def clicks(shown: dict[str, list[str]], liked: dict[str, float]) -> list[api_stored.Event]:
    """Let users look at rank k with chance 1 / k."""
    rng = np.random.default_rng(0)
    seen = [(name, place, item) for name, items in shown.items() for place, item in enumerate(items, 1)]
    return [
        api_stored.Event(f"{name} {place}", f"u{int(name) % 100}", item, "click", time.time(), None, name)
        for name, place, item in seen
        if rng.random() < liked[item] / place
    ]


@pytest.fixture(scope="module")
def served(model: Path) -> Reranker:
    return Reranker.load(model)


def test_a_log_of_explored_lists_judges_a_policy_that_was_never_served(
    model: Path, served: Reranker, tmp_path: Path
) -> None:
    log, candidates = tmp_path / "log", close_calls(served)
    liked = {item: 0.9 * 0.6**at for at, item in enumerate(served.rank(HISTORY, candidates).item_ids)}
    options = "--learn", "--explore", "thompson", "--log-impressions", str(log)
    with Server(model, tmp_path / "state", *options) as on, Client(on.url) as client:

        def ranked(user: str, **options: Any) -> list[str]:
            return [item.id for item in client.rank(candidates, history=HISTORY, user=user, **options).items]

        wait_until(lambda: len({tuple(ranked("first")) for _ in range(10)}) > 1)
        plain = ranked("first", policy=[{"name": "exploration", "moves": 0}])
        for asked, allowed in ((0, 0), (1, 1), (99, 5)):  # a request narrows the bounds, and widens none
            for _ in range(10):
                found = ranked("first", policy=[{"name": "exploration", "moves": asked}])
                assert max(abs(rank - plain.index(item)) for rank, item in enumerate(found)) <= allowed
        explained = [client.rank(candidates, history=HISTORY, explain=True).items for _ in range(10)]
        shown = {str(at): ranked(f"u{at % 100}", k=K, ranking_id=str(at)) for at in range(N)}
        client.add_events(*clicks(shown, liked))
    explorations = set()
    for item in itertools.chain.from_iterable(explained):
        assert isinstance(item.contributions, dict)
        assert sum(item.contributions.values()) == pytest.approx(item.score, abs=1e-4)
        explorations.add(item.contributions["exploration"])
    assert len(explorations) > 1

    before = impressions_table(read_log(log))
    assert roll_over(log, 30, 1, read_only=False)["segments"] == 1
    table = impressions_table(read_log(log))
    assert_frame_equal(table, before)
    table = table.filter(pl.col("ranking_id").is_in([*shown]))
    often = Counter((item, place) for items in shown.values() for place, item in enumerate(items, 1))
    assert len(often) > 3 * K
    chances = table.group_by("item_id", "position").agg(pl.col("propensity").unique())
    for item, place, found in chances.iter_rows():
        [chance] = found
        assert chance >= 1 / DRAWS
        assert often[item, place] / N == pytest.approx(chance, abs=0.1)

    plain = served.rank(HISTORY, candidates, k=K).item_ids
    judged = tmp_path / "judged.parquet"
    call("impressions", log, "--out", judged)
    table = pl.read_parquet(judged).filter(pl.col("ranking_id").is_in([*shown]))
    target = table["item_id"] == pl.Series(plain).gather(table["position"] - 1)
    table.with_columns(target=target.cast(pl.Float64)).write_parquet(judged)
    found = json.loads(call("offpolicy", "--log", judged, "--json"))
    truth = sum(liked[item] / place for place, item in enumerate(plain, 1))
    estimate = found["estimates"]["item-position ips"]
    assert estimate["value"] == pytest.approx(truth, abs=1.3 * np.ptp(estimate["ci95"]))  # five deviations


def test_what_can_not_be_explored_is_refused(model: Path, tmp_path: Path) -> None:
    log, learning = {"log_impressions": tmp_path}, {"log_impressions": tmp_path, "learn": True}
    with pytest.raises(RequestError, match="--explore ucb needs --learn"):
        ServerSettings(model, "state", explore="ucb", **log)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="--explore thompson and --challenger"):
        ServerSettings(model, "state", explore="thompson", challenger=tmp_path, **learning)  # type: ignore[arg-type]
    pinned = PolicyFile((TailBoost(0.5),))
    with pytest.raises(RequestError, match="--explore ucb and --policies"):
        ServerSettings(model, "state", explore="ucb", policies=pinned, **learning)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="--explore-moves and --explore-tail bound nothing"):
        ServerSettings(model, "state", explore_moves=1, **learning)  # type: ignore[arg-type]
