"""Exports of Metarank, in the shapes that it writes, become data folders that train."""

import asyncio
import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from tailrank.cli.main import app
from tailrank.data.dataset import Dataset
from tailrank.data.imports import metarank
from tailrank.data.imports.tables import Imported
from tailrank.data.schema import Check
from tailrank.data.validation import validate
from tailrank.errors import DataError, TailrankError
from tailrank.state.base import StoredEvent
from tailrank.state.embedded import EmbeddedState

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


def write_lines(path: Path, rows: Iterable[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})


def failures(checks: Iterable[Check]) -> list[str]:
    return [check.name for check in checks if check.status == "FAIL"]


def from_metarank(source: Path) -> Imported:
    return metarank.read(source)


def mistake(read: Callable[[Path], Imported], source: Path) -> str | None:
    """Say what the user has to mend; anything but a mistake of theirs comes through."""
    try:
        read(source)
    except TailrankError as told:
        return str(told)
    return None


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


def test_an_event_is_the_same_by_id_user_and_item_as_in_a_state(tmp_path: Path) -> None:
    done = [("ada", "mug", "view"), ("ada", "mug", "buy"), ("ada", "tea", "buy"), ("bob", "mug", "buy")]
    rows = [
        {
            "event": "interaction",
            "timestamp": 1661431899000,
            "id": "i1",
            "user": user,
            "item": item,
            "type": kind,
        }
        for user, item, kind in done
    ]
    found = from_metarank(write_lines(tmp_path / "events.jsonl", rows))
    imported = found.events.select("user_id", "item_id", "event").rows()

    async def stored() -> tuple[int, list[tuple[str, str, str]]]:
        state = EmbeddedState(tmp_path / "state")
        new = await state.append([StoredEvent("i1", *event, 1661431899.0) for event in done])
        read = [(user, (await state.read(user)).history) for user in ("ada", "bob")]
        await state.close()
        return new, [(user, *event) for user, h in read for event in zip(h.items, h.events, strict=True)]

    assert asyncio.run(stored()) == (3, imported)
    assert imported == [done[0], *done[2:]]
    assert found.left_out == {"repeated interactions": 1}


def test_metarank_says_what_it_leaves_out(tmp_path: Path) -> None:
    rows = [
        *METARANK,
        *METARANK,
        {"event": "interaction", "id": "i4", "timestamp": 1661431899000, "type": "click", "item": "mug"},
        {
            "event": "interaction",
            "id": "i5",
            "timestamp": 1661431899000,
            "type": "impression",
            "item": "mug",
            "user": "ada",
        },
        {"event": "ranking", "id": "r2", "timestamp": 1661431899000, "items": [{"id": "mug"}]},
    ]
    found = from_metarank(write_lines(tmp_path / "events.jsonl", rows))
    assert len(found.events) == 3
    assert found.undescribed == 1
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
        ('{"event": "item", "id": "x", "item": "", "timestamp": 1661431899000}', "`$.item`"),
        ('{"event": "item", "id": "x", "item": "y", "timestamp": "soon"}', "`$.timestamp`"),
        ('{"event": "item", "id": "x", "item": "y", "timestamp": true}', "`$.timestamp`"),
        (
            '{"event": "item", "id": "x", "item": "y", "timestamp": 1661431894711000}',
            "milliseconds since 1970",
        ),
        (
            '{"event": "item", "id": "x", "item": "y", "timestamp": 1661431894}',
            "milliseconds since 1970, from 1990",
        ),
        ('{"event": "item", "id": "x", "item": "y", "timestamp": "3976214400000"}', "from 1990 to now"),
        (
            '{"event": "item", "id": "x", "item": "y", "timestamp": 1661431894711, '
            '"fields": [{"name": "item_id", "value": 1}]}',
            "item_id",
        ),
        ('{"event": "item",', "truncated"),
        ('{"event": "item", "id": "\udcff"}', "utf-8"),
        ('{"id":' * 1_000_000, "while deserializing"),  # too deep, which each Python says in its own words
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


def test_the_command_writes_what_validate_and_train_accept(movielens: Dataset, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "events.jsonl", as_metarank(movielens, users=60))
    out = tmp_path / "my shop"
    result = run("import", source, "--from", "metarank", "--out", out)
    assert result.exit_code == 0, result.output
    assert f"tailrank validate '{out}'" in result.output
    assert failures(validate(out)) == []
    again = Dataset.load(out)
    assert again.history(movielens.user_ids[0]) == movielens.history(movielens.user_ids[0])
    trained = run("train", "--data", out, "--out", tmp_path / "model", "--encoder", "none", "--fast")
    assert trained.exit_code == 0, trained.output


def as_metarank(data: Dataset, users: int) -> Iterable[dict[str, object]]:
    """Write a data set as Metarank's events."""
    for item, title, genres in data.items.select("item_id", "title", "genres").iter_rows():
        fields = [{"name": "title", "value": title}, {"name": "genres", "value": genres}]
        yield {"event": "item", "id": f"m{item}", "item": item, "timestamp": "850000000000", "fields": fields}
    for user in data.user_ids[:users]:
        for n, event in enumerate(data.history(user)):
            who = {"user": user, "timestamp": str(int((event.timestamp or 0) * 1000))}
            shown = [{"id": event.item_id}, {"id": data.item_ids[n]}]
            yield {"event": "ranking", "id": f"r{user}-{n}", "items": shown, **who}
            done = {
                "id": f"i{user}-{n}",
                "item": event.item_id,
                "type": event.event,
                "ranking": f"r{user}-{n}",
            }
            yield {"event": "interaction", **done, **who}
