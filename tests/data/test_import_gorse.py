"""Exports of Gorse, in the shapes that it writes, become data folders that train."""

import gzip
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_import_metarank import failures, from_metarank, mistake, run, write_lines
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.data.imports import gorse
from tailrank.data.imports.tables import Imported
from tailrank.data.validation import validate
from tailrank.errors import DataError

GORSE_ITEMS = [
    {
        "ItemId": "1",
        "IsHidden": False,
        "Categories": ["tea", "kitchen"],
        "Timestamp": "2020-01-01T01:01:01.000000001Z",
        "Labels": {
            "brand": "Aster",
            "use": {"place": ["camp", "home"]},
            "vector": [0.1, 0.2],
            "description": "own",
        },
        "Comment": "Kettle,\r\nenamel",
    },
    {
        "ItemId": "2",
        "IsHidden": True,
        "Categories": None,
        "Timestamp": "0001-01-01T00:00:00Z",
        "Labels": ["small", "blue"],
        "Comment": "",
    },
]
GORSE_FEEDBACK = [
    {
        "FeedbackType": "star",
        "UserId": "ada",
        "ItemId": "1",
        "Value": 2.5,
        "Timestamp": "2022-02-24T08:00:00+08:00",
        "Updated": "2022-02-24T08:00:00+08:00",
        "Labels": None,
        "Comment": "",
    },
    {"FeedbackType": "read", "UserId": "bo", "ItemId": "3", "Value": 0, "Timestamp": "2022-02-25T00:00:00Z"},
    {"FeedbackType": "read", "UserId": "bo", "ItemId": "1", "Value": 0, "Timestamp": "0001-01-01T00:00:00Z"},
]


def from_gorse(source: Path) -> Imported:
    return gorse.read(source)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "gorse"
    folder.mkdir()
    write_lines(folder / "items.jsonl", GORSE_ITEMS)
    write_lines(folder / "feedback.jsonl", GORSE_FEEDBACK)
    return folder


@given(
    st.binary(max_size=80)
    | st.text(alphabet='{}[]":,0123456789eE.-nulltrueitm \n', max_size=80).map(str.encode)
)
def test_whatever_the_bytes_there_is_no_traceback(
    tmp_path_factory: pytest.TempPathFactory, blob: bytes
) -> None:
    folder = tmp_path_factory.mktemp("blob")
    (folder / "events.jsonl").write_bytes(blob)
    for name in ("items", "feedback"):
        (folder / f"{name}.csv").write_bytes(blob)
    for read in (from_metarank, from_gorse):
        complaint = mistake(read, folder)
        assert complaint is None or str(folder) in complaint


def test_gorse_items_and_labels_become_columns(export: Path) -> None:
    items = from_gorse(export).items
    assert items.rows_by_key("item_id", named=True, unique=True) == {
        "1": {
            "categories": ["tea", "kitchen"],
            "description": "Kettle,\r\nenamel",
            "is_hidden": False,
            "timestamp": 1577840461,
            "brand": "Aster",
            "use.place": ["camp", "home"],
            "labels.description": "own",
            "labels": None,
        },
        "2": dict.fromkeys(items.columns[1:]) | {"is_hidden": True, "labels": ["small", "blue"]},
        "3": dict.fromkeys(items.columns[1:]),
    }


def test_gorse_feedback_becomes_events(export: Path) -> None:
    found = from_gorse(export)
    assert found.events.with_columns(pl.col("timestamp").dt.epoch("s")).rows() == [
        ("ada", "1", "star", 1645660800, 2.5),
        ("bo", "3", "read", 1645747200, 0.0),
    ]
    assert found.undescribed == 1
    assert found.left_out == {"feedback without a time": 1}


