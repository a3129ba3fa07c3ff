"""Readers: what a data folder may hold, and what is said about one that breaks its contract."""

from __future__ import annotations

import datetime as dt
import gzip
import string
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeVar

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tailrank.data.dataset import Dataset
from tailrank.data.readers import SUFFIXES, read_events, read_items
from tailrank.errors import DataError

T = TypeVar("T")

ITEMS = {"items.csv": "item_id,title\na,Tea\nb,Coffee\n"}
EVENTS = {"events.csv": "user_id,item_id,timestamp\nu,a,1\nu,b,2\n"}


def lay(folder: Path, files: Mapping[str, str | bytes | pl.DataFrame]) -> Path:
    """Write the files of a data folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pl.DataFrame):
            write(content, folder / name)
        else:
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def write(frame: pl.DataFrame, path: Path) -> None:
    """Write a table in the format that its suffix names."""
    form = path.name.split(".")[1]
    packed: dict[str, Literal["uncompressed", "gzip", "zstd"]] = {".gz": "gzip", ".zst": "zstd"}
    compression = packed.get(path.suffix, "uncompressed")
    if form == "parquet":
        frame.write_parquet(path)
    elif form in ("csv", "tsv"):
        separator = "," if form == "csv" else "\t"
        frame.lazy().sink_csv(path, separator=separator, compression=compression, check_extension=False)
    else:
        frame.lazy().sink_ndjson(path, compression=compression, check_extension=False)
    if path.name.endswith(".parquet.gz"):
        path.write_bytes(gzip.compress(path.read_bytes()))


def events(**columns: object) -> dict[str, str | bytes | pl.DataFrame]:
    """Good items and one events table, with some columns replaced (None drops one)."""
    good = {"user_id": ["u", "u"], "item_id": ["a", "b"], "timestamp": [1, 2]} | columns
    frame = pl.DataFrame({name: values for name, values in good.items() if values is not None}, strict=False)
    return {**ITEMS, "events.parquet": frame}


def items(**columns: object) -> dict[str, str | bytes | pl.DataFrame]:
    """Good events and one items table, with some columns replaced (None drops one)."""
    good = {"item_id": ["a", "b"], "title": ["Tea", "Coffee"]} | columns
    frame = pl.DataFrame({name: values for name, values in good.items() if values is not None}, strict=False)
    return {**EVENTS, "items.parquet": frame}


def parquet_bytes() -> bytes:
    """A good Parquet file, to be damaged."""
    import io

    buffer = io.BytesIO()
    pl.DataFrame({"item_id": [str(n) for n in range(1000)], "title": ["Tea"] * 1000}).write_parquet(buffer)
    return buffer.getvalue()


MALFORMED: dict[str, tuple[Mapping[str, str | bytes | pl.DataFrame], list[str]]] = {
    "empty folder": ({}, ["no items file", "items.parquet", "items.csv"]),
    "no events": (ITEMS, ["no events file", "events.parquet"]),
    "no items": (EVENTS, ["no items file"]),
    "two items files": (
        {**ITEMS, **EVENTS, "items.jsonl": '{"item_id": "a"}\n'},
        ["items.csv", "items.jsonl", "Keep one"],
    ),
    "unknown format": ({"items.xlsx": b"PK", **EVENTS}, ["no items file"]),
    "empty file": ({"items.csv": "", **EVENTS}, ["items.csv", "not a readable csv"]),
    "header only": ({"items.csv": "item_id,title\n", **EVENTS}, ["items.csv", "no rows"]),
    "blank lines only": ({"items.jsonl": "\n\n", **EVENTS}, ["items.jsonl", "not a readable jsonl"]),
    "repeated column": (
        {"items.csv": "item_id,item_id\na,b\n", **EVENTS},
        ["items.csv", "'item_id' is repeated"],
    ),
    "too many fields": (
        {"items.csv": 'item_id,title\na,"Tea\nhot"\nb,Tea,hot\n', **EVENTS},
        ["items.csv", "line 4: 3 fields, while the header has 2"],
    ),
    "open quote": (
        {"items.csv": 'item_id,title\na,Tea\nb,"Coffee\nc,Milk\n', **EVENTS},
        ["items.csv", "not a readable csv", "line 3: a quote"],
    ),
    "quote in quotes": (
        {"items.csv": 'item_id,title\na,Tea\nb,"5" pipe"\nc,Milk\n', **EVENTS},
        ["items.csv", "line 3: a quote inside a field is to be doubled"],
    ),
    "quotes that polars balances": (
        {"items.csv": 'item_id,title\n"5" p","\nb,Milk\n', **EVENTS},
        ["items.csv", "line 2: a quote"],
    ),
    "backslash before a quote": (
        {"items.csv.gz": gzip.compress(b'item_id,title\na,"5\\" pipe"\n'), **EVENTS},
        ["items.csv.gz", "line 2: a quote"],
    ),
    "Cyrillic letters that aren't UTF-8": (
        {"items.csv": "item_id,title\na,Tea\nb,Чай\n".encode("cp1251"), **EVENTS},
        ["items.csv", "line 3", "neither UTF-8 nor Windows-1252", "Write it again, in UTF-8"],
    ),
    "UTF-8 that is damaged": (
        {"items.csv": "item_id,title\na,Café\nb,Th".encode() + b"\xe9, \n", **EVENTS},
        ["items.csv", "line 3", "UTF-8"],
    ),
    "half a UTF-16 file": (
        {"items.csv": "item_id,title\na,Tea\n".encode("utf-16")[:-1], **EVENTS},
        ["items.csv", "not a readable csv", "utf-16"],
    ),
    "Latin-1 JSON": (
        {"items.jsonl": b'{"item_id": "caf\xe9"}\n', **EVENTS},
        ["items.jsonl", "line 1", "UTF-8"],
    ),
    "broken JSON": ({"items.jsonl": '{"item_id": "a"}\n{"item_id": \n', **EVENTS}, ["items.jsonl", "line 2"]),
    "JSON array": (
        {"items.jsonl": '[{"item_id": "a"}]\n', **EVENTS},
        ["items.jsonl", "not a readable jsonl", "line 1: not an object", "one JSON object a line"],
    ),
    "JSON without objects": (
        {"items.jsonl": '{"item_id": "a"}\n2\n', **EVENTS},
        ["items.jsonl", "not a readable jsonl", "line 2: not an object"],
    ),
    "NaN in JSON": (
        {"items.jsonl": '{"item_id": "a"}\n\n{"item_id": "b", "price": NaN}\n', **EVENTS},
        ["items.jsonl", "line 3", "null for NaN"],
    ),
    "half a surrogate pair": (
        {"items.jsonl": '{"item_id": "a"}\n{"item_id": "b", "title": "half \\ud83d"}\n', **EVENTS},
        ["items.jsonl", "line 2", "surrogates only in pairs"],
    ),
    "objects beside text": (
        {
            "items.jsonl": '{"item_id": "a", "title": "Tea"}\n{"item_id": "b", "title": {"en": "Tea"}}\n',
            **EVENTS,
        },
        ["items.jsonl", "line 2: 'title' nests values here"],
    ),
    "nested lists beside lists": (
        {"items.jsonl": '{"item_id": "a", "genres": [["x"]]}\n{"item_id": "b", "genres": ["y"]}\n', **EVENTS},
        ["items.jsonl", "line 1: 'genres' nests values here"],
    ),
    "folder without part files": (
        {"items.parquet/_SUCCESS": "", "items.parquet/.part-0.parquet.crc": "crc", **EVENTS},
        ["items.parquet: no part files"],
    ),
    "folder that is being written": (
        {"items.csv/_temporary/0": "", "items.csv/part-0.csv": ITEMS["items.csv"], **EVENTS},
        ["items.csv is still being written"],
    ),
    "Delta table": (
        {"items.parquet/_delta_log/0.json": "{}", "items.parquet/part-0.parquet": b"PAR1", **EVENTS},
        ["items.parquet is a Delta table"],
    ),
    "damaged part file": (
        {
            "items.csv/part-0.csv": "item_id,title\na,Tea\n",
            "items.csv/part-1.csv": "item_id\na,b\n",
            **EVENTS,
        },
        ["part-1.csv", "line 2: 2 fields"],
    ),
    "bytes for item ids": (items(item_id=[b"\xff", b"\xfe"]), ["item_id is Binary", "text or whole numbers"]),
    "blank item id": (items(item_id=["a", " "]), ["items.parquet", "row 2 has ' '"]),
    "truncated Parquet": (
        {"items.parquet": parquet_bytes()[:-9], **EVENTS},
        ["items.parquet", "not a readable parquet"],
    ),
    "not Parquet": (
        {"items.parquet": "item_id,title\n", **EVENTS},
        ["items.parquet", "not a readable parquet"],
    ),
    "truncated gzip": (
        {"items.csv.gz": gzip.compress(ITEMS["items.csv"].encode())[:-9], **EVENTS},
        ["items.csv.gz", "end"],
    ),
    "not gzip": ({"items.csv.gz": ITEMS["items.csv"].encode()[:5] + b"\xff", **EVENTS}, ["items.csv.gz"]),
    "not zstd": ({"items.jsonl.zst": "nonsense", **EVENTS}, ["items.jsonl.zst"]),
    "truncated Parquet in gzip": (
        {"items.parquet.gz": gzip.compress(parquet_bytes())[:-20], **EVENTS},
        ["items.parquet.gz"],
    ),
    "no item ids": (items(item_id=None), ["items.parquet", "missing columns", "item_id", "title"]),
    "null item id": (items(item_id=["a", None]), ["items.parquet", "item_id", "row 2 has None"]),
    "empty item id": (items(item_id=["a", ""]), ["items.parquet", "row 2 has ''"]),
    "float item ids as text": (
        {"items.csv": "item_id,title\n7.0,Tea\n8.0,Mug\n", **EVENTS},
        ["items.csv", "item_id holds floating-point numbers, such as 7.0", "Write 7,"],
    ),
    "float user ids as text, among other text": (
        {
            **ITEMS,
            "events.jsonl": "".join(
                f'{{"user_id": "{user}", "item_id": "a", "timestamp": {n}}}\n'
                for n, user in enumerate(("guest", "7.0", "8.0"))
            ),
        },
        ["events.jsonl", "user_id holds floating-point numbers, such as 7.0"],
    ),
    "float item ids": (items(item_id=[1.0, 2.0]), ["items.parquet", "item_id is Float64", "whole numbers"]),
    "list item ids": (items(item_id=[["a"], ["b"]]), ["items.parquet", "item_id is List(String)"]),
    "duplicate item ids": (
        items(item_id=["a", "a"]),
        ["items.parquet", "duplicate item_id", "row 2 has 'a'"],
    ),
    "title of floats": (items(title=[1.5, 2.5]), ["items.parquet", "title is Float64", "text"]),
    "title of structs": (
        items(title=[{"en": "Tea"}, {"en": "Coffee"}]),
        ["items.parquet", "title is Struct"],
    ),
    "no user ids": (events(user_id=None), ["events.parquet", "missing columns", "user_id"]),
    "null user id": (events(user_id=[None, "u"]), ["events.parquet", "user_id", "row 1 has None"]),
    "float user ids": (events(user_id=[1.5, 2.5]), ["events.parquet", "user_id is Float64"]),
    "null item id in events": (events(item_id=["a", None]), ["events.parquet", "item_id", "row 2"]),
    "unknown item": (
        events(item_id=["a", "z"]),
        ["events", "unknown item_id", "row 2 has 'z'", "Add these items"],
    ),
    "no time": (events(timestamp=None), ["events.parquet", "timestamp or position"]),
    "unreadable time": (
        events(timestamp=["2024-01-01", "soon"]),
        ["events.parquet", "timestamp", "row 2 has 'soon'", "ISO-8601"],
    ),
    "impossible date": (
        events(timestamp=["2024-02-30", "2024-02-01"]),
        ["timestamp", "row 1 has '2024-02-30'"],
    ),
    "missing time": (events(timestamp=[1, None]), ["events.parquet", "timestamp", "row 2 has None"]),
    "time is NaN": (events(timestamp=[1.0, float("nan")]), ["events.parquet", "timestamp", "row 2 has nan"]),
    "time is infinite": (events(timestamp=[float("inf"), 1.0]), ["timestamp", "row 1 has inf"]),
    "mixed units": (
        events(timestamp=[1_700_000_000_000, 1_700_000_000]),
        ["timestamp", "row 2 has 1700000000", "one unit"],
    ),
    "time is Boolean": (events(timestamp=[True, False]), ["timestamp is Boolean"]),
    "time of day": (events(timestamp=[dt.time(1), dt.time(2)]), ["timestamp is Time"]),
    "broken position": (
        events(timestamp=None, position=[0.5, 1.0]),
        ["position", "row 1 has 0.5", "whole numbers"],
    ),
    "missing position": (events(timestamp=None, position=[0, None]), ["position", "row 2 has None"]),
    "infinite elapsed": (events(elapsed_seconds=[0.0, float("inf")]), ["elapsed_seconds", "row 2 has inf"]),
    "elapsed as words": (
        events(elapsed_seconds=["0", "an hour"]),
        ["elapsed_seconds", "row 2 has 'an hour'"],
    ),
    "event of numbers": (events(event=[1.5, 2.5]), ["event is Float64", "text"]),
    "value is NaN": (events(value=[1.0, float("nan")]), ["value", "row 2 has nan"]),
    "value as words": (events(value=["5", "five"]), ["value", "row 2 has 'five'"]),
    "short row": (
        {**ITEMS, "events.csv": "user_id,item_id,timestamp\nu,a,1\nu,b\n"},
        ["events.csv", "timestamp", "row 2 has None"],
    ),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_bad_folder_is_refused_with_place_and_remedy(case: str, tmp_path: Path) -> None:
    files, words = MALFORMED[case]
    folder = lay(tmp_path / "data", files)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(DataError) as refusal:
        Dataset.load(folder)
    assert [word for word in words if word not in str(refusal.value)] == []
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder"):
        Dataset.load(tmp_path / "nowhere")


def test_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("item_id")
    with pytest.raises(DataError, match="no such folder"):
        read_items(tmp_path / "data")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_reads_the_same(suffix: str, tmp_path: Path) -> None:
    table = pl.DataFrame(
        {"user_id": ["u", "v"], "item_id": ["007", "1"], "timestamp": [1.5, 2.0], "event": ["buy", None]}
    )
    lay(tmp_path, {f"events{suffix}": table})
    assert_frame_equal(read_events(tmp_path), table)


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ([1_700_000_000, 1_700_000_001], [1_700_000_000.0, 1_700_000_001.0]),
        ([1_700_000_000_250, 1_700_000_001_000], [1_700_000_000.25, 1_700_000_001.0]),
        ([1_700_000_000_250_000, 1_700_000_001_000_000], [1_700_000_000.25, 1_700_000_001.0]),
        ([1_700_000_000_250_000_000, 1_700_000_001_000_000_000], [1_700_000_000.25, 1_700_000_001.0]),
        ([0, -86_400], [0.0, -86_400.0]),
        (["1700000000", " 1700000000.5 "], [1_700_000_000.0, 1_700_000_000.5]),
        (["2023-11-14T22:13:20Z", "2023-11-15"], [1_700_000_000.0, 1_700_006_400.0]),
        (["2023-11-14 22:13:20.25", "2023-11-14T23:13:20+01:00"], [1_700_000_000.25, 1_700_000_000.0]),
        (["2023-11-14T20:13-0200", "1700000000"], [1_699_999_980.0, 1_700_000_000.0]),
        ([dt.date(1970, 1, 2), dt.date(1970, 1, 3)], [86_400.0, 172_800.0]),
        ([dt.datetime(1970, 1, 1, 0, 0, 1, 500_000), dt.datetime(1970, 1, 1)], [1.5, 0.0]),
        ([dt.datetime(1970, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))] * 2, [0.0, 0.0]),
    ],
)
def test_times_become_seconds(times: list[object], seconds: list[float], tmp_path: Path) -> None:
    assert read_events(lay(tmp_path, events(timestamp=times)))["timestamp"].to_list() == seconds


@given(st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2500, 1, 1), timezones=st.timezones()))
@settings(max_examples=100)
def test_iso_times_agree_with_the_standard_library(moment: dt.datetime) -> None:
    from tailrank.data.values import to_seconds

    whole_minutes = (moment.utcoffset() or dt.timedelta()).total_seconds() % 60 == 0
    moment = moment if whole_minutes else moment.replace(tzinfo=dt.UTC)
    read = to_seconds(pl.Series([moment.isoformat()]))
    assert read is not None
    assert read[0] == pytest.approx(moment.timestamp(), abs=1e-4)


def test_ids_keep_their_zeros_and_integers_become_text(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "items.csv": "item_id,title,price\n007,1984,3\n8,Tea,2.5\n",
            "events.parquet": events(item_id=[7, 8])["events.parquet"],
        },
    )
    read = read_items(tmp_path)
    assert read.rows() == [("007", "1984", 3.0), ("8", "Tea", 2.5)]
    assert read_events(tmp_path)["item_id"].to_list() == ["7", "8"]


def test_byte_order_mark_and_windows_lines_are_no_problem(tmp_path: Path) -> None:
    lay(tmp_path, {"items.csv": "item_id,title\r\na,Tea\r\n".encode("utf-8-sig")})
    assert read_items(tmp_path).rows() == [("a", "Tea")]


def test_lists_of_text_are_kept(tmp_path: Path) -> None:
    lay(tmp_path, items(genres=[["Action", "Sci-Fi"], []]))
    assert read_items(tmp_path)["genres"].to_list() == [["Action", "Sci-Fi"], []]


WORD = st.text(string.ascii_letters + string.digits + ' ,"\n\té漢😀-_;|', min_size=1, max_size=8).filter(
    str.strip
)


@st.composite
def data_tables(draw: st.DrawFn) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Items and events that keep the contract."""
    ids = draw(st.lists(WORD, min_size=1, max_size=6, unique=True))
    titles = draw(st.lists(st.none() | WORD, min_size=len(ids), max_size=len(ids)))
    n = draw(st.integers(1, 12))

    def column(values: st.SearchStrategy[T]) -> list[T]:
        return draw(st.lists(values, min_size=n, max_size=n))

    table = pl.DataFrame(
        {
            "user_id": column(WORD),
            "item_id": column(st.sampled_from(ids)),
            "timestamp": column(st.floats(1e9, 1.9e9)),
            "event": column(st.none() | WORD),
            "value": column(st.none() | st.floats(-1e9, 1e9)),
        },
        schema_overrides={"event": pl.String, "value": pl.Float64},
    )
    return pl.DataFrame({"item_id": ids, "title": titles}, schema_overrides={"title": pl.String}), table


