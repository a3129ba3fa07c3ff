"""Exports of Metarank and Gorse, in the shapes that those write, become data folders that train."""

import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from tailrank.cli.main import app
from tailrank.data.dataset import Dataset
from tailrank.data.imports import gorse, metarank
from tailrank.data.imports.tables import Imported
from tailrank.data.schema import Check
from tailrank.data.validation import validate
from tailrank.errors import DataError, TailrankError

METARANK = [
    {
        "event": "item",
        "id": "0b6c",
        "timestamp": "1661431800000",
        "item": "kettle/1",
        "fields": [
            {"name": "title", "value": "Camp kettle"},
            {"name": "price", "value": 25.0},
            {"name": "colour", "value": ["blue", "black"]},
            {"name": "light", "value": True},
            {"name": "embedding", "value": [0.25, -1.0]},
        ],
    },
    {
        "event": "metadata",
        "id": "0b6d",
        "timestamp": "2022-08-25T12:50:00Z",
        "item": "007",
        "fields": [{"name": "title", "value": 1984.0}, {"name": "price", "value": 7.5}],
    },
    {"event": "user", "id": "0b6e", "timestamp": 1661431800000, "user": "ada", "fields": []},
    {
        "event": "ranking",
        "id": "r1",
        "timestamp": "1661431894711",
        "user": "ada",
        "session": "s1",
        "fields": [{"name": "query", "value": "tea"}],
        "items": [
            {"id": "007", "fields": [{"name": "relevancy", "value": 2.0}]},
            {"id": "kettle/1", "relevancy": 1},
            {"id": "mug"},
        ],
    },
    {
        "event": "interaction",
        "id": "i1",
        "ranking": "r1",
        "timestamp": 1661431896711,
        "user": "ada",
        "session": "s1",
        "type": "click",
        "item": "kettle/1",
        "fields": [{"name": "count", "value": 1}],
    },
    {
        "event": "interaction",
        "id": "i2",
        "timestamp": 1661431895000,
        "session": "s2",
        "type": "like",
        "item": "007",
    },
    {
        "event": "interaction",
        "id": "i3",
        "timestamp": 1661431899000,
        "ranking": "r1",
        "type": "click",
        "item": "mug",
    },
    {
        "event": "item",
        "id": "0b6f",
        "timestamp": 1661431900000,
        "item": "007",
        "fields": [{"name": "price", "value": 9}],
    },
]

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


def write_lines(path: Path, rows: Iterable[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})


def failures(checks: Iterable[Check]) -> list[str]:
    return [check.name for check in checks if check.status == "FAIL"]


def from_metarank(source: Path) -> Imported:
    return metarank.read(source)


def from_gorse(source: Path) -> Imported:
    return gorse.read(source)


def mistake(read: Callable[[Path], Imported], source: Path) -> str | None:
    """Say what the user has to mend; anything but a mistake of theirs comes through."""
    try:
        read(source)
    except TailrankError as told:
        return str(told)
    return None


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "gorse"
    folder.mkdir()
    write_lines(folder / "items.jsonl", GORSE_ITEMS)
    write_lines(folder / "feedback.jsonl", GORSE_FEEDBACK)
    return folder


def test_metarank_items_keep_their_ids_and_their_latest_fields(tmp_path: Path) -> None:
    items = from_metarank(write_lines(tmp_path / "events.jsonl", METARANK)).items
    assert items.rows_by_key("item_id", named=True, unique=True) == {
        "kettle/1": {"title": "Camp kettle", "price": 25, "colour": ["blue", "black"], "light": True},
        "007": {"title": "1984", "price": 9, "colour": None, "light": None},
        "mug": {"title": None, "price": None, "colour": None, "light": None},
    }
    assert items.schema["price"] == pl.Int64


def test_metarank_interactions_become_events_of_user_session_or_viewer(tmp_path: Path) -> None:
    events = from_metarank(write_lines(tmp_path / "events.jsonl", METARANK)).events
    assert events.with_columns(pl.col("timestamp").dt.epoch("ms")).rows() == [
        ("s2", "007", "like", 1661431895000),
        ("ada", "kettle/1", "click", 1661431896711),
        ("ada", "mug", "click", 1661431899000),
    ]


def test_metarank_rankings_become_impressions_with_scores_and_clicks(tmp_path: Path) -> None:
    impressions = from_metarank(write_lines(tmp_path / "events.jsonl", METARANK)).impressions
    assert impressions is not None
    assert impressions.select("ranking_id", "user_id", "item_id", "position", "clicked", "score").rows() == [
        ("r1", "ada", "007", 1, False, 2.0),
        ("r1", "ada", "kettle/1", 2, True, 1.0),
        ("r1", "ada", "mug", 3, True, None),
    ]


def test_metarank_older_item_events_change_nothing_newer(tmp_path: Path) -> None:
    forth = from_metarank(write_lines(tmp_path / "forth.jsonl", METARANK))
    back = from_metarank(write_lines(tmp_path / "back.jsonl", reversed(METARANK)))
    assert forth.items.sort("item_id").equals(back.items.select(forth.items.columns).sort("item_id"))
    assert forth.events.equals(back.events)


def test_metarank_says_what_it_leaves_out(tmp_path: Path) -> None:
    rows = [
        *METARANK,
        *METARANK,
        {"event": "interaction", "id": "i4", "timestamp": 1661431899000, "type": "click", "item": "mug"},
        {
            "event": "interaction",
            "id": "i5",
            "timestamp": 1,
            "type": "impression",
            "item": "mug",
            "user": "ada",
        },
        {"event": "ranking", "id": "r2", "timestamp": 1661431899000, "items": [{"id": "mug"}]},
    ]
    found = from_metarank(write_lines(tmp_path / "events.jsonl", rows))
    assert len(found.events) == 3
    assert found.bare == 1
    assert found.left_out == {
        "records of users": 2,
        "repeated rankings": 1,
        "rankings without user, session or items": 1,
        "interactions of type impression": 1,
        "interactions without user or session": 1,
        "repeated interactions": 3,
    }


