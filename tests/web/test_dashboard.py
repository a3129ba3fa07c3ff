"""The dashboard of one real server that logs, learns, compares and holds items, as a browser shows it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tailrank import api
from tailrank.benchmarks.launcher import Server
from tailrank.client import Client
from tailrank.ranking.registry import Registry
from tailrank.screening.screen import Screen

CANDIDATES = ["1", "50", "172", "174", "181", "210", "257", "300", "405", "1000", "1201", "1650"]
HOSTILE = '<img src=x onerror="document.title=1">'
SETTLED = 200
"""Seconds after which it is known which items of a list were clicked."""

RULES = """
version = "june"

[[rule]]
id = "<b>quiet</b>"
when = "title = 'nothing'"
then = "bury"
"""


def fill(url: str) -> None:
    """Do what real users do, a bit of it a few minutes ago; and put two items that are held."""
    if time.time() % 86_400 < SETTLED:  # the page tells of today
        time.sleep(SETTLED)
    now = time.time()
    with Client(url) as client:
        client.put_items(
            {"item_id": "h1", "title": f"banned {HOSTILE}"}, {"item_id": "<i>h2</i>", "title": "banned, too"}
        )
        earlier = now - SETTLED
        client.add_impressions(
            *(api.Impression(f"r{n}", CANDIDATES[:5], earlier, user_id=f"u{n}") for n in range(8))
        )
        client.add_events(
            *(
                api.Event(f"c{n}", f"u{n}", CANDIDATES[n % 2], "click", earlier + 5, ranking_id=f"r{n}")
                for n in range(6)
            )
        )
    for n in range(40):
        asked = {"user": f"u{n % 8}", "candidates": CANDIDATES[n % 4 :]}
        if n % 10 == 0:
            asked["deadline_ms"] = 0.001
        assert httpx.post(f"{url}/v1/rank", json=asked).status_code == 200


@pytest.fixture(scope="module")
def registry(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    found = Registry(tmp_path_factory.mktemp("registry"))
    first, second = found.copy(model), found.copy(model)
    found.promote(first)
    found.promote(second)
    return found


@pytest.fixture(scope="module")
def server(registry: Registry, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("dashboard")
    (folder / "rules.toml").write_text(RULES)
    Screen("{title}", {"": ["banned"]}).write(folder / "screen.json")
    options = [
        *("--log-impressions", str(folder / "log"), "--learn"),
        *("--policies", str(folder / "rules.toml"), "--screen", str(folder / "screen.json")),
        *("--challenger", str(model)),
    ]
    with Server(registry.folder / "current", folder / "state", *options) as running:
        fill(running.url)
        yield running


@pytest.fixture
def page(server: Server, browser: Browser) -> Iterator[Page]:
    found, complaints = browser.new_page(), list[str]()
    found.on("pageerror", lambda error: complaints.append(str(error)))
    found.goto(f"{server.url}/dashboard")
    expect(found.get_by_role("status").first).to_contain_text("Live")
    yield found
    assert complaints == []
    found.close()


def card(page: Page, title: str) -> object:
    return page.get_by_role("region", name=title)


def fact(page: Page, name: str) -> int:
    text = page.locator(".facts div", has=page.get_by_text(name, exact=True)).locator("dd").inner_text()
    return int(text.replace(",", ""))


def metric(server: Server, series: str) -> int:
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return int(sum(float(line.rpartition(" ")[2]) for line in lines if re.match(series, line)))


def test_figures_are_those_of_prometheus(server: Server, page: Page) -> None:
    time.sleep(1.5)  # so that what the page shows is of after the last request
    assert fact(page, "Rankings since the start") == 40
    for name, series in [
        ("Rankings since the start", r'tailrank_request_seconds_count\{endpoint="rank"'),
        ("Events since the start", "tailrank_events_total"),
        ("Shed to stay fast", "tailrank_shed_total"),
        ("Head: items ranked in the first ten", r'tailrank_exposure_total\{popularity="head"'),
        ("Tail: items ranked in the first ten", r'tailrank_exposure_total\{popularity="tail"'),
    ]:
        assert fact(page, name) == metric(server, series), name
    degraded = metric(server, r'tailrank_degraded_total\{reason="deadline"')
    assert degraded == 4
    expect(page.locator("#degraded")).to_contain_text("4 by deadline")
