"""The page "Try it": something is clicked, and the lists move as the server says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from bench.waiting import wait_until
from playwright.sync_api import Browser, expect
from try_helpers import PATIENCE, Tab, tab

from tailrank.benchmarks.launcher import Server
from tailrank.ranking.reranker import Reranker

STORY = {
    "rule": "The first users of the file.",
    "users": [
        {
            "id": "7",
            "name": "A fan of space",
            "history": ["50", "172"],
            "target": "181",
            "why": "Two of three.",
        },
        {"id": "8", "name": "A fan of the rare", "history": ["50"], "target": "1650", "why": "At rank 7."},
    ],
}
EVALUATION = {
    "dataset": "movielens-100k",
    "frontier": {
        "queries": [100, 1000],
        "plain": {"value": None, "test": {"ndcg@10": 0.5, "aplt@10": 0.1}},
        "curves": [{"dial": "tail", "points": [{"value": 0.5, "test": {"ndcg@10": 0.45, "aplt@10": 0.3}}]}],
    },
}
"""Half of the slider costs a tenth."""

NOTE_GLIDES = """() => {
    const animate = Element.prototype.animate;
    window.glides = [];
    Element.prototype.animate = function (frames, how) {
        window.glides.push(how.duration);
        return animate.call(this, frames, how);
    };
}"""

NOTE_RANKINGS = """() => {
    const fetch = window.fetch;
    let underWay = 0;
    window.most = 0;
    window.fetch = async (...asked) => {
        if (!asked[0].endsWith("/v1/rank")) return fetch(...asked);
        window.most = Math.max(window.most, ++underWay);
        try { return await fetch(...asked); } finally { --underWay; }
    };
}"""

COLOURS = """canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size;
}"""

STILL = """() => Promise.allSettled(document.getAnimations().map(each => each.finished)).then(() => null)"""

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><b>&amp;"
USER = f"ada {HOSTILE}"


@pytest.fixture(scope="module")
def server(model: Path, reranker: Reranker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a story, prices and two models; it knows a hostile item and a user of that name."""
    folder = tmp_path_factory.mktemp("page")
    story, evaluation = folder / "story.json", folder / "metrics.json"
    story.write_text(json.dumps(STORY), encoding="utf-8")
    evaluation.write_text(json.dumps(EVALUATION), encoding="utf-8")
    opposite = replace(reranker, fusion=replace(reranker.fusion, weights=-reranker.fusion.weights))
    opposite.save(folder / "opposite")
    options = ["--story", str(story), "--evaluation", str(evaluation)]
    options += ["--beside", f"opposite={folder / 'opposite'}"]
    with Server(model, folder / "state", *options) as server:
        item = {"item_id": f"x{HOSTILE}", "title": f"Zebra {HOSTILE}", "genres": ["Comedy"]}
        assert httpx.post(f"{server.url}/v1/items", json=item).json()["accepted"] == 1
        events = [
            {
                "event_id": str(at),
                "user_id": USER,
                "item_id": item_id,
                "event": HOSTILE,
                "timestamp": 1.7e9 + at,
            }
            for at, item_id in enumerate(["50", item["item_id"]])
        ]
        assert httpx.post(f"{server.url}/v1/events", json=events).json()["new"] == 2
        yield server


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Tab]:
    with tab(browser, server) as opened:
        yield opened.ready()


def test_a_click_moves_the_lists_and_is_stored(page: Tab) -> None:
    before, title = page.ids(), page.titles()[2]
    clicked = page.click(3)
    assert page.history() == [title]
    assert clicked not in page.ids() + page.ids(0)
    assert page.ids() != [item for item in before if item != clicked]
    assert page.ids() == [item["id"] for item in page.rank()["items"][:10]]
    page.page.get_by_text("The server stored 1 click of user").wait_for()
    [event] = page.asked["/v1/events"]
    assert event["ranking_id"]
    user = page.page.locator(".left code").inner_text()
    stored = httpx.get(f"{page.server.url}/v1/users/{user}").json()["events"]
    assert [each["item_id"] for each in stored] == [clicked]


def test_an_erased_event_counts_for_nothing_and_may_be_put_back(page: Tab) -> None:
    page.click(1)
    once = page.ids()
    page.click(2)
    expect(page.past()).to_have_count(2, timeout=PATIENCE)
    twice, [second, _] = page.ids(), page.history()
    with page.answered():
        page.page.get_by_role("button", name=f"Erase {second}").click()
    assert page.ids() == once
    with page.answered():
        page.page.get_by_role("button", name=f"Put back {second}").click()
    assert page.ids() == twice


