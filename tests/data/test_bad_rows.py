"""Rows that break the contract: left out on demand only, counted and written down."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from test_readers import lay
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.data.bad_rows import BadRows
from tailrank.data.dataset import Dataset
from tailrank.data.reading import Reading
from tailrank.errors import DataError

ITEMS = "item_id,title\na,Tea\na,Tea again\n,Nothing\nb,Mug\n"
EVENTS = (
    "user_id,item_id,timestamp,value\n"
    "u,a,2024-01-01,1\nu,b,soon,2\n,b,2024-01-02,x\nu,z,2024-01-03,\nu,b,2024-01-04,3\n"
)


def test_bad_rows_are_left_out_and_the_rest_is_as_if_they_had_never_been(tmp_path: Path) -> None:
    bad, said = BadRows(), list[str]()
    folder = lay(tmp_path / "shop", {"items.csv": ITEMS, "events.csv": EVENTS})
    data = Dataset.load(folder, Reading(note=said.append, bad_rows=bad))
    good = {
        "items.csv": "item_id,title\na,Tea\nb,Mug\n",
        "events.csv": "user_id,item_id,timestamp,value\nu,a,2024-01-01,1\nu,b,2024-01-04,3\n",
    }
    assert data.fingerprint == Dataset.load(lay(tmp_path / "good", good)).fingerprint
    assert bad.rows.select("file", "row", "reason").rows() == [
        ("items.csv", 2, "duplicate item_id"),
        ("items.csv", 3, "missing or unreadable item_id"),
        ("events.csv", 2, "missing or unreadable timestamp"),
        ("events.csv", 3, "missing or unreadable user_id; missing or unreadable value"),
        ("events.csv", 4, "unknown item_id"),
    ]
    assert json.loads(bad.rows["record"][2]) == {
        "user_id": "u",
        "item_id": "b",
        "timestamp": "soon",
        "value": "2",
    }
    assert (
        "items.csv: dropped 2 of 4 rows (50.0%): missing or unreadable item_id 1, duplicate item_id 1" in said
    )


def test_without_being_asked_they_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 3 has None"):
        Dataset.load(lay(tmp_path, {"items.csv": ITEMS, "events.csv": EVENTS}))


@pytest.mark.parametrize(
    ("items", "words"),
    [
        (
            "item_id,title\n,Tea\n",
            "every row breaks the contract, the first by missing or unreadable item_id",
        ),
        ("id,title\na,Tea\n", "missing columns"),
    ],
)
def test_what_has_no_good_row_stays_an_error(items: str, words: str, tmp_path: Path) -> None:
    folder = lay(tmp_path, {"items.csv": items, "events.csv": EVENTS})
    with pytest.raises(DataError, match=words):
        Dataset.load(folder, Reading(bad_rows=BadRows()))


def test_the_command_line_writes_them(tmp_path: Path) -> None:
    folder, file = lay(tmp_path / "shop", {"items.csv": ITEMS, "events.csv": EVENTS}), tmp_path / "bad.csv"
    words = ["train", "--data", str(folder), "--out", str(tmp_path / "model"), "--encoder", "none", "--fast"]
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*words, "--drop-bad", str(file)])
    assert "events.csv: dropped 3 of 5 rows (60.0%)" in result.output
    assert len(pl.read_csv(file)) == 5
