"""Columns of other names: found by case, taken as asked, guessed, and kept in the data folder."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from test_readers import lay
from typer.testing import CliRunner, Result

from tailrank.cli.main import app
from tailrank.data.dataset import Dataset
from tailrank.data.naming import guess_columns
from tailrank.data.readers import read_events, read_items
from tailrank.data.reading import Reading, column_names
from tailrank.data.schema import EVENTS, ITEMS
from tailrank.errors import DataError

MOVIES = {
    "items.csv": "movieId,Title,genres\n007,Heat,crime\n8,Jumanji,fantasy\n",
    "events.csv": "userId,movieId,rating,timestamp\n1,007,4.5,2024-01-01\n1,8,3,2024-01-02\n",
}
NAMES = '[columns.items]\nitem_id = "movieId"\n\n[columns.events]\nuser_id = "userId"\nitem_id = "movieId"\n'


def run(*words: object) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(word) for word in words])


def test_columns_are_read_from_others_as_asked(tmp_path: Path) -> None:
    reading = Reading(column_names(["item_id=movieId", "user_id=userId", "events.value=rating"]))
    data = Dataset.load(lay(tmp_path, MOVIES), reading)
    assert data.items.select("item_id", "title").rows() == [("007", "Heat"), ("8", "Jumanji")]
    assert data.user_ids.to_list() == ["1"]
    assert read_events(tmp_path, reading)["value"].to_list() == [4.5, 3.0]


def test_the_folder_keeps_the_names(tmp_path: Path) -> None:
    Dataset.load(lay(tmp_path, {**MOVIES, "tailrank.toml": NAMES}))
    asked = Reading(column_names(["item_id=userId"]))
    assert read_events(tmp_path, asked)["item_id"].to_list() == ["1", "1"]  # asked goes before kept


def test_one_column_may_serve_twice_and_replace_another(tmp_path: Path) -> None:
    lay(tmp_path, {"items.csv": "code,title\na,Tea\n"})
    assert read_items(tmp_path, Reading(column_names(["item_id=code", "title=code"]))).rows(named=True) == [
        {"item_id": "a", "title": "a"}
    ]


def test_case_is_no_matter_unless_two_columns_differ_by_it(tmp_path: Path) -> None:
    assert read_items(lay(tmp_path, {"items.csv": "Item_ID,TITLE\n007,1984\n"})).rows() == [("007", "1984")]
    lay(tmp_path, {"items.csv": "item_id,Title,TITLE\na,Tea,Mug\n"})
    assert read_items(tmp_path).columns == ["item_id", "Title", "TITLE"]


def test_a_missing_column_is_told_with_the_option_that_would_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing columns .*item_id.* --map item_id=movieId\."):
        Dataset.load(lay(tmp_path, MOVIES))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("userId", "--map userId: write NAME=COLUMN"),
        ("user_id=", "write NAME=COLUMN"),
        ("usr_id=userId", "'usr_id' is no column of events; did you mean `user_id`?"),
        ("event.user_id=userId", "unknown table 'event'; did you mean `events`?"),
        ("items.user_id=userId", "'user_id' is no column of items"),
    ],
)
def test_names_that_make_no_sense_are_refused(given: str, words: str) -> None:
    with pytest.raises(DataError) as refusal:
        column_names([given])
    assert words in str(refusal.value)


def test_a_column_that_no_file_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"items.csv: no column 'movie', .* the file has movieId, Title"):
        Dataset.load(lay(tmp_path, MOVIES), Reading(column_names(["item_id=movie"])))


SHOP = {
    "items.csv": "item_id,asin,title\n1,a,Tea\n2,b,Mug\n",
    "events.csv": "user_id,item_id,timestamp\nu,a,2024-01-01\nu,b,2024-01-02\n",
}


@pytest.mark.parametrize("asked", ["item_id=asinn", "items.item_id=asinn", "events.timestamp=Date"])
def test_a_column_that_is_asked_for_is_never_passed_over_for_another(asked: str, tmp_path: Path) -> None:
    name, column = asked.rsplit(".", maxsplit=1)[-1].split("=")
    with pytest.raises(DataError, match=f"no column '{column}', which {name} is to be read from"):
        Dataset.load(lay(tmp_path, SHOP), Reading(column_names([asked])))


def test_neither_is_one_that_the_folder_asks_for(tmp_path: Path) -> None:
    kept = '[columns.items]\ntitle = "Titel"\n'
    with pytest.raises(DataError, match=r"items.csv: no column 'Titel'.* did you mean `title`\?"):
        read_items(lay(tmp_path, {**SHOP, "tailrank.toml": kept}))


@pytest.mark.parametrize(
    "form", ["items.csv", "items.parquet", "items.parquet.gz", "items.jsonl", "items/1.csv"]
)
def test_one_table_that_has_it_is_enough_for_a_name_without_a_table(form: str, tmp_path: Path) -> None:
    items = pl.DataFrame({"item_id": [1, 2], "asin": ["a", "b"], "title": ["Tea", "Mug"]})
    lay(tmp_path, {form: items, "events.csv": SHOP["events.csv"].replace("item_id", "ITEM_ID")})
    data = Dataset.load(tmp_path, Reading(column_names(["item_id=asin"])))
    assert data.item_ids == ["a", "b"]
    assert data.histories.items.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("columns = ", "not readable TOML"),
        ("[rows]\n", "unknown 'rows'; there are [columns.items], [columns.events], [columns.impressions]."),
        ("[columns]\nevents = 3\n", "Write user_id ="),
        ("[columns.event]\n", "unknown table 'event'; did you mean `events`?"),
        ('[columns.events]\nuser = "userId"\n', "'user' is no column of events"),
        ("[columns.events]\nuser_id = 7\n", "Write user_id ="),
    ],
)
def test_what_a_folder_keeps_is_refused_by_name_if_it_is_anything_else(
    content: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as refusal:
        Dataset.load(lay(tmp_path, {**MOVIES, "tailrank.toml": content}))
    assert words in str(refusal.value)
    assert "tailrank.toml" in str(refusal.value)


@pytest.mark.parametrize(
    ("present", "guesses"),
    [
        (["Kundennr", "Artikelnr", "Datum", "Menge"], ["Kundennr", "Artikelnr", "Datum", "Menge"]),
        (["user_id", "asin", "parent_asin", "rating", "timestamp"], [None, "parent_asin", None, "rating"]),
        (["CustomerID", "StockCode", "InvoiceDate", "Quantity"], None),
        (["User-ID", "ISBN", "Book-Rating"], ["User-ID", "ISBN", None, None]),
        (["user_id", "item_id", "timestamp", "value"], [None] * 4),
        (["x", "y", "z"], [None] * 4),
    ],
)
def test_guesses_for_events_of_well_known_kinds(present: list[str], guesses: list[str | None] | None) -> None:
    expected = zip(["user_id", "item_id", "timestamp", "value"], guesses or present, strict=True)
    assert guess_columns(present, EVENTS.columns) == {name: column for name, column in expected if column}


def test_guesses_for_items() -> None:
    present = ["Artikelnr", "Bezeichnung", "Warengruppe", "Preis"]
    assert guess_columns(present, ITEMS.columns) == {
        "item_id": "Artikelnr",
        "title": "Bezeichnung",
        "category": "Warengruppe",
    }


def test_guesses_are_kept_on_demand_only(tmp_path: Path) -> None:
    folder = lay(tmp_path / "films", MOVIES)
    first = run("validate", folder)
    assert first.exit_code == 1
    assert "items: by its names, more could be read: --map item_id=movieId; --guess keeps" in first.output
    assert not (folder / "tailrank.toml").exists()
    guessed = run("validate", folder, "--guess", "--map", "event=rating")
    assert guessed.exit_code == 0, guessed.output
    assert 'user_id = "userId"' in (folder / "tailrank.toml").read_text()
    assert "reads user_id from userId, item_id from movieId, timestamp, event from rating" in guessed.output
    Dataset.load(folder)
    assert "nothing to guess" in run("validate", folder, "--guess").output


def test_the_command_line_takes_names_and_says_what_it_reads(tmp_path: Path) -> None:
    folder = lay(tmp_path / "films", {**MOVIES, "tailrank.toml": NAMES.replace("movieId", "film")})
    words = ("--out", tmp_path / "model", "--encoder", "none", "--map", "item_id=movieId")
    result = run("train", "--data", folder, *words, "--fast")
    said = result.output if result.exception is None else str(result.exception)
    assert "ignored: rating" in result.output, said


def test_a_name_with_quotes_is_kept(tmp_path: Path) -> None:
    table = pl.DataFrame({'the "id"': ["a"], "title": ["Tea"]})
    lay(tmp_path, {"items.parquet": table})
    from tailrank.data.reading import as_settings

    (tmp_path / "tailrank.toml").write_text(as_settings({"items": {"item_id": 'the "id"'}}))
    assert read_items(tmp_path)["item_id"].to_list() == ["a"]