def test_each_side_is_made_as_its_menu_says(page: Tab) -> None:
    page.click(1)
    whole = page.ids()
    assert page.ids(0) == page.request()["candidates"][:10]
    with page.answered():
        page.page.get_by_label("Right list: how it is made").select_option("without the language model")
    without = page.ids()
    assert without != whole
    assert page.request()["without"] == ["semantic", "lexical"]
    assert without == [item["id"] for item in page.rank()["items"][:10]]
    with page.answered():
        page.page.get_by_label("Left list: how it is made").select_option("tailrank")
    assert page.ids(0) == whole


def test_two_models_stand_side_by_side(page: Tab) -> None:
    page.click(1)
    menu = page.page.get_by_label("Left list: how it is made")
    ways = ["upstream order", "tailrank", "without the language model", "without policies", "model opposite"]
    assert menu.locator("option").all_inner_texts() == ways
    with page.answered():
        menu.select_option("model opposite")
    asked = [body for body in page.asked["/v1/rank"] if "model" in body][-1]
    answer = httpx.post(f"{page.server.url}/v1/rank", json=asked).json()
    assert asked["model"] == "opposite"
    assert page.ids(0) == [item["id"] for item in answer["items"][:10]] != page.ids(1)
    left = page.page.get_by_role("region", name="Left list")
    assert f"by {answer['model']}" in left.inner_text()
    assert left.get_by_text("ms in the server").is_visible()
    code = page.page.get_by_role("region", name="The same from your code")
    code.get_by_role("button", name="Left list").click()
    for language, said in (("curl", '"model":"opposite"'), ("Python", 'model="opposite"')):
        code.get_by_role("button", name=language).click()
        assert said in code.locator("pre").inner_text()
    with page.answered():
        menu.select_option("upstream order")
    assert "asks nothing of /v1/rank" in code.locator("pre").inner_text()


def test_policies_that_rank_for_everybody_cant_be_left_out(page: Tab, server: Server) -> None:
    told = httpx.get(f"{server.url}/v1/page").json() | {"policies": "june@1"}
    page.page.route("**/v1/page", lambda route: route.fulfill(json=told))
    page.page.reload()
    page.rows(1).first.wait_for()
    options = page.page.get_by_label("Right list: how it is made").locator("option").all_inner_texts()
    assert "with the server's policies alone" in options
    assert "without policies" not in options


def test_an_item_is_found_and_added(page: Tab) -> None:
    page.page.get_by_label("Add an item").fill("star wars")
    with page.answered():
        page.page.get_by_role("list", name="Found").get_by_text("Star Wars (1977)").click()
    assert page.history() == ["Star Wars (1977)"]
    assert page.request()["history"] == [{"item_id": "50", "event": "click"}]


def test_words_count_like_an_event(page: Tab) -> None:
    before = page.ids()
    with page.answered():
        page.page.get_by_label("Or say what you are after").fill("a scary movie about space")
        page.page.get_by_label("Or say what you are after").press("Enter")
    assert page.history() == ["“a scary movie about space”"]
    assert page.ids() != before
    assert page.request()["history"] == [{"text": "a scary movie about space"}]
    page.click(1)
    pulls = page.page.locator(".pulls .title").all_inner_texts()
    assert sorted(pulls) == sorted(page.history())


def test_what_is_said_changes_the_lists_and_is_taken_back(page: Tab) -> None:
    before = page.ids()
    box = page.page.get_by_role("textbox", name="What should be different?")
    box.fill("only comedies, and who won the match?")
    box.press("Enter")
    understood = page.page.get_by_role("list", name="What was understood")
    expect(understood.get_by_role("listitem")).to_contain_text("only genres Comedy")
    expect(page.page.get_by_text("Not understood:")).to_contain_text("“and who won the match”")
    wait_until(lambda: page.ids() != before, PATIENCE / 1e3)
    page.page.get_by_role("button", name="Undo").click()
    expect(understood).to_have_count(0)
    wait_until(lambda: page.ids() == before, PATIENCE / 1e3)


def test_a_wish_that_leaves_nothing_says_so(page: Tab) -> None:
    box = page.page.get_by_role("textbox", name="What should be different?")
    box.fill("not older than 2020")
    box.press("Enter")
    expect(page.page.get_by_text("No candidate is left.")).to_be_visible()
    page.page.get_by_role("button", name="Undo").click()
    expect(page.page.get_by_text("No candidate is left.")).to_have_count(0)


