"""`tailrank models`: what it prints, and what it says no to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from tailrank import Reranker, Settings
from tailrank.cli.main import app
from tailrank.data.dataset import Dataset
from tailrank.errors import ModelError, RequestError, TailrankError


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["models", *map(str, arguments)], env={"COLUMNS": "200"})


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Two versions, of which the second serves."""
    items = pl.DataFrame({"item_id": list("abc"), "title": "tea"})
    events = pl.DataFrame({"user_id": list("uuuvvv"), "item_id": list("abcbca"), "position": range(6)})
    fitted = Reranker.fit(Dataset.construct(items, events), None, Settings(sequence_epochs=0))
    for name in ("one", "two"):
        fitted.save(tmp_path / name, {"data": name, "learned_until": 1.7e9})
        done = call("promote", tmp_path / "models", tmp_path / name)
        assert done.exit_code == 0, done.output
    return tmp_path / "models"


def test_versions_are_listed_shown_promoted_and_rolled_back(models: Path) -> None:
    two, one = (each["version"] for each in json.loads(call("list", models, "--json").output)["versions"])
    table = call("list", models).output.split("\n")
    assert [line.split()[:3] for line in table if one in line] == [[one, "before", "one"]]
    assert [line.split()[1:5] for line in table if two in line] == [
        ["serves", "two", "2023-11-14", "22:13:20+00:00"]
    ]
    shown = json.loads(call("show", models).output)
    assert (shown["version"], shown["about"]["data"], shown["gate"]) == (two, "two", None)
    assert json.loads(call("show", models, one[-12:]).output)["settings"]["sequence_epochs"] == 0
    assert call("rollback", models).output == f"{models}/current: {one} serves\n"
    assert call("promote", models, models / two).exit_code == 0
    assert call("rollback", models).exit_code == 0
    assert call("promote", models, two[-6:]).output == f"{models}/current: {two} serves; before: {one}\n"


@pytest.mark.parametrize(
    ("arguments", "error", "why"),
    [
        (["promote", "models", "zzz"], ModelError, "no version is called 'zzz'"),
        (["show", "models", "20"], ModelError, "2 versions are called '20'"),
        (["list", "one"], ModelError, "a model, not the folder of its versions"),
        (["list", "nothing"], ModelError, "has no version"),
        (["promote", "models", "models/current"], RequestError, "serves already"),
        (["rollback", "nothing"], ModelError, "has no version"),
    ],
)
def test_mistakes_are_answered_in_words(
    models: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    error: type[TailrankError],
    why: str,
) -> None:
    monkeypatch.chdir(models.parent)
    done = call(*arguments)
    assert isinstance(done.exception, error)
    assert why in str(done.exception)