@pytest.mark.parametrize("form", ["lines", "gzip", "array", "pretty array", "folder"])
def test_metarank_reads_every_form_alike(form: str, tmp_path: Path) -> None:
    expected = from_metarank(write_lines(tmp_path / "events.jsonl", METARANK))
    source = tmp_path / "export"
    text = "\n".join(map(json.dumps, METARANK))
    match form:
        case "lines":
            source.write_text("\n\n" + text)
        case "gzip":
            source = tmp_path / "events.jsonl.gz"
            source.write_bytes(gzip.compress(text.encode()))
        case "array":
            source.write_text(json.dumps(METARANK))
        case "pretty array":
            source.write_text(json.dumps(METARANK, indent=2))
        case "folder":
            (source / "2022").mkdir(parents=True)
            write_lines(source / "2022" / "a.json", METARANK[:4])
            (source / "2022" / "b.json.gz").write_bytes(gzip.compress(text.encode()))
            (source / "readme.txt").write_text("not events")
    found = from_metarank(source)
    assert found.items.equals(expected.items)
    assert found.events.equals(expected.events)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"event": "click"}', "Invalid value 'click'"),
        ('{"id": "x"}', "`event`"),
        ('{"event": "item", "id": "x", "item": "", "timestamp": 1}', "`$.item`"),
        ('{"event": "item", "id": "x", "item": "y", "timestamp": "soon"}', "`$.timestamp`"),
        ('{"event": "item", "id": "x", "item": "y", "timestamp": true}', "`$.timestamp`"),
        ('{"event": "item", "id": "x", "item": "y", "timestamp": 1661431894711000}', "between 1970 and 2100"),
        (
            '{"event": "item", "id": "x", "item": "y", "timestamp": 1, '
            '"fields": [{"name": "item_id", "value": 1}]}',
            "item_id",
        ),
        ('{"event": "item",', "truncated"),
        ('{"event": "item", "id": "\udcff"}', "utf-8"),
        ('{"id":' * 5000, "recursion"),
    ],
)
def test_metarank_faults_name_file_and_line(line: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(json.dumps(METARANK[0]).encode() + b"\n" + line.encode(errors="surrogateescape") + b"\n")
    with pytest.raises(DataError) as caught:
        from_metarank(path)
    assert f"{path}, line 2: " in str(caught.value)
    assert complaint.lower() in str(caught.value).lower()


def test_a_damaged_gzip_is_a_user_mistake(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, METARANK)).encode())[:-20])
    with pytest.raises(DataError, match="can't be read"):
        from_metarank(path)
    path.write_bytes(b"plain")
    with pytest.raises(DataError, match="can't be read"):
        from_metarank(path)


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
    assert found.bare == 1
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


def test_gorse_items_may_be_older_than_1970_but_feedback_is_not(tmp_path: Path) -> None:
    write_lines(tmp_path / "items.jsonl", [{"ItemId": "snow", "Timestamp": "1937-12-21T00:00:00Z"}])
    row = {"FeedbackType": "read", "UserId": "ada", "ItemId": "snow"}
    write_lines(tmp_path / "feedback.jsonl", [{**row, "Timestamp": "2022-02-24T00:00:00Z"}])
    assert from_gorse(tmp_path).items["timestamp"].to_list() == [-1_010_793_600]
    write_lines(tmp_path / "feedback.jsonl", [{**row, "Timestamp": "1937-12-21T00:00:00Z"}])
    with pytest.raises(DataError, match="line 1: Expected a time between 1970 and 2100"):
        from_gorse(tmp_path)


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
            "line 2: Invalid isoformat",
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


def test_the_command_writes_what_validate_and_train_accept(movielens: Dataset, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "events.jsonl", as_metarank(movielens, people=60))
    out = tmp_path / "my shop"
    result = run("import", source, "--from", "metarank", "--out", out)
    assert result.exit_code == 0, result.output
    assert f"tailrank validate '{out}'" in result.output
    assert failures(validate(out)) == []
    again = Dataset.load(out)
    assert again.history(movielens.user_ids[0]) == movielens.history(movielens.user_ids[0])
    trained = run("train", "--data", out, "--out", tmp_path / "model", "--encoder", "none")
    assert trained.exit_code == 0, trained.output


def as_metarank(data: Dataset, people: int) -> Iterable[dict[str, object]]:
    """Write a data set as Metarank's events."""
    for item, title, genres in data.items.select("item_id", "title", "genres").iter_rows():
        fields = [{"name": "title", "value": title}, {"name": "genres", "value": genres}]
        yield {"event": "item", "id": f"m{item}", "item": item, "timestamp": "850000000000", "fields": fields}
    for user in data.user_ids[:people]:
        for n, event in enumerate(data.history(user)):
            who = {"user": user, "timestamp": str(int(event.timestamp * 1000))}
            shown = [{"id": event.item_id}, {"id": data.item_ids[n]}]
            yield {"event": "ranking", "id": f"r{user}-{n}", "items": shown, **who}
            done = {
                "id": f"i{user}-{n}",
                "item": event.item_id,
                "type": event.event,
                "ranking": f"r{user}-{n}",
            }
            yield {"event": "interaction", **done, **who}


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
    trained = run("train", "--data", out, "--out", tmp_path / "model", "--encoder", "none")
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