def test_reasons_add_up_to_the_score(page: Tab) -> None:
    page.click(1)
    page.click(1)
    page.rows(1).nth(4).get_by_role("button", name="Why").click()
    item = page.rank()["items"][4]
    panel = page.page.get_by_role("region", name="Why it is there")
    assert item["explanation"]["because"] in panel.inner_text()
    assert item["explanation"]["above"] in panel.inner_text()
    numbers = panel.locator(".parts .number").all_inner_texts()
    *parts, score = [float(number.replace("\u2212", "-")) for number in numbers]
    assert score == pytest.approx(item["score"], abs=0.006)
    assert sum(parts) == pytest.approx(score, abs=0.006 * len(numbers))
    assert len(panel.locator(".pulls li").all()) == 2


@pytest.mark.parametrize("by", ["pointer", "keyboard"])
def test_lines_come_from_the_events_that_pull(page: Tab, by: str) -> None:
    for rank in (1, 3, 5):
        page.click(rank)
    row = page.rows(1).nth(2)
    if by == "pointer":
        row.hover()
    else:
        page.page.mouse.move(1, 1)
        row.locator("button.item").focus()
    drawn = page.page.locator("svg.lines path")
    drawn.first.wait_for()
    widths = [float(each.get_attribute("stroke-width") or "0") for each in drawn.all()]
    given = page.rank()["items"][2]["explanation"]["by_event"].values()
    pull = sorted((abs(sum(values)) for values in zip(*given, strict=True)), reverse=True)
    expected = [6 * each / pull[0] for each in pull if each > 0.04 * pull[0]]
    assert widths == pytest.approx(expected, rel=1e-3)
    page.page.mouse.move(1, 1)
    page.page.locator("h1").evaluate("() => document.activeElement.blur()")
    drawn.first.wait_for(state="hidden")


def test_the_list_follows_a_slider_one_request_at_a_time(page: Tab) -> None:
    page.click(1)
    before = page.ids()
    page.page.evaluate(NOTE_RANKINGS)
    slider = page.page.get_by_label("Long tail")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    page.page.mouse.move(box["x"] + 8, box["y"] + box["height"] / 2)
    page.page.mouse.down()
    for step in range(1, 41):
        page.page.mouse.move(box["x"] + 8 + step * (box["width"] - 16) / 40, box["y"] + box["height"] / 2)
    wait_until(lambda: page.ids() != before, PATIENCE / 1e3)  # it is still held
    with page.answered():
        page.page.mouse.up()
    assert page.page.evaluate("() => window.most") == 1
    [step_asked] = page.request()["policy"]
    assert step_asked == {"name": "tail", "strength": 1}
    assert page.ids() == [item["id"] for item in page.rank()["items"][:10]]
    with page.answered():
        page.page.get_by_role("button", name="Back to the model's own policy").click()
    assert page.ids() == before


def test_a_slider_says_what_it_costs(page: Tab) -> None:
    panel = page.page.get_by_role("region", name="After the score")
    assert panel.get_by_role("slider").count() == 2  # this server doesn't explore
    for value, said in [
        ("0.5", "costs 10.0% of ndcg@10, 30.0% of the first ten are tail"),
        ("0.25", "costs 5.0% of ndcg@10, 20.0% of the first ten are tail"),
        ("0.75", "beyond what was measured"),
    ]:
        with page.answered():
            panel.get_by_label("Long tail").fill(value)
        assert said in panel.inner_text()
    with page.answered():
        panel.get_by_label("Diversity").fill("0.5")
    assert "its price wasn't measured" in panel.inner_text()
    assert "movielens-100k, 1,000 queries" in panel.inner_text()


def test_the_page_begins_with_the_first_user_of_the_story(browser: Browser, server: Server) -> None:
    with tab(browser, server) as opened:
        opened.rows(1).first.wait_for()
        assert opened.history() == ["Empire Strikes Back, The (1980)", "Star Wars (1977)"]


def test_a_user_of_the_story(page: Tab) -> None:
    with page.answered():
        page.page.get_by_label("Whose?").select_option("A fan of space")
    assert page.history() == ["Empire Strikes Back, The (1980)", "Star Wars (1977)"]
    ranks = [item["id"] for item in page.rank()["items"]].index("181") + 1
    at = page.request()["candidates"].index("181") + 1
    said = f"Return of the Jedi (1983) next. Its rank by upstream order: {at}; by tailrank: {ranks}."
    assert said in page.page.locator(".target").inner_text()
    assert "Two of three." in page.page.get_by_role("region", name="History").inner_text()
    page.page.get_by_text("How were they chosen?").click()
    page.page.get_by_text("The first users of the file.").wait_for()
    with page.answered():
        page.page.get_by_role("button", name="Start over").click()
    assert page.history() == []


