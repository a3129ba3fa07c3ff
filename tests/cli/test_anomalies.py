"""`tailrank anomalies`, and what `train` and `retrain` leave out."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.errors import DataError

HOUR = 3600.0


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Sixty people, and a program that clicks on one item ninety times."""
    rng, folder = np.random.default_rng(0), tmp_path / "shop"
    folder.mkdir()
    people = [
        (f"u{user}", f"i{item}", 1.7e9 + user * 5 * HOUR + place * HOUR)
        for user in range(60)
        for place, item in enumerate(rng.choice(40, 8, replace=False))
    ]
    events = [*people, *(("bot", "i7", 1.7e9 + n * 60) for n in range(90))]
    pl.DataFrame({"item_id": [f"i{n}" for n in range(40)], "title": "tea"}).write_csv(folder / "items.csv")
    table = pl.DataFrame(events, ["user_id", "item_id", "timestamp"], orient="row")
    table.write_csv(folder / "events.csv")
    return folder


def trained(shop: Path, *options: object) -> Any:
    done = call(
        "train", "--data", shop, "--encoder", "none", "--fast", "--out", shop.parent / "model", *options
    )
    assert done.exit_code == 0, done.output
    return done


def events_learned(shop: Path) -> str:
    about = json.loads((shop.parent / "model" / "manifest.json").read_text())["about"]
    return str(about["data_fingerprint"])


def test_anomalies_are_listed_with_their_reasons(shop: Path) -> None:
    done = call("anomalies", "--data", shop)
    assert done.exit_code == 0, done.output
    assert "shop: 1 of 61 users (1.64%) look like programs or made-up profiles" in done.output
    assert "90 events on item i7, more than 20" in done.output
    found = json.loads(call("anomalies", "--data", shop, "--json").stdout.splitlines()[-1])
    assert (found["users"], found["n_users"], found["alerts"]) == (["bot"], 61, [])
    assert found["suspicions"][0]["kind"] == "one item"


def test_nothing_is_learned_from_them_unless_asked(shop: Path, tmp_path: Path) -> None:
    done = trained(shop)
    assert "left out of learning: 1 of 61 users, 90 events (see `tailrank anomalies`" in done.stderr
    assert "learned from 480 events of 60 users" in done.stdout
    without = events_learned(shop)
    assert "learned from 570 events of 61 users" in trained(shop, "--leave-out", "nobody").stdout
    assert events_learned(shop) != without
    listed = tmp_path / "suspects.csv"
    assert call("anomalies", "--data", shop, "--out", listed).exit_code == 0
    assert "left out of learning: 1 of 61 users, 90 events\n" in trained(shop, "--leave-out", listed).stderr
    assert events_learned(shop) == without
    listed.write_text(listed.read_text().splitlines()[0] + "\n")  # nobody
    assert "left out of learning: 0 of 61 users, 0 events\n" in trained(shop, "--leave-out", listed).stderr


def test_retraining_leaves_out_what_training_left_out(shop: Path) -> None:
    trained(shop)
    done = call("retrain", "--data", shop, "--model", shop.parent / "model")
    assert done.exit_code == 3
    assert "left out of learning: 1 of 61 users" in done.stderr


def test_if_many_users_look_wrong_nobody_is_left_out(shop: Path) -> None:
    one_item = [(f"one{bot}", "i1", 1.7e9 + n * 60) for bot in range(5) for n in range(200)]
    bursts = [(f"all{bot}", f"i{n % 40}", 1.7e9 + n / 10) for bot in range(5) for n in range(200)]
    bots = pl.DataFrame(one_item + bursts, ["user_id", "item_id", "timestamp"], orient="row")
    pl.concat([pl.read_csv(shop / "events.csv"), bots]).write_csv(shop / "events.csv")
    assert "11 of 71 users (15.49%)" in call("anomalies", "--data", shop).output
    done = trained(shop)
    assert "more than 10%, so it is the log that is unusual" in done.stderr
    assert "left out of learning: 0 of 71 users" in done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file. Give anomalies, nobody, or a file of users"),
        ("user\nbot\n", "no column user_id"),
        ("user_id\nsomeone\n", "names no user of shop"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(
    shop: Path, tmp_path: Path, content: str | None, message: str
) -> None:
    listed = tmp_path / "listed.csv"
    if content is not None:
        listed.write_text(content)
    done = call("train", "--data", shop, "--encoder", "none", "--out", tmp_path / "m", "--leave-out", listed)
    assert isinstance(done.exception, DataError)
    assert message in str(done.exception)
    assert not (tmp_path / "m").exists()


def test_a_place_that_cannot_be_written_is_refused(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = call("anomalies", "--data", shop, "--out", tmp_path / "file" / "suspects.csv")
    assert isinstance(done.exception, DataError)
    assert "can't be written" in str(done.exception)
