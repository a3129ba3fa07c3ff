"""What databases and other tools write: read as they mean it."""

from __future__ import annotations

import base64
import csv
import datetime as dt
import gzip
import io
import json
import uuid
import zlib
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_readers import EVENTS, ITEMS, lay

from tailrank.data import schema
from tailrank.data.dataset import Dataset
from tailrank.data.readers import read_events, read_items, read_table
from tailrank.data.validation import validate
from tailrank.errors import DataError
from tailrank.language.text import item_texts

DUCKDB_UUIDS = (
    "c-jka3^EjD5cLuD(Gg_<GT21f7#Nrs7#LU>83dJ#T|(2!J7%uhedg}F|Nr0JJ+ph&%#QN3P#0q*K?a~|JyAUjZOlM2BsCGpXK>C>"
    "OG`}^Ws<ZpWsu-aDNW8!Ns2E{&PdHo6lGx$<r7s9Ws+deEJ@9c&rHdA1JohPqsk<~T9R3kld8(VAjTpoBdMdtAS22rDas%TS1JmW5"
    "z7<HQ{%9a5I}d9gaEq3#TYb*P$ekHASojX@)gJ*AWM0`mO@+uwlY90K&{M1f*I&N2{wr5fMz3eQ4JB>$0)|4#sQ=lG&Ed*-gj|QC`"
    "&CW&dkqKC^OPC&@)ufNGi?DNl~y!F}E-@G)c8I(3I4XVPF6v1`9?8h5%sn006VMXf^"
)
"""Two items as DuckDB 2.0.1 writes them, their ids of its type UUID: zlib, then base 85."""


def read(folder: Path, **files: str | bytes | pl.DataFrame) -> pl.DataFrame:
    """Items of one file, whose name has `_` for a dot."""
    return read_items(lay(folder, {name.replace("_", ".", 1): content for name, content in files.items()}))


def test_uuids_of_duckdb(tmp_path: Path) -> None:
    items = read(tmp_path, items_parquet=zlib.decompress(base64.b85decode(DUCKDB_UUIDS)))
    assert items.rows() == [
        ("00112233-4455-6677-8899-aabbccddeeff", "Tea"),
        ("ffeeddcc-bbaa-9988-7766-554433221100", "Coffee"),
    ]


