"""Public sets: parsed from the publishers' formats and prepared once as data folders."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zipfile
from pathlib import Path

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from tailrank.cli.data import datasets
from tailrank.data.dataset import Dataset
from tailrank.data.parsers import movielens_100k, recbole_100k
from tailrank.data.public import PUBLIC, fetch, is_prepared, prepared_path
from tailrank.data.validation import validate
from tailrank.errors import DataError
from tailrank.files import sha256_of

GENRES = 19


def film(number: int, title: str, *flags: int) -> str:
    """One line of `u.item`."""
    marks = "|".join("1" if at in flags else "0" for at in range(GENRES))
    return f"{number}|{title}|01-Jan-1995||http://us.imdb.com/M|{marks}\n"


OFFICIAL_100K = {
    "u.item": (
        film(1, "Toy Story (1995)", 3, 4, 5)
        + film(267, "unknown", 0)
        + film(543, "Misérables, Les (1995)", 8, 12)
        + film(1412, 'Land Before "Time" III (1995) (V)', 10, 15)
    ).encode("latin-1"),
    "u.data": b"196\t1\t5\t881250949\n196\t543\t3\t881250950\n7\t267\t1\t881250951\n7\t1412\t4\t881250952\n",
}
ATOMIC_100K = {
    "ml-100k.item": (
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "1\tToy Story\t1995\tAnimation Children's Comedy\n"
        "267\tunkonwn\tunkonwn\tunknown\n"
        "543\tMisérables, Les\t1995\tDrama Musical\n"
        '1412\tLand Before "Time" III (1995)\tV\tFilm-Noir Sci-Fi\n'
    ).encode(),
    "ml-100k.inter": b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    + OFFICIAL_100K["u.data"],
}
SMALL = {
    "movies.csv": "movieId,title,genres\n"
    '1,"Toy, Story (1995)",Adventure|Sci-Fi\n'
    "2,Nameless,(no genres listed)\n",
    "ratings.csv": "userId,movieId,rating,timestamp\n"
    "1,1,4.5,964982703\n1,2,2.0,964981247\n2,1,3.5,964982224\n",
}


def review(user: str, item: str, time: int, overall: float = 5.0) -> dict[str, object]:
    """One review as the publisher writes it."""
    return {
        "reviewerID": user,
        "asin": item,
        "reviewerName": 'J. "Jo" O\'Neil',
        "helpful": [0, 1],
        "reviewText": "Fine.",
        "overall": overall,
        "unixReviewTime": time,
        "reviewTime": "01 30, 2014",
    }


def packed(records: list[object], write: object = json.dumps) -> bytes:
    """Records, one a line, in gzip."""
    return gzip.compress("".join(f"{write(record)}\n" for record in records).encode())  # type: ignore[operator]


BEAUTY = {
    "reviews_Beauty_5.json.gz": packed(
        [review("u", "B2", 86400), review("u", "B1", 86400, 2.0), review("u", "B3", 0), review("v", "B1", 5)]
    ),
    "meta_Beauty.json.gz": packed(
        [
            {"asin": "B9", "title": "Never reviewed"},
            {
                "asin": "B1",
                "title": "Rosie's &quot;Red&quot;\n Lacquer",
                "brand": "Rosie",
                "price": 3.5,
                "categories": [["Beauty", "Nails"], ["Beauty", "Gifts"]],
                "description": "<style>b {color: red}</style><b>Shiny</b> &amp; red: I <3 it > all",
                "related": {"also_bought": ["B2"]},
            },
            {"asin": "B2", "salesRank": {"Beauty": 7}, "categories": [["Beauty"]]},
        ],
        repr,
    ),
}


def lay(folder: Path, files: dict[str, bytes] | dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def archive(
    files: dict[str, bytes] | dict[str, str], inside: str = "", how: int = zipfile.ZIP_DEFLATED
) -> bytes:
    """The files in a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as zipped:
        for name, content in files.items():
            zipped.writestr(inside + name, content)
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAILRANK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_both_routes_to_movielens_100k_give_the_same_tables(tmp_path: Path) -> None:
    lay(tmp_path, OFFICIAL_100K | ATOMIC_100K)
    official = movielens_100k({name: tmp_path / name for name in OFFICIAL_100K})
    recbole = recbole_100k({name: tmp_path / name for name in ATOMIC_100K})
    assert official.items.equals(recbole.items)
    assert official.events.equals(recbole.events)
    assert official.items.rows() == [
        ("1", "Toy Story (1995)", 1995, ["Animation", "Children's", "Comedy"]),
        ("267", "unknown", None, ["unknown"]),
        ("543", "Misérables, Les (1995)", 1995, ["Drama", "Musical"]),
        ("1412", 'Land Before "Time" III (1995) (V)', 1995, ["Film-Noir", "Sci-Fi"]),
    ]
    assert official.events.rows()[0] == ("196", "1", 881250949, "like", 5.0)
    assert official.events["event"].to_list() == ["like", "rating", "dislike", "like"]


