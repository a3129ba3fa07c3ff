"""`tailrank offpolicy`: what another policy would have earned, from a log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.errors import RequestError
from tailrank.metrics.off_policy import on_policy, snips


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["offpolicy", *map(str, arguments)], env={"COLUMNS": "80"})


def choices(**changes: Any) -> pl.DataFrame:
    """Draw a log of three items of which the target prefers the last, which is the best."""
    rng = np.random.default_rng(0)
    logged, target, clicks = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5]), np.array([0.05, 0.1, 0.3])
    shown = rng.choice(3, 3_000, p=logged)
    columns = {
        "clicked": rng.random(3_000) < clicks[shown],
        "propensity": logged[shown],
        "target": target[shown],
    }
    return pl.DataFrame(columns | changes)


def test_it_says_what_the_library_says(tmp_path: Path) -> None:
    table, file = choices(), tmp_path / "log.csv"
    table.write_csv(file)
    done = call("--log", file, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    clicked, propensity, target = (column.to_numpy() for column in table)
    expected, logged = snips(clicked, propensity, target), on_policy(clicked)
    assert found["rows"] == found["users"] == 3_000
    assert found["logged"] == {"value": logged.value, "ci95": [logged.low, logged.high]}
    assert list(found["estimates"]) == ["ips", "snips"]
    one, gain = found["estimates"]["snips"], expected.minus(logged)
    assert (one["value"], one["ci95"]) == (expected.value, [expected.low, expected.high])
    assert one["gain"] == {"value": gain.value, "ci95": [gain.low, gain.high]}
    assert one["effective_size"] == expected.effective_size


def test_the_table_of_rankings_fits_80_columns(tmp_path: Path) -> None:
    half = {"ranking_id": np.repeat(np.arange(1_500), 2), "next_propensity": 0.5, "next_target": 0.5}
    guess = {"predicted": 0.1, "predicted_target": 0.1, "user_id": np.repeat(np.arange(500), 6)}
    choices(**half, **guess).write_parquet(tmp_path / "log.parquet")
    done = call("--log", tmp_path / "log.parquet")
    assert done.exit_code == 0, done.output
    assert "1,500 rankings of 500 users" in done.stdout
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    for name in ("item-position", "reward-interaction", "cascade-dr", "slate ips"):
        assert any(line.split()[:1] == name.split()[:1] for line in lines)
    assert "ranking" in done.stdout


def test_an_estimator_that_refuses_says_why_beside_the_others(tmp_path: Path) -> None:
    half = {"ranking_id": np.repeat(np.arange(1_500), 2), "next_propensity": 0.5, "next_target": 0.1}
    choices(**half).write_csv(tmp_path / "log.csv")
    done = call("--log", tmp_path / "log.csv")
    assert done.exit_code == 0
    assert "slate ips: refused: the log never shows about 96%" in " ".join(done.stdout.split())
    refused = json.loads(call("--log", tmp_path / "log.csv", "--json").stdout)["estimates"]["slate ips"]
    assert list(refused) == ["refused"]


def test_a_log_that_says_nothing_of_the_target_is_an_error_that_names_it(tmp_path: Path) -> None:
    choices(target=0.01).write_csv(tmp_path / "log.csv")
    done = call("--log", tmp_path / "log.csv")
    assert isinstance(done.exception, RequestError)
    assert "log.csv: the log never shows about 97% of what the target would" in str(done.exception)
