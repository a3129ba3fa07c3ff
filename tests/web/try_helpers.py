"""The page "Try it", as somebody sees it who clicks and types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import httpx
from playwright.sync_api import Browser, Locator, Page, Request

from tailrank.benchmarks.launcher import Server

PATIENCE = 120_000
"""Milliseconds: the tests share their cores."""


class Tab:
    """A tab with the page open, and what a reader finds on it.

    Attributes
    ----------
    asked
        The requests that it sent, by their paths: bodies, the latest last.
    complaints
        Errors of the page's scripts.
    """

    def __init__(self, page: Page, server: Server) -> None:
        self.page, self.server = page, server
        self.asked: dict[str, list[Any]] = {}
        self.complaints: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("request", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(server.url)

    def _note(self, request: Request) -> None:
        path = request.url.removeprefix(self.server.url)
        self.asked.setdefault(path, []).append(json.loads(request.post_data or "null"))

    def ready(self) -> Self:
        """Wait for the lists of nobody."""
        self.rows(1).first.wait_for()
        if self.history():
            with self.answered():
                self.page.get_by_label("Whose?").select_option("nobody")
        return self

    def rows(self, side: int) -> Locator:
        """Find the rows of the left list, 0, or of the right one, 1."""
        return self.page.locator(f"ol[data-side='{side}'] > li")

    def ids(self, side: int = 1) -> list[str]:
        """List the items of a list, in their order."""
        found: list[str] = self.rows(side).evaluate_all("rows => rows.map(row => row.dataset.id)")
        return found

    def titles(self, side: int = 1) -> list[str]:
        return self.rows(side).locator(".title").all_inner_texts()

    def history(self) -> list[str]:
        """List the titles of the history, the latest first."""
        return self.past().all_inner_texts()

    def past(self) -> Locator:
        """Find the titles of the history."""
        return self.page.get_by_role("list", name="Events, the latest first").locator(".title")

    @contextmanager
    def answered(self) -> Iterator[None]:
        """Wait until the lists follow what is done meanwhile."""
        yield
        self.page.locator(".lists[aria-busy='false']").wait_for()

    def click(self, rank: int, side: int = 1) -> str:
        """Click on an item of a list; returns its id."""
        item = self.ids(side)[rank - 1]
        with self.answered():
            self.rows(side).nth(rank - 1).locator("button.item").click()
        return item

    def request(self) -> dict[str, Any]:
        """Give the latest request to rank."""
        body: dict[str, Any] = self.asked["/v1/rank"][-1]
        return body

    def rank(self, **changes: object) -> dict[str, Any]:
        """Ask the server what the page asked last, or something near it."""
        response = httpx.post(f"{self.server.url}/v1/rank", json={**self.request(), **changes})
        assert response.status_code == 200, response.text
        ranking: dict[str, Any] = response.json()
        assert not ranking["degraded"], ranking
        return ranking

    def close(self) -> None:
        self.page.close()
        assert self.complaints == []


@contextmanager
def tab(browser: Browser, server: Server, width: int = 1400, **how: Any) -> Iterator[Tab]:
    """Open the page in a tab of its own, and close it."""
    opened = Tab(browser.new_page(viewport={"width": width, "height": 900}, **how), server)
    yield opened
    opened.close()