@given(st.lists(st.uuids(version=4), min_size=1, max_size=5, unique=True))
@example([uuid.UUID(int=0), uuid.UUID(int=1)])
@example([uuid.UUID(int=1), uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8057")])
def test_uuids_become_their_canonical_text(ids: list[uuid.UUID]) -> None:
    items = pl.DataFrame({"item_id": [each.bytes for each in ids]})
    events = pl.DataFrame({"user_id": ["u"], "item_id": [ids[0].bytes], "timestamp": [1]})
    assert Dataset.construct(items, events).item_ids == [str(each) for each in ids]


def test_text_that_parquet_holds_as_bytes(tmp_path: Path) -> None:
    """Hive, Impala and Spark's older tables don't mark text as such."""
    items = pl.DataFrame({"item_id": ["a sixteen-letter", "é"], "title": ["Tea", None]})
    packed = items.with_columns(pl.all().cast(pl.Binary))
    assert read(tmp_path, items_parquet=packed).equals(items)


def test_lists_of_one_length(tmp_path: Path) -> None:
    genres = pl.Series([["Action", "War"]], dtype=pl.Array(pl.String, 2))
    items = read(tmp_path, items_parquet=pl.DataFrame({"item_id": ["a"], "genres": genres}))
    assert items.rows() == [("a", ["Action", "War"])]


def test_whole_numbers_that_snowflake_holds_as_decimals(tmp_path: Path) -> None:
    whole = pl.Series([Decimal(7), Decimal("12345678901234567890123")], dtype=pl.Decimal(38, 0))
    items = pl.DataFrame({"item_id": whole, "title": whole})
    assert read(tmp_path, items_parquet=items).rows() == [("7", "7"), ("12345678901234567890123",) * 2]
    times = pl.Series([Decimal(1_700_000_000)] * 2, dtype=pl.Decimal(38, 0))
    events = pl.DataFrame({"user_id": whole, "item_id": whole, "timestamp": times, "position": times})
    lay(tmp_path, {"events.parquet": events})
    assert read_events(tmp_path).row(0) == ("7", "7", 1_700_000_000.0, 1_700_000_000)


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl", "json"])
def test_folders_of_part_files(ending: str, tmp_path: Path) -> None:
    first = pl.DataFrame(
        {"user_id": ["u", "v"], "item_id": ["007", "b"], "timestamp": [1, 2], "price": [1, 2]}
    )
    second = pl.DataFrame({"user_id": ["w"], "item_id": ["a"], "timestamp": [3], "price": [2.5]})
    inner = "jsonl" if ending == "json" else ending
    parts: dict[str, str | bytes | pl.DataFrame] = {
        f"events.{ending}/_SUCCESS": "",
        f"events.{ending}/.part-00000.crc": b"crc\x00",
        f"events.{ending}/part-00000-1f.{inner}": first,
        f"events.{ending}/part-00001-1f.{inner}": second,
        f"events.{ending}/part-00002-1f.{inner}": "" if ending != "parquet" else first.clear(),
    }
    events = read_events(lay(tmp_path, parts))
    assert events["item_id"].to_list() == ["007", "b", "a"]
    assert events["timestamp"].to_list() == [1.0, 2.0, 3.0]
    assert events["price"].to_list() == [1.0, 2.0, 2.5]


def test_folders_of_packed_and_partitioned_files(tmp_path: Path) -> None:
    one = pl.DataFrame({"user_id": ["u"], "item_id": ["a"], "timestamp": [1]})
    parts = {
        "events.csv/event=add%20to%20cart/part-0.csv.gz": one,
        "events.csv/event=view/day=2024-01-31/part-0.csv.zst": one,
        "events.csv/event=__HIVE_DEFAULT_PARTITION__/part-0.csv": one,
    }
    events = read_events(lay(tmp_path, parts)).sort("event")
    assert events["event"].to_list() == [None, "add to cart", "view"]
    assert events["day"].to_list() == [None, None, "2024-01-31"]


def test_folders_that_only_have_the_name_of_the_table(tmp_path: Path) -> None:
    days = {
        f"events/date=2024-01-0{day}/export.{ending}": pl.DataFrame(
            {"user_id": ["u"], "item_id": ["a"], "timestamp": [f"2024-01-0{day}"]}
        )
        for day, ending in enumerate(["parquet", "csv.gz", "jsonl"], start=1)
    }
    events = read_events(lay(tmp_path, {**days, "events/_SUCCESS": ""}))
    assert events["date"].to_list() == ["2024-01-01", "2024-01-02", "2024-01-03"]
    lay(tmp_path, {"events/date=2024-01-04/export.xlsx": b"PK"})
    with pytest.raises(DataError, match=r"date=2024-01-04/export.xlsx: neither Parquet, CSV nor JSON Lines"):
        read_events(tmp_path)


def test_a_bad_value_in_a_folder_is_told_with_its_file(tmp_path: Path) -> None:
    rows = "user_id,item_id,timestamp\nu,a,2024-01-01\n"
    lay(tmp_path, {**ITEMS, "events/1.csv": rows, "events/2.csv": rows + "u,a,soon\n"})
    with pytest.raises(DataError, match=r"row 3 has 'soon'.* The first is row 2 of .*events/2\.csv\."):
        read_events(tmp_path)
    [check] = [check for check in validate(tmp_path) if check.status == "FAIL"]
    assert check.remedy.endswith("events/2.csv.")


def test_files_of_other_names_are_listed(tmp_path: Path) -> None:
    lay(tmp_path, {"meta_Toys.jsonl.gz": "", "reviews.csv": ""})
    with pytest.raises(
        DataError, match=r"no items file. .* If it is in meta_Toys.jsonl.gz, reviews.csv, call"
    ):
        read_items(tmp_path)


def test_a_folder_and_a_file_of_one_table_are_refused(tmp_path: Path) -> None:
    lay(tmp_path, {**ITEMS, "items.json/part-0.json": '{"item_id": "a"}\n', **EVENTS})
    with pytest.raises(DataError, match=r"items.csv and items.json both hold items"):
        read_items(tmp_path)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([dt.date(2024, 1, 31)], [1_706_659_200]),
        ([dt.datetime(2024, 1, 31)], [dt.datetime(2024, 1, 31, tzinfo=dt.UTC)]),
        ([{"y": 1}], [1]),
        ([["a"]], ["a"]),
    ],
)
def test_columns_that_parts_disagree_on_are_refused(
    one: list[object], other: list[object], tmp_path: Path
) -> None:
    parts = {
        f"items.parquet/part-{number}.parquet": pl.DataFrame({"item_id": [number], "x": values})
        for number, values in enumerate([one, [None], other])
    }
    with pytest.raises(DataError, match=r"items.parquet: its files hold .* and .* in column 'x'"):
        read_items(lay(tmp_path, parts))


def test_parts_without_a_header_are_refused(tmp_path: Path) -> None:
    parts = {"items.csv/part-0": "item_id,title\na,Tea\n", "items.csv/part-1": "b,Mug\n"}
    with pytest.raises(DataError, match=r"part-1: none of its columns is one of item_id, .* a header"):
        read_items(lay(tmp_path, parts))


@pytest.mark.parametrize("suffix", ["csv", "csv_gz", "csv_zst"])
def test_quotes_that_stand_for_inches(suffix: str, tmp_path: Path) -> None:
    table = 'item_id,title,price\na,Pipe 3",1\n"b","5"" pipe, ""new""",2.5\n\nc,3" x 5" board,3\n'
    packed = {"csv_gz": _gzip, "csv_zst": _zstd}.get(suffix, str.encode)(table)
    items = read(tmp_path, **{f"items_{suffix.replace('_', '.')}": packed})
    assert items.rows() == [("a", 'Pipe 3"', 1.0), ("b", '5" pipe, "new"', 2.5), ("c", '3" x 5" board', 3.0)]


