"""`tailrank docs`: what the archive holds is served to this machine, as a browser needs it."""

import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from urllib.error import HTTPError
from urllib.request import urlopen
from zipfile import ZipFile

import pytest
from docs.build_site import pack
from typer.testing import CliRunner

from tailrank.cli import docs
from tailrank.cli.main import app
from tailrank.errors import RequestError


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    (site / "docs").mkdir(parents=True)
    for name in ("index.html", "404.html", "docs/index.html", "search.json", "style.css", "LICENSE"):
        (site / name).write_text(name)
    pack(site, tmp_path / "docs.zip")
    return tmp_path / "docs.zip"


@pytest.fixture
def address(archive: Path) -> Iterator[str]:
    with ZipFile(archive) as packed, docs.PageServer(packed, 0) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "file", "kind"),
    [
        ("/", "index.html", "text/html"),
        ("/docs/?q=1", "docs/index.html", "text/html"),
        ("/search.json", "search.json", "application/json"),
        ("/style.css", "style.css", "text/css"),
        ("/LICENSE", "LICENSE", "text/plain"),
    ],
)
def test_the_files_of_the_archive_are_served(address: str, path: str, file: str, kind: str) -> None:
    with urlopen(address + path) as answer:
        assert (answer.read().decode(), answer.headers["Content-Type"]) == (file, kind)


@pytest.mark.parametrize("path", ["/gone.html", "/../pyproject.toml", "/%2e%2e/pyproject.toml"])
def test_what_is_not_in_the_archive_is_not_found(address: str, path: str) -> None:
    with pytest.raises(HTTPError) as found:
        urlopen(address + path)
    assert (found.value.code, found.value.read()) == (404, b"404.html")


def test_a_browser_is_opened_and_the_address_printed(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: Queue[str] = Queue()
    asked: list[str] = []

    def stopped(_: docs.PageServer) -> None:
        asked.append(opened.get(timeout=30))
        raise KeyboardInterrupt

    monkeypatch.setattr(docs, "PAGES", archive)
    monkeypatch.setattr("webbrowser.open", opened.put)
    monkeypatch.setattr(docs.PageServer, "serve_forever", stopped)
    printed = CliRunner().invoke(app, ["docs"])
    assert printed.exit_code == 0
    assert printed.output.splitlines() == [*asked, "Ctrl+C stops it"]


def test_a_port_in_use_and_missing_pages_are_mistakes_with_a_remedy(
    archive: Path, address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    port = address.rsplit(":", 1)[1]
    monkeypatch.setattr(docs, "PAGES", archive)
    with pytest.raises(RequestError, match=rf"--port {port}: Address already in use: name another, or none"):
        docs.docs(int(port))
    monkeypatch.setattr(docs, "PAGES", tmp_path / "none.zip")
    with pytest.raises(RequestError, match=r"none.zip: missing: `make docs` in a checkout writes it"):
        docs.docs()


def test_an_archive_is_the_same_whenever_it_is_written(archive: Path) -> None:
    first = archive.read_bytes()
    for file in archive.with_name("site").rglob("*"):
        file.touch(mode=0o700)
    pack(archive.with_name("site"), archive)
    assert archive.read_bytes() == first