def test_gorse_csv_of_earlier_versions_gives_the_same(export: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    labels = [json.dumps(item["Labels"]).replace('"', '""') for item in GORSE_ITEMS]
    rows = (
        "item_id,is_hidden,categories,time_stamp,labels,description",
        f'1,false,tea|kitchen,2020-01-01 01:01:01.000000001 +0000 UTC,"{labels[0]}","Kettle,\r\nenamel"',
        f'2,true,,0001-01-01 00:00:00 +0000 UTC,"{labels[1]}",',
    )
    (old / "items.csv").write_bytes("".join(row + "\r\n" for row in rows).encode())
    (old / "feedback.csv.gz").write_bytes(
        gzip.compress(
            b"feedback_type,user_id,item_id,time_stamp\r\n"
            b"star,ada,1,2022-02-24 08:00:00 +0800 CST\r\n"
            b"read,bo,3,2022-02-25 00:00:00 +0000 UTC\r\n"
        )
    )
    then, now = from_gorse(old), from_gorse(export)
    assert then.items.equals(now.items)
    assert then.events.equals(now.events.drop("value"))


def test_gorse_items_may_be_older_than_events_but_feedback_is_not(tmp_path: Path) -> None:
    write_lines(tmp_path / "items.jsonl", [{"ItemId": "snow", "Timestamp": "1937-12-21T00:00:00Z"}])
    row = {"FeedbackType": "read", "UserId": "ada", "ItemId": "snow"}
    write_lines(tmp_path / "feedback.jsonl", [{**row, "Timestamp": "2022-02-24T00:00:00Z"}])
    assert from_gorse(tmp_path).items["timestamp"].to_list() == [-1_010_793_600]
    for time in ("1937-12-21T00:00:00Z", "1970-01-20T00:00:00Z", "2096-01-01T00:00:00Z"):
        write_lines(tmp_path / "feedback.jsonl", [{**row, "Timestamp": time}])
        with pytest.raises(DataError, match="line 1: Expected seconds since 1970, from 1990 to now"):
            from_gorse(tmp_path)


def test_the_zero_time_of_go_is_none_in_any_zone(tmp_path: Path) -> None:
    write_lines(tmp_path / "items.jsonl", [{"ItemId": "snow", "Timestamp": "0000-12-31T16:00:00-08:00"}])
    row = {"FeedbackType": "read", "UserId": "ada", "ItemId": "snow"}
    times = ["2022-02-24T00:00:00Z", "0001-01-01T00:00:00Z", "0000-12-31T16:00:00-08:00"]
    write_lines(tmp_path / "feedback.jsonl", [{**row, "Timestamp": time} for time in times])
    found = from_gorse(tmp_path)
    assert "timestamp" not in found.items.columns
    assert (len(found.events), found.left_out) == (1, {"feedback without a time": 2})


def test_gorse_labels_between_bars_are_a_list(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item_id,time_stamp,labels,description\n1,,small|blue,Mug\n")
    (tmp_path / "feedback.csv").write_text(
        "feedback_type,user_id,item_id,time_stamp\nstar,ada,1,2022-02-24\n"
    )
    assert from_gorse(tmp_path).items["labels"].to_list() == [["small", "blue"]]


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        (
            "feedback.csv",
            "feedback_type,user_id,item_id,time_stamp\nstar,ada,1\n",
            "line 2: 3 cells below 4 columns",
        ),
        ("feedback.csv", 'feedback_type,user_id,item_id,time_stamp\nstar,ada,"1"x,2022\n', "line 2"),
        (
            "feedback.csv",
            "feedback_type,user_id,item_id,time_stamp\nstar,ada,1,soon\n",
            "line 2: Expected ISO 8601",
        ),
        (
            "feedback.csv",
            "type,user,item,time\nstar,ada,1,2022-02-24\n",
            "line 2: Object missing required field",
        ),
        (
            "feedback.jsonl",
            '{"FeedbackType":"star","UserId":"ada","ItemId":1}',
            "line 1: Expected `str`, got `int`",
        ),
        ("users.jsonl", "", "no feedback file"),
    ],
)
def test_gorse_faults_name_file_and_line(name: str, text: str, complaint: str, tmp_path: Path) -> None:
    write_lines(tmp_path / "items.jsonl", GORSE_ITEMS)
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=complaint):
        from_gorse(tmp_path)


def test_gorse_imports_train_too(export: Path, tmp_path: Path) -> None:
    rows = [
        {
            "FeedbackType": "read",
            "UserId": f"u{n}",
            "ItemId": str(1 + k % 3),
            "Timestamp": f"2022-02-0{1 + k}T00:00:00Z",
        }
        for n in range(8)
        for k in range(n % 3, 6)
    ]
    write_lines(export / "feedback.jsonl", rows)
    out = tmp_path / "shop"
    assert run("import", export, "--from", "gorse", "--out", out).exit_code == 0
    assert failures(validate(out)) == []
    trained = run("train", "--data", out, "--out", tmp_path / "model", "--encoder", "none", "--fast")
    assert trained.exit_code == 0, trained.output


def test_nothing_is_overwritten_and_nothing_half_written(export: Path, tmp_path: Path) -> None:
    out = tmp_path / "shop"
    out.mkdir()
    (out / "items.csv").write_text("mine")
    with pytest.raises(DataError, match="is there already"):
        CliRunner().invoke(
            app, ["import", str(export), "--from", "gorse", "--out", str(out)], catch_exceptions=False
        )
    assert (out / "items.csv").read_text() == "mine"
    write_lines(export / "feedback.jsonl", [*GORSE_FEEDBACK, {"FeedbackType": "star"}])
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError, match="line 4"):
        from_gorse(export).write(tmp_path / "new")
    write_lines(export / "feedback.jsonl", GORSE_FEEDBACK[2:])
    with pytest.raises(DataError, match="no event to write; found 1 feedback without a time"):
        from_gorse(export).write(tmp_path / "new")
    assert sorted(tmp_path.iterdir()) == before
