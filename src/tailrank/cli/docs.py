"""`tailrank docs`: the documentation of the version that is installed, in a browser, without a network."""

from __future__ import annotations

import contextlib
import threading
import webbrowser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from mimetypes import guess_type
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import unquote, urlsplit
from zipfile import ZipFile

import typer

from tailrank.errors import RequestError, first_line

PAGES: Final = Path(__file__).parents[1] / "docs.zip"
"""The site, as `make docs` and a release build it. It is served, as pages opened as files can't search."""


class PageServer(ThreadingHTTPServer):
    """Serves the files of an archive to this machine.

    Parameters
    ----------
    archive
        The built site.
    port
        To listen on; 0 takes one that is free.
    """

    daemon_threads = True

    def __init__(self, archive: ZipFile, port: int) -> None:
        super().__init__(("127.0.0.1", port), PageHandler)
        self.archive = archive
        self.files = frozenset(archive.namelist())


class PageHandler(BaseHTTPRequestHandler):
    """Answers with a file of the archive."""

    server: PageServer

    def do_GET(self) -> None:
        """Send the file that the address names, or the page that says that there is none."""
        name = unquote(urlsplit(self.path).path).removeprefix("/")
        if not name or name.endswith("/"):
            name += "index.html"
        found = name in self.server.files
        name = name if found else "404.html"
        body = self.server.archive.read(name)
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", guess_type(name)[0] or "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing: what is read is nobody's concern."""


def docs(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of this machine to serve on; 0 takes a free one.")
    ] = 0,
) -> None:
    """Show this documentation in a browser, until stopped; it needs no network."""
    if not PAGES.exists():
        raise RequestError(f"{PAGES}: missing: `make docs` in a checkout writes it; released wheels hold it")
    with ZipFile(PAGES) as archive:
        try:
            server = PageServer(archive, port)
        except OSError as why:
            raise RequestError(f"--port {port}: {first_line(why)}: name another, or none") from None
        with server, contextlib.suppress(KeyboardInterrupt):
            address = f"http://127.0.0.1:{server.server_port}/"
            typer.echo(f"{address}\nCtrl+C stops it")
            # Beside the server, as a browser of the terminal would hold it up.
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
            server.serve_forever()
