"""What every server answers, whether it ranks or only labels texts."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import ClassVar

from tailrank import api
from tailrank.server.call import Call, encode
from tailrank.server.exchange import Answer
from tailrank.server.openapi import description
from tailrank.server.openapi_page import docs_page
from tailrank.server.pages import assets
from tailrank.server.route import Route
from tailrank.server.routes import ROUTES


class BasicEndpoints:
    """Its description, the files of its pages, and whether it runs.

    Attributes
    ----------
    routes
        What can be requested.
    """

    routes: ClassVar[tuple[Route, ...]] = ROUTES

    def asset(self, call: Call) -> Answer:
        """Give a script or style of a page."""
        found = assets().get(call.name)
        return found or Answer(encode(api.ErrorResponse("no page has such a file")), 404)

    def openapi(self, _: Call) -> Answer:
        """Describe all this to programs."""
        return Answer(_description(self.routes))

    def docs(self, _: Call) -> Answer:
        """Describe all this to readers."""
        return Answer(_docs_page(self.routes), media_type=b"text/html; charset=utf-8")

    def alive(self, _: Call) -> Answer:
        """Confirm that the process runs."""
        return Answer(b'{"status":"alive"}')


@cache  # anybody may ask for it, so it must cost little
def _description(routes: tuple[Route, ...]) -> bytes:
    return encode(description(version("tailrank"), routes))


@cache
def _docs_page(routes: tuple[Route, ...]) -> bytes:
    return docs_page(description(version("tailrank"), routes))
