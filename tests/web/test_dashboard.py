"""The dashboard of one real server that logs, learns, compares and holds items, as a browser shows it."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from bench.waiting import wait_until
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect
from try_helpers import PATIENCE

from tailrank.api_stored import Event, Impression
from tailrank.benchmarks.launcher import Server
from tailrank.client import Client
from tailrank.feedback.log_tables import read_log
from tailrank.ranking.registry import Registry
from tailrank.ranking.reranker import Reranker
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

expect.set_options(timeout=PATIENCE)


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
            *(Impression(f"r{n}", CANDIDATES[:5], earlier, user_id=f"u{n}") for n in range(8))
        )
        client.add_events(
            *(
                Event(f"c{n}", f"u{n}", CANDIDATES[n % 2], "click", earlier + 5, ranking_id=f"r{n}")
                for n in range(6)
            )
        )
    for n in range(40):
        asked: dict[str, object] = {"user": f"u{n % 8}", "candidates": CANDIDATES[n % 4 :]}
        if n % 10 == 0:  # too soon for any ranking
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
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dashboard")


@pytest.fixture(scope="module")
def server(registry: Registry, model: Path, folder: Path) -> Iterator[Server]:
    (folder / "rules.toml").write_text(RULES)
    Screen("{title}", {"": ["banned"], "de": []}).write(folder / "screen.json")
    options = [
        *("--log-impressions", str(folder / "log"), "--learn"),
        *("--policies", str(folder / "rules.toml"), "--screen", str(folder / "screen.json")),
        *("--challenger", str(model)),
    ]
    with Server(registry.folder / "current", folder / "state", *options) as running:
        fill(running.url)
        wait_until(lambda: read_log(folder / "log").shown.collect().height == 48, 60)
        yield running


@pytest.fixture
def page(server: Server, browser: Browser) -> Iterator[Page]:
    found, complaints = browser.new_page(), list[str]()
    found.set_default_timeout(PATIENCE)
    found.on("pageerror", lambda error: complaints.append(str(error)))
    found.goto(f"{server.url}/dashboard")
    expect(found.get_by_role("status").first).to_contain_text("Live")
    yield found
    assert complaints == []
    found.close()


def fact(page: Page, name: str) -> Locator:
    return page.locator(".facts div", has=page.get_by_text(name, exact=True)).locator("dd")


def metric(server: Server, series: str) -> int:
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return int(sum(float(line.rpartition(" ")[2]) for line in lines if re.match(series, line)))


def test_figures_are_those_of_prometheus(server: Server, page: Page) -> None:
    expect(fact(page, "Rankings since the start")).to_have_text("40")
    for name, series in [
        ("Rankings since the start", r'tailrank_request_seconds_count\{endpoint="rank"'),
        ("Events since the start", "tailrank_events_total"),
        ("Shed to stay fast", "tailrank_shed_total"),
        ("Head: items ranked in the first ten", r'tailrank_exposure_total\{popularity="head"'),
        ("Tail: items ranked in the first ten", r'tailrank_exposure_total\{popularity="tail"'),
    ]:
        expect(fact(page, name)).to_have_text(f"{metric(server, series):,}")
    assert metric(server, r'tailrank_degraded_total\{reason="deadline"') == 4
    expect(page.locator("#degraded")).to_contain_text("4 by deadline")


def test_what_was_shown_clicked_learned_and_compared_is_told(page: Page) -> None:
    shown = page.get_by_role("region", name="What is shown")
    expect(shown).to_contain_text(re.compile(r"showed \d+ of 1,\d+ items .* in the first ten of 4\d lists"))
    expect(shown).to_contain_text(
        re.compile(r"lists; Gini of exposure over the catalogue 0\.99\d*, from 0, all alike")
    )
    exposure = shown.get_by_role("figure", name=re.compile("^Exposure by item"))
    exposure.locator("summary").click()
    expect(exposure.get_by_role("row", name="1 100 1", exact=True)).to_be_visible()  # twelve of 1,684 items
    exposure.locator("summary").click()
    shown.get_by_label("Click rate by rank, today, as a table").click()
    rows = shown.locator("tbody tr")  # of eight lists, both first items were clicked three times
    expect(rows.nth(0)).to_have_text("137.5")
    expect(rows.nth(1)).to_have_text("237.5")
    expect(rows.nth(2)).to_have_text("30")
    learned = page.get_by_role("region", name="What clicks taught")
    expect(learned.get_by_role("img", name=re.compile("^semantic, .* weight: "))).to_be_visible()
    expect(page.get_by_role("region", name="Alerts")).to_contain_text("is watched")
    expect(page.get_by_role("region", name="Experiments")).to_contain_text(re.compile(": hold.*Users: 8"))
    rules = page.get_by_role("region", name="Policies and rules")
    expect(rules.get_by_role("row", name="<b>quiet</b> title = 'nothing' bury")).to_be_visible()
    expect(rules).to_contain_text("june@")


def test_each_tenth_of_the_catalogue_has_its_share_of_what_was_shown(
    page: Page, folder: Path, reranker: Reranker
) -> None:
    figure = page.get_by_role("figure", name=re.compile("^Exposure by decile of popularity"))
    figure.locator("summary").click()
    counts, ids = reranker.catalogue.counts, reranker.catalogue.items["item_id"]
    ranked = sorted(range(len(ids)), key=lambda code: -counts[code])
    decile_of = {ids[code]: 10 * rank // len(ids) for rank, code in enumerate(ranked)}
    logged = read_log(folder / "log").shown.collect()["item_ids"].list.head(10).explode()
    shown = Counter(decile_of[item] for item in logged)
    events = Counter[int]()
    for item, count in zip(ids, counts.tolist(), strict=True):
        events[decile_of[item]] += count
    for at in (0, 1, 9):
        row = f"{at + 1} {100 * shown[at] / shown.total():.3g} {100 * events[at] / events.total():.3g}"
        expect(figure.get_by_role("row", name=row, exact=True)).to_be_visible()


def test_an_item_is_approved_and_another_rejected_and_hostile_texts_are_texts(
    server: Server, page: Page
) -> None:
    review = page.get_by_role("region", name="Review")
    expect(review).to_contain_text("2 items wait")
    expect(review.get_by_text(f"banned {HOSTILE}")).to_be_visible()
    expect(review.get_by_text("de: waits; all other markets: waits")).to_have_count(2)
    review.get_by_role("button", name="Approve h1").click()
    expect(review.get_by_text("Say who you are and why")).to_be_visible()
    review.get_by_label("Your name").fill("grace")
    first = review.get_by_role("listitem").filter(has_text="h1")
    for market, why, verdict in (("in de", "the law", "Reject"), ("in all markets", "harmless", "Approve")):
        first.get_by_label("Where").select_option(market)
        first.get_by_label("Why").fill(why)
        first.get_by_role("button", name=f"{verdict} h1").click()
        if verdict == "Reject":
            expect(review.get_by_role("status")).to_have_text("h1 is rejected in de.")
            expect(first).to_contain_text("de: rejected; all other markets: waits")
    expect(review.get_by_role("status")).to_have_text("h1 is approved.")
    expect(review.get_by_label("Why")).to_have_count(1)
    review.get_by_label("Why").fill("no")
    review.get_by_role("button", name="Reject <i>h2</i>").click()
    expect(review).to_contain_text("Nothing waits")
    told = httpx.get(f"{server.url}/v1/review/h1").json()
    assert (told["status"], told["markets"]) == ("approved", {"de": "reject"})
    assert [(line["verdict"], line["by"], line["why"]) for line in told["log"]][-1] == (
        "approve",
        "grace",
        "harmless",
    )
    assert httpx.get(f"{server.url}/v1/review/%3Ci%3Eh2%3C%2Fi%3E").json()["status"] == "rejected"
    assert page.title() == "tailrank: dashboard"
    assert page.locator("main img, main i").count() == 0


def test_a_version_is_rolled_back_and_promoted_again(registry: Registry, server: Server, page: Page) -> None:
    models, serving, before = page.get_by_role("region", name="Versions"), registry.serving, registry.before
    for deed, version in (("Roll back", before), ("Promote", serving)):
        models.get_by_role("button", name=f"{deed} to {version}").click()
        models.get_by_role("button", name="Yes, let it serve").click()
        expect(models.get_by_role("status")).to_have_text(f"{version} serves.")
        assert registry.serving == version
    refused = httpx.post(f"{server.url}/v1/models/promote", json={"version": "../../etc"})
    assert refused.status_code == 422
    assert refused.json()["error"].startswith("version: there is none called '../../etc'")


def test_reports_are_read_by_the_page_alone_and_other_files_refused(page: Page) -> None:
    asked = list[str]()
    page.on("request", lambda request: asked.append(request.method))
    report = {"dataset": "movies", "protocol": "temporal", "models": {"tailrank": {"ndcg@10": 0.0625}}}
    other = report | {"dataset": HOSTILE}
    files: list[FilePayload] = [
        {"name": name, "mimeType": "application/json", "buffer": json.dumps(content).encode()}
        for name, content in (("a.json", report), ("b.json", other), ("c.json", [1]))
    ]
    evaluations = page.get_by_role("region", name="Evaluations side by side")
    evaluations.locator("input[type=file]").set_input_files(files)
    expect(evaluations.get_by_role("row", name="tailrank 0.0625 0.0625")).to_be_visible()
    expect(evaluations).to_contain_text("c.json: is no metrics.json")
    expect(evaluations).to_contain_text(f"other data or protocols (movies, temporal; {HOSTILE}, temporal)")
    assert "POST" not in asked


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it_on_a_narrow_screen_too(
    server: Server, browser: Browser, scheme: Literal["light", "dark"]
) -> None:
    look = browser.new_context(color_scheme=scheme, viewport={"width": 360, "height": 740})
    page = look.new_page()
    page.goto(f"{server.url}/dashboard")
    expect(page.get_by_role("region", name="Experiments")).to_contain_text("hold")
    expect(page.get_by_role("img", name=re.compile("^semantic"))).to_be_visible()
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    serious = [each for each in found.response["violations"] if each["impact"] in {"serious", "critical"}]
    assert not serious, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.get_by_text("As a table").count() >= page.get_by_role("img").count()
    look.close()


def test_a_server_with_keys_asks_for_one_and_forgets_it(
    model: Path, tmp_path: Path, browser: Browser
) -> None:
    key = "correct-horse-battery"
    with Server(model, tmp_path / "state", TAILRANK_API_KEYS=f"read:{key}") as locked:
        page = browser.new_page()
        page.goto(f"{locked.url}/dashboard")
        page.get_by_label("API key").fill("a-key-that-is-not-known")
        page.get_by_label("API key").press("Enter")
        expect(page.get_by_text("t know the key that you gave")).to_be_visible()
        page.get_by_label("API key").fill(key)
        page.get_by_label("API key").press("Enter")
        expect(page.get_by_role("status").first).to_contain_text("Live")
        expect(page.get_by_role("region", name="Review")).to_contain_text("doesn't allow to write")
        expect(page.get_by_role("region", name="What clicks taught")).to_contain_text("--learn")
        assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
        page.reload()
        expect(page.get_by_label("API key")).to_be_visible()
        page.close()


def test_the_page_says_that_the_server_is_away_and_goes_on_when_it_is_back(
    server: Server, page: Page
) -> None:
    status = page.get_by_role("status").first
    server.kill()
    expect(status).to_contain_text("t be reached")
    server.start()
    expect(status).to_contain_text("Live")
    httpx.post(f"{server.url}/v1/rank", json={"user": "ada", "candidates": CANDIDATES})
    expect(page.locator(".facts div").first).to_contain_text(re.compile("start1$"))