@given(tables=data_tables(), suffix=st.sampled_from(SUFFIXES))
@settings(max_examples=80)
def test_any_table_round_trips(
    tables: tuple[pl.DataFrame, pl.DataFrame], suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = lay(tmp_path_factory.mktemp("data"), {f"items{suffix}": tables[0], f"events{suffix}": tables[1]})
    read, made = Dataset.load(folder), Dataset.construct(*tables)
    assert_frame_equal(read.items, made.items)
    assert read.user_ids.equals(made.user_ids)
    assert (read.event_types, read.clock) == (made.event_types, made.clock)
    for name in ("items", "types", "times", "offsets"):
        assert getattr(read.histories, name).tolist() == getattr(made.histories, name).tolist()


@given(junk=st.binary(max_size=300), suffix=st.sampled_from(SUFFIXES), wrap=st.booleans())
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_random_bytes_raise_nothing_but_data_errors(
    junk: bytes, suffix: str, wrap: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = gzip.compress(junk) if wrap and suffix.endswith(".gz") else junk
    folder = lay(tmp_path_factory.mktemp("data"), {f"items{suffix}": content})
    with suppress(DataError):  # hypothesis also draws bytes from the code, and those may be a table
        read_items(folder)


@given(
    at=st.integers(0, 400),
    byte=st.integers(0, 255),
    suffix=st.sampled_from([".parquet.gz", ".csv", ".jsonl", ".csv.gz"]),
)
@settings(max_examples=200)
def test_one_changed_byte_is_read_or_refused(
    at: int, byte: int, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("data")
    path = folder / f"items{suffix}"
    write(pl.DataFrame({"item_id": ["a", "b", "c"], "title": ["Tea", "Coffee", None]}), path)
    content = bytearray(path.read_bytes())
    content[at % len(content)] = byte
    path.write_bytes(bytes(content))
    try:
        read_items(folder)
    except DataError as error:
        assert path.name in str(error)  # noqa: PT017


@pytest.mark.parametrize("ids", [["1.0", "1.5"], ["1.0", "2"], ["1.0", "Tea", "Mug"], ["v1.0", "v2.0"]])
def test_text_that_is_no_number_turned_into_another_stays_an_id(ids: list[str], tmp_path: Path) -> None:
    lay(tmp_path, {"items.csv": "item_id,title\n" + "".join(f"{name},Tea\n" for name in ids)})
    assert read_items(tmp_path)["item_id"].to_list() == ids