def test_a_story_whose_end_was_deleted_says_so(page: Tab) -> None:
    assert httpx.delete(f"{page.server.url}/v1/items/1650").status_code == 200
    with page.answered():
        page.page.get_by_label("Whose?").select_option("A fan of the rare")
    said = "chose the item 1650 next, which the catalogue no longer has"
    page.page.locator(".target").filter(has_text=said).wait_for()
    assert "At rank 7." not in page.page.get_by_role("region", name="History").inner_text()


def test_too_many_words_are_refused_in_words(page: Tab) -> None:
    for n in range(11):
        page.page.get_by_label("Or say what you are after").fill(f"film {n}")
        page.page.get_by_label("Or say what you are after").press("Enter")
    alert = page.page.get_by_role("alert").filter(has_text="11 texts in a history: send at most 10")
    alert.wait_for()
    assert "$" not in alert.inner_text()


def test_pasted_items_are_ranked_and_errors_name_the_row(page: Tab) -> None:
    own = page.page.get_by_role("region", name="Your own items")
    own.get_by_role("button", name="Rank").click()
    ranked = own.get_by_role("list").locator(".title")
    ranked.first.wait_for()
    [asked] = page.asked["/v1/page/own"]
    answer = httpx.post(f"{page.server.url}/v1/page/own", json=asked).json()["items"]
    assert ranked.all_inner_texts() == [item["title"] for item in answer]
    assert {item["id"] for item in answer} == {"p1", "p2", "n1"}
    for items, said in [
        (
            "item_id,title\na,Tea\nb",
            "Row 3 (line 3): 1 cell, where 2 are expected (item_id,title). Put commas",
        ),
        ('a,"Tea"\nb,Cake, with cream', "Row 2 (line 2): 3 cells, where 2 are expected"),
        ("a,Tea\n\na,Cake", "Row 2 (line 3): item_id a is that of row 1, too"),
        ('a,Tea\nb,"Cake', "Row 2 (line 2): a quotation mark isn't closed"),
        ("t1,Tea\nb,", "Row 2 (line 2): title is empty"),
        ("a,Tea\nb,Cake", "History: t1 is none of the items"),
        ("Item_ID,Title\nt1,Tea\nt2,Cake", "History: all items are in it"),
        ("item_id,title,title\na,Tea,Cake", "Row 1: two columns are called “title”"),
        ("item_id,title", "There is no item"),
        ("\n".join(f"i{n},Tea" for n in range(501)), "There are 501 items: paste at most 500"),
    ]:
        own.get_by_label("Items (CSV").fill(items)
        own.get_by_role("button", name="Rank").click()
        own.get_by_role("alert").filter(has_text=said).wait_for()
    assert ranked.count() == 0


def test_the_map_is_drawn_named_and_told_in_words(page: Tab) -> None:
    page.click(1)
    chart = page.page.get_by_role("img", name="Map of the catalogue")
    chart.scroll_into_view_if_needed()
    wait_until(lambda: chart.evaluate(COLOURS) > 3, PATIENCE / 1e3)
    answer = httpx.get(f"{page.server.url}/v1/page/map").json()
    at = answer["ids"].index("50")
    box = chart.bounding_box()
    assert box is not None
    x, y = answer["x"][at] * (box["width"] - 20), answer["y"][at] * (box["height"] - 20)
    chart.hover(position={"x": 10 + x, "y": 10 + y})
    page.page.locator(".tip").wait_for()
    page.page.get_by_text("The map as a table").click()
    rows = page.page.locator(".map tbody tr")
    assert rows.count() == 11
    assert page.history()[0] in rows.first.inner_text()


def test_the_code_that_is_shown_asks_the_same(page: Tab) -> None:
    page.click(1)
    shown, expected = page.page.get_by_role("region", name="The same from your code"), page.ids()
    curl = subprocess.run(["bash", "-c", shown.locator("pre").inner_text()], capture_output=True, check=True)
    assert [item["id"] for item in httpx.Response(200, content=curl.stdout).json()["items"][:10]] == expected
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown.get_by_role("button", name="Python").click()
    shown.get_by_role("button", name="Copy").click()
    page.page.get_by_text("The Python is copied.").wait_for(state="attached")
    python = page.page.evaluate("() => navigator.clipboard.readText()")
    printed = subprocess.run([sys.executable, "-c", python], capture_output=True, check=True, text=True)
    assert [line.split()[1] for line in printed.stdout.splitlines()] == expected