@pytest.mark.parametrize("packing", ["plain", "folder", "zip"])
def test_movielens_small_from_a_folder(packing: str, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    if packing == "zip":
        lay(raw, {"ml-latest-small.zip": archive(SMALL, "ml-latest-small/")})
    else:
        lay(raw / "ml-latest-small" if packing == "folder" else raw, SMALL)
    before = {path: sha256_of(path) for path in raw.rglob("*") if path.is_file()}
    folder = fetch("movielens-small", source=raw)
    assert folder == prepared_path("movielens-small")
    assert names(folder) == ["events.parquet", "items.parquet", "source.json"]
    assert pl.read_parquet(folder / "items.parquet").rows() == [
        ("1", "Toy, Story (1995)", 1995, ["Adventure", "Sci-Fi"]),
        ("2", "Nameless", None, []),
    ]
    assert pl.read_parquet(folder / "events.parquet")["event"].to_list() == ["like", "dislike", "rating"]
    assert [check for check in validate(folder) if check.status == "FAIL"] == []
    about = json.loads((folder / "source.json").read_text())
    assert (about["users"], about["items"], about["events"]) == (2, 2, 3)
    assert "Harper" in about["citation"]
    assert about["sha256"]["movies.csv"] == hashlib.sha256(SMALL["movies.csv"].encode()).hexdigest()
    assert {path: sha256_of(path) for path in raw.rglob("*") if path.is_file()} == before


def test_amazon_2014_orders_ties_by_item_and_keeps_items_without_metadata(tmp_path: Path) -> None:
    folder = fetch("amazon-beauty", tmp_path / "out", lay(tmp_path / "raw", BEAUTY))
    items, events = (pl.read_parquet(folder / f"{name}.parquet") for name in ("items", "events"))
    assert items.rows() == [
        ("B1", 'Rosie\'s "Red" Lacquer', "Rosie", ["Beauty", "Nails", "Gifts"], "Shiny & red: I <3 it > all"),
        ("B2", None, None, ["Beauty"], None),
        ("B3", None, None, None, None),
    ]
    assert events.select(
        "user_id", "item_id", "position", "elapsed_seconds", "timestamp", "value"
    ).rows() == [
        ("u", "B3", 0, 0, 0, 5.0),
        ("u", "B1", 1, 86400, 86400, 2.0),
        ("u", "B2", 2, 86400, 86400, 5.0),
        ("v", "B1", 0, 0, 5, 5.0),
    ]


def test_amazon_scientific_is_filtered_to_a_5_core(tmp_path: Path) -> None:
    items = [f"S{n}" for n in range(5)]
    reviews = [review(f"u{user}", item, 10 * at) for user in range(5) for at, item in enumerate(items)]
    reviews += [reviews[0], review("u0", "S0", 99), review("u0", "SX", 1), review("v", "S0", 3)]
    meta = [
        {"asin": item, "title": f"Part {item}", "category": ["Lab"], "description": ["a", "b"]}
        for item in items
    ]
    files = {
        "Industrial_and_Scientific_5.json.gz": packed(list(reviews)),
        "meta_Industrial_and_Scientific.json.gz": packed([*meta, meta[0]]),
    }
    data = Dataset.load(fetch("amazon-scientific", source=lay(tmp_path / "raw", files)))
    assert (data.n_users, data.item_ids, len(data.histories.items)) == (5, items, 25)
    assert data.items.row(0) == ("S0", "Part S0", None, ["Lab"], "a b")


def test_complete_journey_from_its_package() -> None:
    data = Dataset.load(fetch("complete-journey"))
    assert (data.n_users, data.n_items, len(data.histories.items)) == (2469, 68509, 1469307)
    titles = dict(data.items.select("item_id", "title").iter_rows())
    assert titles["26093"] == "Bread: italian/french, bread, private brand, pastry"
    assert titles["5978656"] is None
    assert data.event_types == ("purchase",)


def test_a_folder_prepared_before_is_taken_over(tmp_path: Path) -> None:
    before = lay(
        tmp_path / "old",
        {"items.csv": "item_id,title\n1,Tea\n", "events.csv": "user_id,item_id,position\n7,1,0\n"},
    )
    folder = fetch("amazon-toys", tmp_path / "new", before)
    assert Dataset.load(folder).item_ids == ["1"]
    assert is_prepared(folder, "amazon-toys")


FETCHED_BADLY: dict[str, tuple[str, dict[str, bytes] | dict[str, str], str]] = {
    "nothing there": ("amazon-beauty", {}, "holds neither reviews_Beauty_5.json.gz and meta_Beauty.json.gz"),
    "half of it": ("amazon-beauty", {"meta_Beauty.json.gz": BEAUTY["meta_Beauty.json.gz"]}, "holds neither"),
    "neither distribution": (
        "movielens-100k",
        {"u.item": b""},
        "u.item and u.data, or ml-100k.inter and ml-100k.item",
    ),
    "truncated reviews": (
        "amazon-beauty",
        BEAUTY | {"reviews_Beauty_5.json.gz": BEAUTY["reviews_Beauty_5.json.gz"][:-20]},
        "not the original files of amazon-beauty",
    ),
    "code in metadata": (
        "amazon-beauty",
        BEAUTY
        | {"meta_Beauty.json.gz": packed(["{'asin': 'B1', 'title': open('/etc/passwd').read()}"], str)},
        "not the original files",
    ),
    "reviews of another shape": (
        "amazon-beauty",
        BEAUTY | {"reviews_Beauty_5.json.gz": packed([{"user": "u", "item": "B1"}])},
        "not the original files of amazon-beauty: items: missing or unreadable item_id",
    ),
    "other columns": (
        "movielens-small",
        SMALL | {"movies.csv": "id,name\n1,Tea\n"},
        "not the original files",
    ),
    "damaged archive": ("movielens-small", {"ml-latest-small.zip": archive(SMALL)[:-9]}, "damaged archive"),
    "unknown items": (
        "movielens-small",
        SMALL | {"movies.csv": "movieId,title,genres\n1,Tea,Drama\n"},
        "not the original files.*unknown item_id",
    ),
    "prepared but broken": (
        "amazon-toys",
        {"items.csv": "item_id\n1\n1\n", "events.csv": "user_id,item_id,position\n7,1,0\n"},
        "duplicate item_id",
    ),
}


@pytest.mark.parametrize("case", FETCHED_BADLY)
def test_bad_originals_are_refused_and_nothing_is_written(case: str, tmp_path: Path) -> None:
    name, files, words = FETCHED_BADLY[case]
    raw = lay(tmp_path / "raw", files)
    with pytest.raises(DataError, match=words):
        fetch(name, tmp_path / "out", raw)
    assert names(tmp_path) == ["cache", "raw"]
    assert names(raw) == sorted(files)


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    mine = lay(tmp_path / "mine", {"thesis.txt": "years of work"})
    with pytest.raises(DataError, match="is there already"):
        fetch("movielens-small", mine, lay(tmp_path / "raw", SMALL))
    assert names(mine) == ["thesis.txt"]
    (tmp_path / "empty").mkdir()
    assert is_prepared(fetch("movielens-small", tmp_path / "empty", tmp_path / "raw"), "movielens-small")
    with pytest.raises(DataError, match="is there already"):
        fetch("movielens-small", tmp_path / "empty", tmp_path / "raw")


def test_unwritable_places_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file/out: can't be written"):
        fetch("movielens-small", tmp_path / "file" / "out", lay(tmp_path / "raw", SMALL))


def test_unknown_names_and_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no public data set 'netflix'. Choose one of movielens-100k, "):
        fetch("netflix")
    with pytest.raises(DataError, match="nowhere: no such folder"):
        fetch("movielens-small", source=tmp_path / "nowhere")


def test_commands(tmp_path: Path) -> None:
    app = typer.Typer()
    app.add_typer(datasets, name="datasets")
    run = CliRunner(env={"COLUMNS": "200"}).invoke
    assert all(name in run(app, ["datasets", "list"]).output for name in PUBLIC)
    raw = lay(tmp_path / "raw", SMALL)
    got = run(app, ["datasets", "get", "movielens-small", "--from", str(raw)])
    assert got.exit_code == 0
    assert got.output.strip() == str(prepared_path("movielens-small"))
    lines = run(app, ["datasets", "list"]).output.splitlines()
    assert ["yes" in line for line in lines if "movielens-small" in line] == [True]
    assert isinstance(run(app, ["datasets", "get", "netflix"]).exception, DataError)


def test_every_set_says_where_it_comes_from() -> None:
    for name, chosen in PUBLIC.items():
        assert all((chosen.licence, chosen.citation, chosen.distributions)), name
        assert chosen.homepage.startswith("https://"), name
