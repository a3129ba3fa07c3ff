"""What spreadsheets and shops export: other separators, encodings, decimal commas and dates."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_readers import lay

from tailrank.data.dataset import Dataset
from tailrank.data.dialects import SEPARATORS, recognise
from tailrank.data.readers import read_events, read_items
from tailrank.data.reading import Reading
from tailrank.data.validation import validate
from tailrank.errors import DataError
from tailrank.language.text import item_texts

ROWS = [["item_id", "title"], ["a", 'Tee, "grün"; lose|offen'], ["b", "Kühlschrank"]]


def csv_text(separator: str) -> str:
    return "".join(
        separator.join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row) + "\n" for row in ROWS
    )


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"])
def test_separators_and_encodings_are_recognised_and_named(
    separator: str, encoding: str, tmp_path: Path
) -> None:
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    lay(tmp_path, {"items.csv": (mark + csv_text(separator)).encode(encoding)})
    said: list[str] = []
    assert read_items(tmp_path, Reading(note=said.append)).rows() == [tuple(row) for row in ROWS[1:]]
    name = {"cp1252": "Windows-1252 (such as 'Kühlschrank')", "utf-16-le": "UTF-16"}.get(
        encoding, encoding.removesuffix("-sig").upper()
    )
    assert said == [f"items.csv: CSV in {name}, separated by {SEPARATORS[separator]}; reads item_id, title"]


def test_the_line_that_excel_writes_for_itself(tmp_path: Path) -> None:
    lay(tmp_path, {"items.csv": "sep=;\r\nitem_id;title\r\na;Tee, lose\r\n".encode("utf-8-sig")})
    assert read_items(tmp_path).rows() == [("a", "Tee, lose")]


def test_a_fault_between_semicolons_has_its_line(tmp_path: Path) -> None:
    lay(tmp_path, {"items.csv": 'item_id;title\na;5" Rohr\nb;x;y\n'})
    with pytest.raises(DataError, match="line 3: 3 fields, while the header has 2"):
        read_items(tmp_path)


def test_a_capital_before_a_mark_is_no_damaged_unicode() -> None:
    content, dialect = recognise("item_id,title\na,NESCAFÉ®\nb,Crème brûlée\n".encode("cp1252"))
    assert "NESCAFÉ®" in content.decode()
    assert "Windows-1252" in str(dialect)


@given(st.text(st.characters(codec="utf-8"), min_size=1))
@settings(max_examples=200)
def test_whatever_is_unicode_is_read_as_such(text: str) -> None:
    for encoding in ("utf-8", "utf-8-sig"):
        content, _ = recognise(f"item_id,title\n{text}".encode(encoding))
        assert content.decode() == f"item_id,title\n{text}"


def events(times: list[str], value: str = "1") -> str:
    return "user_id;item_id;timestamp;value\n" + "".join(f"u;a;{time};{value}\n" for time in times)


@pytest.mark.parametrize(
    ("times", "iso"),
    [
        (["31.12.2024 14:05", "1.2.2024"], ["2024-12-31 14:05", "2024-02-01"]),
        (["31.12.2024, 14:05:06"], ["2024-12-31 14:05:06"]),
        (["31/12/2024 9:05", "01/02/2024 09:05"], ["2024-12-31 09:05", "2024-02-01 09:05"]),
        (["12/31/2024 9:05", "01/02/2024 09:05"], ["2024-12-31 09:05", "2024-01-02 09:05"]),
        (["31-12-2024"], ["2024-12-31"]),
    ],
)
def test_dates_as_people_write_them(times: list[str], iso: list[str], tmp_path: Path) -> None:
    lay(tmp_path, {"items.csv": "item_id;title\na;Tee\n", "events.csv": events(times)})
    given_times = read_events(tmp_path)["timestamp"].to_list()
    lay(tmp_path, {"events.csv": events(iso)})
    assert given_times == read_events(tmp_path)["timestamp"].to_list()


def test_how_dates_were_read_is_told(tmp_path: Path) -> None:
    lay(tmp_path, {"items.csv": "item_id;title\na;Tee\n", "events.csv": events(["31.12.2024", "1.2.2024"])})
    [check] = [check for check in validate(tmp_path) if "day, month and year" in check.name]
    assert (check.status, check.count) == ("WARN", 2)
    assert "the first is read as 2024-12-31 00:00:00" in check.remedy


def test_dates_that_may_be_either_are_refused(tmp_path: Path) -> None:
    lay(tmp_path, {"items.csv": "item_id;title\na;Tee\n", "events.csv": events(["01/02/2024"] * 2)})
    with pytest.raises(DataError, match="such as 01/02/2024, in which day and month can't be told apart"):
        Dataset.load(tmp_path)


def test_a_date_that_is_none_has_its_row(tmp_path: Path) -> None:
    lay(tmp_path, {"items.csv": "item_id;title\na;Tee\n", "events.csv": events(["31.12.2024", "31.02.2024"])})
    with pytest.raises(DataError, match=r"row 2 has '31\.02\.2024'"):
        Dataset.load(tmp_path)


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (["1,5", "2"], [1.5, 2.0]),
        (["-0,25", "1.234,50"], [-0.25, 1234.5]),
        (["1.5", "2"], [1.5, 2.0]),
        (["1,234", "5,678"], None),
        (["1,5", "1.5"], None),
    ],
)
def test_decimal_commas(values: list[str], numbers: list[float] | None, tmp_path: Path) -> None:
    rows = "".join(f"u;a;2024-01-01;{value}\n" for value in values)
    lay(tmp_path, {"events.csv": "user_id;item_id;timestamp;value\n" + rows})
    if numbers is None:
        with pytest.raises(DataError, match="row 1 has '1,"):
            read_events(tmp_path)
    else:
        assert read_events(tmp_path)["value"].to_list() == numbers


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (
            '[{"id": 28, "name": "Action"}, {"id": 12, "name": "Sci-Fi \\u0026 more"}]',
            "Action, Sci-Fi & more",
        ),
        ("[{'id': 28, 'name': 'Action'}, {'id': 12, 'name': \"Children's\"}]", "Action, Children's"),
        ('[{"label": "new", "title": "New"}]', "New"),
        ('["Action", "Drama"]', "Action, Drama"),
        ("[{'id': 28}]", "[{'id': 28}]"),
        ("[{]", "[{]"),
        ("[]", ""),
        ("Set of [2]", "Set of [2]"),
    ],
)
def test_objects_in_cells_are_read_by_their_names(cell: str, text: str, tmp_path: Path) -> None:
    lay(tmp_path, {"items.csv": 'item_id,genres\na,"{}"\n'.format(cell.replace('"', '""'))})
    assert item_texts(read_items(tmp_path), "{genres}") == [text]


def test_objects_in_lists_of_json(tmp_path: Path) -> None:
    lines = [
        '{"item_id": "a", "genres": [{"name": "Action"}], "categories": [["Pets", "Cats"], ["Pets"]]}',
        '{"item_id": "b", "genres": [], "categories": null}',
    ]
    lay(tmp_path, {"items.jsonl": "\n".join(lines)})
    assert read_items(tmp_path)["genres"].to_list() == [["Action"], []]
    assert item_texts(read_items(tmp_path)) == ["Pets, Cats. Action", ""]