def test_hostile_words_appear_as_words(page: Tab) -> None:
    with page.answered():
        page.page.get_by_label("Id of a user that the server knows").fill(USER)
        page.page.get_by_role("button", name="Load").click()
        page.page.locator(".events > li").first.wait_for()
    assert page.history()[0] == f"Zebra {HOSTILE}"
    assert page.page.locator(".events").get_by_text(HOSTILE, exact=True).count() == 2
    assert f"user {USER}" in page.page.get_by_label("Whose?").inner_text()
    page.page.get_by_label("Add an item").fill("zebra")
    page.page.locator(".found").get_by_text(f"Zebra {HOSTILE}").wait_for()
    with page.answered():
        page.page.get_by_label("Or say what you are after").fill(HOSTILE)
        page.page.get_by_label("Or say what you are after").press("Enter")
    assert page.history()[0] == f"“{HOSTILE}”"
    assert page.page.title() == "tailrank: try it"
    assert page.page.locator("main img[src='x']").count() == 0


def test_a_user_of_whom_nothing_is_stored(page: Tab) -> None:
    page.page.get_by_label("Id of a user that the server knows").fill("nobody <i>")
    page.page.get_by_role("button", name="Load").click()
    page.page.get_by_role("alert").filter(has_text="Nothing is stored of user nobody <i>.").wait_for()


def test_by_the_keyboard_alone(page: Tab) -> None:
    keyboard, focused = page.page.keyboard, page.page.locator(":focus")
    for _ in range(40):
        keyboard.press("Tab")
        if focused.evaluate("element => element.closest('ol[data-side]') !== null"):
            break
    first = page.ids(0)[0]
    with page.answered():
        keyboard.press("Enter")
    assert first not in page.ids(0)
    row = focused.evaluate("element => element.closest('li').dataset.id")
    title = page.titles(0)[page.ids(0).index(row)]  # another row has the focus now
    keyboard.press("Tab")
    keyboard.press("Enter")
    assert title in page.page.get_by_role("region", name="Why it is there").inner_text()


def test_rows_glide_unless_less_motion_is_wanted(browser: Browser, server: Server, page: Tab) -> None:
    page.page.evaluate(NOTE_GLIDES)
    page.click(5)
    glides = page.page.evaluate("() => window.glides")
    assert glides
    assert max(glides) <= 200
    with tab(browser, server, reduced_motion="reduce") as still:
        still.ready().page.evaluate(NOTE_GLIDES)
        still.click(5)
        assert still.page.evaluate("() => window.glides") == []


def test_a_small_screen_has_one_column(browser: Browser, server: Server) -> None:
    with tab(browser, server, 360) as small:
        small.ready().click(2)
        assert small.page.evaluate("document.documentElement.scrollWidth") == 360
        boxes = [part.bounding_box() for part in small.page.locator("main section").all()]
        assert len(boxes) == 9
        bottoms = [box["y"] + box["height"] for box in boxes if box]
        assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= 360 for box in boxes)
        assert all(
            box and box["y"] >= bottom for (_, box), bottom in zip(pairwise(boxes), bottoms, strict=False)
        )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_out(browser: Browser, server: Server, scheme: str) -> None:
    with tab(browser, server, color_scheme=scheme) as seen:
        seen.ready().click(1)
        seen.page.get_by_text("The map as a table").click()
        seen.page.evaluate(STILL)  # colours of rows that fade in are none yet
        found = Axe().run(seen.page).response["violations"]
        assert [each for each in found if each["impact"] in {"serious", "critical"}] == []


def test_tabs_are_users_of_their_own(browser: Browser, server: Server) -> None:
    with tab(browser, server) as one, tab(browser, server) as other:
        first = one.ready().ids()
        one.click(1)
        after = one.ids()
        assert other.ready().ids() == first
        other.click(4)
        assert len(one.history()) == len(other.history()) == 1
        assert one.ids() == after
        for each in (one, other):
            each.page.get_by_text("The server stored 1 click of user").wait_for()
        users = {each.asked["/v1/events"][0]["user_id"] for each in (one, other)}
        assert len(users) == 2
