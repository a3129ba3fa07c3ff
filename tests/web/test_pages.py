"""What all pages share: built from the source that is there, nothing from elsewhere, safe headers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs.shop import ROOT
from playwright.sync_api import Browser, expect
from try_helpers import PATIENCE, tab

from tailrank.benchmarks.launcher import Server
from tailrank.server.pages import assets

WEB = ROOT / "web"
BUILT = ROOT / "src" / "tailrank" / "server" / "web"


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that explores, by upper bounds: the same list comes each time."""
    folder = tmp_path_factory.mktemp("pages")
    options = "--log-impressions", str(folder / "log"), "--learn", "--explore", "ucb"
    with Server(model, folder / "state", *options) as server:
        yield server


def test_what_is_built_is_built_from_this_source() -> None:
    kept = [WEB / "build.mjs", WEB / "package-lock.json", WEB / "tsconfig.json"]
    sources = {
        path.relative_to(WEB).as_posix(): path.read_bytes()
        for path in (*WEB.joinpath("src").rglob("*"), *kept)
        if path.is_file()
    }
    digest = hashlib.sha256(b"".join(f"{name}\0".encode() + sources[name] for name in sorted(sources)))
    built = json.loads(BUILT.joinpath("build.json").read_text(encoding="utf-8"))
    assert built["source"] == digest.hexdigest(), "build the pages anew: make web"


@pytest.mark.parametrize(
    ("path", "name"), [("/", "try it"), ("/dashboard", "dashboard"), ("/tasks", "tasks")]
)
def test_a_page_opens_and_asks_nobody_else(server: Server, browser: Browser, path: str, name: str) -> None:
    page, asked, complaints = browser.new_page(), set(), []
    page.on("request", lambda request: asked.add(request.url.split("/")[2]))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    place = f"127.0.0.1:{server.port}"
    answer = page.goto(f"http://{place}{path}")
    page.get_by_role("heading", level=1).wait_for()
    assert page.title() == f"tailrank: {name}"
    assert answer is not None
    assert "default-src 'none'; script-src 'self'" in answer.headers["content-security-policy"]
    assert asked == {place}
    assert complaints == []
    page.close()


def test_a_server_without_tasks_says_so_and_links_to_none(server: Server, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.port}/tasks")
    page.get_by_text("This server labels no texts, answers no customers and shows no monitor").wait_for()
    page.goto(f"http://127.0.0.1:{server.port}/dashboard")
    expect(page.get_by_role("navigation").get_by_role("link")).to_have_text(
        ["Try it", "Dashboard", "API"], timeout=PATIENCE
    )
    page.close()


def test_exploration_is_turned_down_and_up_again(server: Server, browser: Browser) -> None:
    with tab(browser, server) as page:
        page.ready()
        for rank in (3, 3, 3):
            page.click(rank)
        explored, slider = page.ids(), page.page.get_by_label("Exploration")
        assert (slider.input_value(), slider.get_attribute("max")) == ("5", "5")
        lists = {}
        for moves in (0, 2, 5):
            with page.answered():
                slider.fill(str(moves))
            lists[moves] = page.ids()
            assert lists[moves] == [item["id"] for item in page.rank()["items"][:10]]
        assert page.request()["policy"] == []
        plain = [item["id"] for item in page.rank(policy=[{"name": "exploration", "moves": 0}])["items"]]
        assert lists[0] == plain[:10] != explored == lists[5]
        for moves, found in lists.items():
            assert max(abs(rank - plain.index(item)) for rank, item in enumerate(found)) <= moves
        with page.answered():
            page.page.get_by_label("Left list: how it is made").select_option("without policies")
        assert page.ids(0) == lists[0]


def test_the_first_page_is_light() -> None:
    assert sum(len(asset.body) for name, asset in assets().items() if "dashboard" not in name) < 300_000