def _gzip(text: str) -> bytes:
    return gzip.compress(text.encode())


def _zstd(text: str) -> bytes:
    packed = io.BytesIO()
    lines = pl.DataFrame({"line": text.split("\n")[:-1]})
    lines.lazy().sink_csv(
        packed, include_header=False, quote_style="never", separator="\x1f", compression="zstd"
    )
    return packed.getvalue()


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\n,\n", "\n,\n,\n\n"])
def test_lines_without_a_value_are_no_rows(end: str, tmp_path: Path) -> None:
    assert read(tmp_path, items_csv=f"item_id,title\na,Tea\n\nb,Mug{end}").rows() == [
        ("a", "Tea"),
        ("b", "Mug"),
    ]


def test_lines_that_end_as_on_old_macs(tmp_path: Path) -> None:
    assert read(tmp_path, items_csv="item_id,title\ra,Tea\rb,Mug\r").rows() == [("a", "Tea"), ("b", "Mug")]


def test_long_cells(tmp_path: Path) -> None:
    long = '5" pipe ' * 50_000
    assert read(tmp_path, items_csv=f"item_id,title\na,{long}\n")["title"].to_list() == [long]


CELLS = [
    "a",
    '"a"',
    '5" p',
    'p 5"',
    '"5"" p"',
    '"5" p"',
    '"x,y"',
    '"x\ny"',
    "",
    '"',
    '""',
    '"open',
    'x"y"z',
    "é",
]


@given(cells=st.lists(st.tuples(*[st.sampled_from(CELLS)] * 2), min_size=1, max_size=4))
@settings(max_examples=200)
def test_csv_reads_as_by_the_standard_library_or_not_at_all(
    cells: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    table = "item_id,title\n" + "".join(f"{row},{one}{other}\n" for row, (one, other) in enumerate(cells))
    path = lay(tmp_path_factory.mktemp("data"), {"items.csv": table}) / "items.csv"
    try:
        [_, *expected] = csv.reader(io.StringIO(table, newline=""), strict=True)
    except csv.Error:
        expected = [["one", "too", "many"]]
    if any(len(row) > 2 for row in expected):
        with pytest.raises(DataError, match=r"items.csv: .*line \d"):
            read_table(path, schema.ITEMS)
    else:
        rows = read_table(path, schema.ITEMS).fill_null("").rows()
        assert rows == [tuple([*row, ""][:2]) for row in expected]


MIXED = [
    ('["kitchen", "new"]', '"Tea"', ["kitchen, new", "Tea"]),
    ('["kitchen", null, 5]', "7", ["kitchen, 5", "7"]),
    ("[1]", "2", ["1", "2"]),
    ("true", "0", ["true", "0"]),
    ("[true]", "[0, 1.5]", ["true", "0, 1.5"]),
    ("[]", '"Tea"', ["", "Tea"]),
    ("null", '["[a]"]', ["", "[a]"]),
    ('"[Set of 2]"', '["a"]', ["[Set of 2]", "a"]),
    ('"\\ud83d\\ude00"', "[1]", ["\U0001f600", "1"]),
    ('"a\\u0000"', '"b"', ["a\x00", "b"]),
]


@pytest.mark.parametrize("column", ["title", "tags"])
@pytest.mark.parametrize(("one", "other", "texts"), MIXED)
def test_columns_of_json_with_values_of_many_kinds(
    one: str, other: str, texts: list[str], column: str, tmp_path: Path
) -> None:
    lines = (f'{{"item_id": "{name}", "{column}": {value}}}\n' for name, value in (("a", one), ("b", other)))
    assert item_texts(read(tmp_path, items_jsonl="".join(lines)), f"{{{column}}}") == texts


def test_columns_beside_a_mixed_one_stay_as_they_are(tmp_path: Path) -> None:
    rows = [{"item_id": 1, "x": [1], "price": 2.5, "y": ["a"]}, {"item_id": 2, "x": 2, "price": 3, "y": None}]
    items = read(tmp_path, items_jsonl="\n".join(map(json.dumps, rows)))
    assert items.rows() == [("1", "[1]", 2.5, ["a"]), ("2", "2", 3.0, None)]


def test_objects_outside_the_contract_are_kept(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"item_id": "a", "x": {"y": 1}}, {"item_id": "b", "x": {"y": 2}}]
    assert read(tmp_path, items_jsonl="\n".join(map(json.dumps, rows)))["x"].to_list() == [{"y": 1}, {"y": 2}]
    rows[1]["x"] = 5
    mixed = read(tmp_path, items_jsonl="\n".join(map(json.dumps, rows)))
    assert mixed["x"].to_list() == ['{"y":1}', "5"]


def test_json_lines_with_a_byte_order_mark(tmp_path: Path) -> None:
    line = '{"item_id": "a", "title": "Tea"}\r\n'.encode("utf-8-sig")
    assert read(tmp_path, items_jsonl=line).rows() == [("a", "Tea")]
