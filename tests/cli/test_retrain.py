"""`tailrank retrain`: a new model takes the place of the old one, or doesn't."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from tailrank import Reranker
from tailrank.cli.main import app
from tailrank.errors import RequestError

DAY = 86_400
ITEMS = 30


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def write(folder: Path, days: int, shuffled: bool = False) -> Path:
    """Write users who go round a ring of items, one a day; or who choose at random."""
    rng, folder = np.random.default_rng(0), folder / "shop"
    folder.mkdir(exist_ok=True)
    names = pl.DataFrame({"item_id": [f"i{n}" for n in range(ITEMS)], "title": "tea"})
    names.write_csv(folder / "items.csv")
    rows = [
        (f"u{user}", f"i{rng.integers(ITEMS) if shuffled else (user + day) % ITEMS}", 1.7e9 + day * DAY)
        for user in range(60)
        for day in range(days)
    ]
    table = pl.DataFrame(rows, ["user_id", "item_id", "timestamp"], orient="row")
    table.write_csv(folder / "events.csv")
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    done = call("train", "--data", write(tmp_path, 12), "--encoder", "none", "--out", tmp_path / "model")
    assert done.exit_code == 0, done.output
    return tmp_path / "model"


def manifest(model: Path) -> Any:
    return json.loads((model / "manifest.json").read_text())


def test_new_events_make_a_new_model(model: Path, tmp_path: Path) -> None:
    before = manifest(model)
    done = call("retrain", "--data", write(tmp_path, 17), "--model", model)
    assert done.exit_code == 0, done.output
    assert "replaced; ndcg@10 on 300 new events" in done.output
    after = manifest(model)
    assert after["settings"] == before["settings"]
    assert after["about"]["learned_until"] == before["about"]["learned_until"] + 5 * DAY
    [line] = (tmp_path / "model.retrain.jsonl").read_text().splitlines()
    assert json.loads(line) | {"replaced": True, "queries": 300, "new_events": 300} == json.loads(line)
    again = call("retrain", "--data", tmp_path / "shop", "--model", model, "--log", tmp_path / "log")
    assert again.exit_code == 3
    assert "stays: 0 new events to compare by" in again.output
    assert manifest(model) == after
    assert not json.loads((tmp_path / "log").read_text())["replaced"]


def test_a_worse_model_is_refused(model: Path, tmp_path: Path) -> None:
    before = manifest(model)
    events = write(tmp_path, 17) / "events.csv"
    new = pl.read_csv(events).filter(pl.col("timestamp") >= 1.7e9 + 12 * DAY)
    old = pl.read_csv(write(tmp_path, 12, shuffled=True) / "events.csv")  # an export gone wrong
    pl.concat([old, new]).write_csv(events)
    done = call("retrain", "--data", tmp_path / "shop", "--model", model)
    assert done.exit_code == 3, done.output
    assert "stays: the new model is worse; ndcg@10 on 300 new events" in done.output
    assert manifest(model) == before
    assert Reranker.load(model).rank(["i3", "i4"], ["i9", "i5"])


def test_in_a_registry_a_worse_model_is_kept_and_marked(model: Path, tmp_path: Path) -> None:
    models, current = tmp_path / "models", tmp_path / "models" / "current"
    assert call("models", "promote", models, model).exit_code == 0
    good = write(tmp_path, 17) / "events.csv"
    events = pl.read_csv(good)
    new = events.filter(pl.col("timestamp") >= 1.7e9 + 12 * DAY)
    old = pl.read_csv(write(tmp_path, 12, shuffled=True) / "events.csv")
    pl.concat([old, new]).write_csv(good)
    refused = call("retrain", "--data", tmp_path / "shop", "--model", current)
    assert refused.exit_code == 3, refused.output
    events.write_csv(good)
    replaced = call("retrain", "--data", tmp_path / "shop", "--model", current)
    assert replaced.exit_code == 0, replaced.output
    listed = json.loads(call("models", "list", models, "--json").output)["versions"]
    assert [each["status"] for each in listed] == ["serves", "refused", "before"]
    lines = [json.loads(line) for line in (models / "current.retrain.jsonl").read_text().splitlines()]
    assert [line["version"] for line in lines] == [listed[1]["version"], listed[0]["version"]]
    assert manifest(current)["about"]["leave_out"] == manifest(model)["about"]["leave_out"] == "anomalies"
    assert not list(models.glob("*.checkpoint*"))


def test_without_times_there_is_nothing_new(model: Path, tmp_path: Path) -> None:
    table = pl.read_csv(tmp_path / "shop" / "events.csv").rename({"timestamp": "position"})
    table.with_columns(pl.col("position").cast(pl.Int64)).write_csv(tmp_path / "shop" / "events.csv")
    refused = call("retrain", "--data", tmp_path / "shop", "--model", model)
    assert isinstance(refused.exception, RequestError)
    assert "needs events with a `timestamp`" in str(refused.exception)
