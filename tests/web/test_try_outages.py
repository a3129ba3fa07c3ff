"""The page "Try it" when the server is away or wants a key, and how quick it is."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser
from try_helpers import tab

from tailrank.benchmarks.launcher import Server

READ, WRITE = "a-key-that-may-read-only", "a-key-that-may-write-too"

CLICK = """() => new Promise(done => {
    const list = document.querySelector("ol[data-side='1']");
    const started = performance.now();
    const shown = () => requestAnimationFrame(() => done(performance.now() - started));
    new MutationObserver((_, seen) => { seen.disconnect(); shown(); }).observe(list, { childList: true });
    list.querySelector("li:nth-child(3) button").click();
})"""
"""Clicks on an item; gives the milliseconds until its list is on the screen in another order."""


DRAG = """() => new Promise(done => {
    const slider = document.getElementById("dial-tail");
    const answers = () => performance.getEntriesByType("resource");
    const ranked = () => answers().filter(each => each.name.endsWith("/v1/rank")).length;
    performance.setResourceTimingBufferSize(10_000);
    let [longest, moves] = [0, 0];
    const note = entry => { longest = Math.max(longest, entry.duration); };
    new PerformanceObserver(list => list.getEntries().forEach(note)).observe({ type: "longtask" });
    const [started, before] = [performance.now(), ranked()];
    const move = () => {
        const seconds = (performance.now() - started) / 1000;
        if (seconds > 2) return done([(ranked() - before) / seconds, longest]);
        slider.value = (++moves % 100) / 100;
        slider.dispatchEvent(new Event("input", { bubbles: true }));
        requestAnimationFrame(move);
    };
    move();
})"""
"""Moves a slider with each frame for two seconds; gives rankings a second, and the longest task in ms."""


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(model, tmp_path_factory.mktemp("state")) as server:
        yield server


@pytest.fixture(scope="module")
def locked(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"read:{READ}\nread+write:{WRITE}\n", encoding="utf-8")
    with Server(model, tmp_path_factory.mktemp("state"), "--keys", str(keys)) as server:
        yield server


def test_a_server_that_is_away_and_comes_back(browser: Browser, server: Server) -> None:
    with tab(browser, server) as page:
        panel = page.ready().page.get_by_role("region", name="After the score")
        assert "What they cost isn't known" in panel.inner_text()
        page.click(1)
        page.page.get_by_text("The server stored 1 click of user").wait_for()
        before, clicked = page.ids(), page.ids()[2]
        server.kill()
        page.rows(1).nth(2).locator("button.item").click()
        away = page.page.get_by_role("alert").filter(has_text="The server can't be reached.")
        away.wait_for()
        assert page.ids() == before
        assert len(page.history()) == 2
        server.start()
        away.wait_for(state="hidden")
        with page.answered():
            page.page.get_by_text("The server stored 2 clicks of user").wait_for()
        assert page.ids() == [item["id"] for item in page.rank()["items"][:10]]
        assert clicked not in page.ids()
        user = page.asked["/v1/events"][0]["user_id"]
        stored = httpx.get(f"{server.url}/v1/users/{user}").json()["events"]
        assert [each["item_id"] for each in stored][1:] == [clicked]


def test_a_key_is_asked_for_and_shown_nowhere(browser: Browser, locked: Server) -> None:
    with tab(browser, locked) as page:
        for wrong in ("no-key-of-this-server", READ):
            page.page.get_by_label("API key").fill(wrong)
            page.page.get_by_role("button", name="Go on").click()
            if wrong != READ:
                page.page.get_by_text("It doesn't know the key that you gave.").wait_for()
        page.ready().click(1)
        assert len(page.history()) == 1  # the lists go by the click, but nobody may store it
        page.page.get_by_role("alert").filter(
            has_text="Not stored: this key doesn't allow to write"
        ).wait_for()
        for language in ("curl", "Python"):
            page.page.get_by_role("button", name=language).click()
            code = page.page.get_by_role("region", name="The same from your code").inner_text()
            assert "TAILRANK_KEY" in code
            assert READ not in page.page.content()
        kept = page.page.evaluate(
            "() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])"
        )
        assert kept == '[{},{},""]'


@pytest.mark.slow
def test_how_quick_it_is(browser: Browser, server: Server) -> None:
    with tab(browser, server) as page:
        page.ready()
        painted = page.page.evaluate(
            "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
        )
        clicks = []
        for _ in range(15):
            clicks.append(page.page.evaluate(CLICK))
            page.page.wait_for_timeout(250)
        rate, longest = page.page.evaluate(DRAG)
    median = statistics.median(clicks)
    print(f"first paint {painted:.0f} ms, click {median:.0f} ms, {rate:.0f}/s, longest task {longest:.0f} ms")
    assert painted < 3_000
    assert median < 500
    assert rate > 5
    assert longest < 500
