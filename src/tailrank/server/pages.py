"""The pages that the server shows, with their scripts and styles: built from `web/`, in the package."""

from __future__ import annotations

import gzip
from functools import cache
from importlib.resources import files
from typing import Final

from tailrank.server.exchange import Answer

POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content Security Policy (W3C, level 3): nothing from elsewhere, no script that an item's text brings."""

PAGE_HEADERS: Final = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)

ASSET_HEADERS: Final = (
    (b"content-encoding", b"gzip"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"public, max-age=31536000, immutable"),
)
"""A script's or style's name says what is in it, so it never changes."""

MEDIA_TYPES: Final = {"js": b"text/javascript; charset=utf-8", "css": b"text/css; charset=utf-8"}

_BUILT: Final = files("tailrank.server") / "web"


@cache
def page(name: str, *, has_tasks: bool = False, ranks: bool = True) -> Answer:
    """Give a page by its name; it links to those that have something on them.

    Examples
    --------
    >>> page("try").status, page("try").media_type
    (200, b'text/html; charset=utf-8')
    """
    body = (_BUILT / f"{name}.html").read_bytes()
    if has_tasks:
        marked = b'<div id="page" data-tasks>' if ranks else b'<div id="page" data-tasks="only">'
        body = body.replace(b'<div id="page">', marked)
    return Answer(body, media_type=b"text/html; charset=utf-8", headers=PAGE_HEADERS)


@cache
def assets() -> dict[str, Answer]:
    """Give scripts and styles by their file names, packed."""
    return {
        file.name: Answer(gzip.compress(file.read_bytes(), mtime=0), 200, MEDIA_TYPES[kind], ASSET_HEADERS)
        for file in _BUILT.iterdir()
        if (kind := file.name.rpartition(".")[2]) in MEDIA_TYPES
    }
