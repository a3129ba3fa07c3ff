"""The page of tasks, of one real server with tasks, a desk, a monitor and keys, as a browser shows it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, expect
from tasks_helpers import DAYS, HOSTILE, MONDAY, SURGE, write_monitor, write_support, write_tasks
from try_helpers import PATIENCE
from typer.testing import CliRunner

from tailrank.benchmarks.launcher import Server
from tailrank.cli.main import app
from tailrank.language.encoder import TextEncoder
from tailrank.tasks.monitor.alert_log import Alert
from tailrank.tasks.monitor.inputs import folder_lines
from tailrank.tasks.monitor.monitor import Monitor
from tailrank.tasks.support.feedback_log import FeedbackLog

TASKS = "intents", "news", "topics"
READS, WRITES = "reads-only-this-key", "reads-and-writes-this-key"

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def folder(encoder: TextEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page-of-tasks")
    write_tasks(folder, encoder)
    write_support(folder / "desk", encoder)
    (folder / "keys").write_text(f"read:{READS}\nread+write:{WRITES}\n")
    return folder


@pytest.fixture(scope="module")
def alert(folder: Path) -> Alert:
    return write_monitor(folder / "monitor")


@pytest.fixture(scope="module")
def server(model: Path, folder: Path, alert: Alert) -> Iterator[Server]:
    tasks = [word for name in TASKS for word in ("--task", f"{name}={folder / name}")]
    rest = ["--support", str(folder / "desk"), "--monitor", str(folder / "monitor" / "state")]
    with Server(model, folder / "state", *tasks, *rest, "--keys", str(folder / "keys")) as running:
        yield running


@pytest.fixture
def page(server: Server, browser: Browser) -> Iterator[Page]:
    found, complaints = browser.new_page(), list[str]()
    found.set_default_timeout(PATIENCE)
    found.on("pageerror", lambda error: complaints.append(str(error)))
    found.goto(f"{server.url}/tasks")
    give_key(found, WRITES)
    yield found
    assert complaints == []
    assert found.title() == "tailrank: tasks"
    assert found.locator("main img, main i, main b").count() == 0
    assert found.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    assert found.url == f"{server.url}/tasks"
    found.close()


def give_key(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_label("API key").press("Enter")
    expect(page.get_by_role("status").first).to_have_text("Live")


def ask(server: Server, path: str, body: object = None, status: int = 200, key: str = READS) -> Any:
    headers, method = {"authorization": f"Bearer {key}"}, "GET" if body is None else "POST"
    found = httpx.request(method, server.url + path, json=body, headers=headers, timeout=60)
    assert found.status_code == status, found.text
    return found.json()


def test_texts_are_labelled_with_chances_and_marked_if_they_are_refused(server: Server, page: Page) -> None:
    task = page.get_by_role("region", name="Task intents")
    [intents, *_] = ask(server, "/v1/tasks")["tasks"]
    assert intents["texts"] == 24
    measured = task.locator(".facts div", has=page.get_by_text("refused", exact=True))
    expect(measured).to_contain_text(f"{100 * intents['held_out']['refused']:.1f}".removesuffix(".0") + "%")
    for text, is_refused in (("who stole my card?", False), ("penguins live in Antarctica", True)):
        [said] = ask(server, "/v1/tasks/intents", {"texts": [text]})["predictions"]
        assert said["refused"] == is_refused
        task.get_by_label("Text").fill(text)
        task.get_by_role("button", name="Label it").press("Enter")
        latest = task.locator(".held").first
        expect(latest).to_contain_text(text)
        expect(latest.get_by_text("Refused", exact=True)).to_have_count(int(is_refused))
        shares = [f"{100 * each['chance']:.1f}".removesuffix(".0") + "%" for each in said["labels"]]
        expect(latest.locator(".share")).to_have_text(shares)
        expect(latest.locator(".of")).to_have_text([each["label"] for each in said["labels"]])
    expect(task).to_contain_text(HOSTILE)


def test_a_label_belongs_to_the_entity_that_is_named(page: Page) -> None:
    task = page.get_by_role("region", name="Task news")
    task.get_by_label("Text").fill("Acme beats Bolt")
    for entity, label in (("Acme", "good"), ("Bolt", "bad")):
        task.get_by_label("Entity").fill(entity)
        task.get_by_role("button").click()
        latest = task.locator(".held").first
        expect(latest).to_contain_text(f"About {entity}:")
        expect(latest.locator(".of").first).to_have_text(label)


def test_of_several_labels_those_that_are_given_are_marked(server: Server, page: Page) -> None:
    task, text = page.get_by_role("region", name="Task topics"), "how high is the fee for a new card?"
    [said] = ask(server, "/v1/tasks/topics", {"texts": [text]})["predictions"]
    task.get_by_label("Text").fill(text)
    task.get_by_role("button").click()
    marks = ["", " yes"]
    expect(task.locator(".of")).to_have_text(
        [f"{each['label']}{marks[each['chance'] >= 0.5]}" for each in said["labels"]]
    )
    assert [each["chance"] >= 0.5 for each in said["labels"]] == [True, False]


def test_a_conversation_has_answers_a_clarifying_question_and_a_person(page: Page, folder: Path) -> None:
    desk, asked = page.get_by_role("region", name="Support desk"), list[Any]()

    def note(request: Request) -> None:
        if request.url.endswith("/v1/support/ask"):
            asked.append(json.loads(request.post_data or ""))

    page.on("request", note)
    question, talk = desk.get_by_label("Question"), desk.get_by_role("log")
    question.fill("my password or my parcel?")
    question.press("Enter")
    expect(talk.locator(".decision")).to_have_text("Clarifying question")
    talk.get_by_role("button", name="How do I reset my password?").press("Enter")
    expect(talk.locator(".said").last).to_have_text("Follow the link.")
    expect(talk).to_be_focused()
    expect(talk.get_by_role("button", name="How do I reset my password?")).to_have_count(0)
    question.fill("Where's my parcel?")
    question.press("Enter")
    expect(talk.get_by_text("needs the fact `order`")).to_be_visible()
    desk.get_by_label("order").fill("<b>A-17</b>")
    talk.get_by_role("button", name="Ask again").click()
    expect(talk.locator(".said").last).to_have_text(f"Order <b>A-17</b> is on its way. {HOSTILE}")
    question.fill("What is the capital of Norway?")
    desk.get_by_role("button", name="Ask", exact=True).click()
    expect(talk.locator(".decision").last).to_have_text("Handed over")
    kept = FeedbackLog(folder / "desk-feedback").read()
    assert (kept[-1].question, kept[-1].verdict) == ("What is the capital of Norway?", "unanswered")
    said = ["my password or my parcel?", "How do I reset my password?", "Where's my parcel?"]
    assert [each["turns"] for each in asked] == [[], said[:1], said[:2], said[:2], said]
    assert [each["facts"] for each in asked] == [{}] * 3 + [{"order": "<b>A-17</b>"}] * 2
    desk.get_by_role("button", name="Begin anew").click()
    expect(talk).to_have_text("Ask as a customer would.")


def test_thumbs_take_a_key_that_writes(page: Page, server: Server, folder: Path) -> None:
    page.reload()
    give_key(page, READS)
    desk = page.get_by_role("region", name="Support desk")
    desk.get_by_label("Question").fill("I want a refund")
    desk.get_by_label("Question").press("Enter")
    desk.get_by_role("button", name="It helped").click()
    expect(desk.get_by_role("alert")).to_contain_text("doesn't allow to write")
    desk.get_by_role("button", name="Give another key").click()
    give_key(page, WRITES)
    for button, verdict in (("It didn", "rejected"), ("It helped", "accepted")):
        desk.get_by_role("button", name=button).press("Enter")
        expect(desk.get_by_role("button", name=button)).to_have_attribute("aria-pressed", "true")
        kept = FeedbackLog(folder / "desk-feedback").read()[-1]
        assert (kept.question, kept.verdict, kept.intent) == ("I want a refund", verdict, "refund")
    expect(desk.get_by_role("status")).to_contain_text("“I want a refund” counts as a question")


def test_an_alert_is_shown_with_why_texts_and_its_series(server: Server, page: Page, alert: Alert) -> None:
    monitor = page.get_by_role("region", name="Monitor")
    expect(monitor.get_by_role("heading", name="1 alert")).to_be_visible()
    for text in (alert.why, alert.summary[0], alert.id, ", ".join(alert.words)):
        expect(monitor).to_contain_text(text)
    monitor.get_by_label(f"Texts behind {alert.id}").click()
    expect(monitor.locator("details .quoted").first).to_contain_text(alert.evidence[0].text)
    assert HOSTILE in alert.evidence[0].text
    expect(monitor).to_contain_text("Tinted, where it was alerted on: 25 Feb, ")
    monitor.get_by_role("combobox", name="Series").select_option(label="United (519)")
    expect(monitor.get_by_role("figure")).to_contain_text("United, the latest 30 days")
    monitor.get_by_role("button", name=f"Draw the series of {alert.id}").press("Enter")
    expect(monitor.get_by_role("figure")).to_contain_text("all texts, the latest 30 days")
    monitor.locator("summary", has_text="As a table").click()
    counts = ask(server, "/v1/monitor/series", {})
    row = [counts[name][-1] for name in ("texts", "negative")]
    expect(monitor.locator("tbody tr").first).to_contain_text(re.compile(f"^25 Feb, 21:00{row[0]}{row[1]}"))


def test_series_are_those_that_were_fed(server: Server, folder: Path, alert: Alert) -> None:
    lines = (folder / "monitor" / "texts" / "all.jsonl").read_text().splitlines()
    hours = Counter(int(json.loads(line)["timestamp"] - MONDAY) // 3_600 for line in lines)
    found = ask(server, "/v1/monitor/series", {"entity": "United", "days": DAYS})
    starts = [(start - MONDAY) // 3_600 for start in found["starts"]]
    assert starts == list(range(starts[-1] + 1))
    assert (found["texts"], found["negative"]) == ([hours[hour] for hour in starts],) * 2
    surge, usual = (
        sum(found["expected"][hour] for hour in hours) / len(hours) for hours in (SURGE, range(200, 220))
    )
    assert surge == pytest.approx(usual, rel=0.5)  # a surge isn't learned from
    listed = ask(server, "/v1/monitor/series")
    total = sum(found["texts"])
    assert [(each["entity"], each["texts"]) for each in listed["series"]] == [("", total), ("United", total)]
    [told] = ask(server, "/v1/monitor/alerts")["alerts"]
    log = (folder / "monitor" / "state" / "alerts.jsonl").read_text()
    also = [{"topic": topic, "entity": entity} for topic, entity in alert.also]
    nobody = [{"subscriber": name, "is_up": None} for name in ("desk", "night")]
    assert told == json.loads(log) | {"also": also, "told": nobody}


def test_a_thumb_for_an_alert_moves_a_threshold_once(
    page: Page, server: Server, folder: Path, alert: Alert
) -> None:
    page.reload()
    give_key(page, READS)
    monitor, state = page.get_by_role("region", name="Monitor"), folder / "monitor" / "state"
    desk, night = (
        monitor.get_by_role("group", name=f"Was {alert.id} worth it to {name}?") for name in ("desk", "night")
    )
    desk.get_by_role("button", name="It was", exact=True).click()
    expect(monitor.get_by_role("alert").first).to_contain_text("doesn't allow to write")
    monitor.get_by_role("button", name="Give another key").click()
    give_key(page, WRITES)
    for _ in range(2):  # as after an answer that was lost
        desk.get_by_role("button", name="It wasn").press("Enter")
        expect(monitor.get_by_role("status").first).to_contain_text("desk is told of 2.5 times")
    expect(desk.get_by_role("button", name="It wasn")).to_have_attribute("aria-pressed", "true")
    expect(night.get_by_role("button", name="It wasn")).to_have_attribute("aria-pressed", "false")
    thumb = ["monitor", "thumb", str(state), "night", alert.id, "up", "--subscriptions"]
    done = CliRunner().invoke(app, [*thumb, str(folder / "monitor" / "subscribed.json")])
    assert done.exit_code == 0, done.output
    expect(night.get_by_role("button", name="It was", exact=True)).to_have_attribute("aria-pressed", "true")
    kept = [json.loads(line) for line in (state / "thumbs.jsonl").read_text().splitlines()]
    assert [(each["subscriber"], each["is_up"]) for each in kept] == [("desk", False), ("night", True)]
    told = [{"subscriber": "desk", "is_up": False}, {"subscriber": "night", "is_up": True}]
    assert ask(server, "/v1/monitor/alerts")["alerts"][0]["told"] == told


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"subscriber": "nobody"}, "no subscription is called nobody: there are desk, night"),
        ({"alert": "x"}, "desk wasn't told of an alert x"),
        ({"is_up": 1}, "$.is_up"),
        ({"up": True}, "unknown field"),
    ],
)
def test_faults_of_thumbs_are_named(server: Server, alert: Alert, body: Any, fault: str) -> None:
    given = {"subscriber": "desk", "alert": alert.id, "is_up": True} | body
    assert fault in ask(server, "/v1/monitor/thumbs", given, 422, WRITES)["error"]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"topics": "bags"}, "did you mean `topic`?"),
        ({"topic": "bags"}, "no text was counted in bags in 30 days"),
        ({"entity": "United' or 1=1 --"}, "no text was counted in United' or 1=1 --"),
        ({"days": 0}, "$.days"),
        ({"days": 367}, "$.days"),
        ({"topic": 1}, "$.topic"),
    ],
)
def test_faults_of_series_are_named(server: Server, body: object, fault: str) -> None:
    assert fault in ask(server, "/v1/monitor/series", body, 422)["error"]


def test_a_monitor_that_goes_on_is_followed_and_one_that_is_gone_is_said(
    server: Server, page: Page, folder: Path
) -> None:
    monitor = page.get_by_role("region", name="Monitor")
    expect(monitor).to_contain_text("What came until 25 Feb, 22:00 UTC is counted")
    state = folder / "monitor" / "state"
    running = Monitor.open(state)  # as another process has it
    later = [{"id": f"l{n}", "text": "late", "timestamp": MONDAY + 3_600 * (241 + n)} for n in range(5)]
    texts = folder / "monitor" / "texts" / "later.jsonl"
    texts.write_text("".join(json.dumps(each) + "\n" for each in later))
    running.feed(folder_lines(texts.parent, running.state.places()))
    expect(monitor).to_contain_text("What came until 26 Feb, 02:00 UTC is counted")
    running.close()
    state.rename(folder / "aside")
    assert "no monitor has run there" in ask(server, "/v1/monitor/alerts", status=503)["error"]
    expect(monitor).to_contain_text("no monitor has run there")
    (folder / "aside").rename(state)
    expect(monitor).to_contain_text("What came until")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it_on_a_narrow_screen_too(
    server: Server, browser: Browser, scheme: Literal["light", "dark"]
) -> None:
    look = browser.new_context(color_scheme=scheme, viewport={"width": 360, "height": 740})
    page = look.new_page()
    page.goto(f"{server.url}/tasks")
    give_key(page, WRITES)
    desk, task = (page.get_by_role("region", name=name) for name in ("Support desk", "Task intents"))
    desk.get_by_label("Question").fill("my password or my parcel?")
    desk.get_by_label("Question").press("Enter")
    expect(desk.get_by_text("Clarifying question")).to_be_visible()
    task.get_by_label("Text").fill("penguins live in Antarctica" * 20)
    task.get_by_role("button").click()
    expect(task.get_by_text("Refused", exact=True)).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^all texts"))).to_be_visible()
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    serious = [each for each in found.response["violations"] if each["impact"] in {"serious", "critical"}]
    assert not serious, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    look.close()


def test_all_pages_link_to_it(server: Server, browser: Browser) -> None:
    page = browser.new_page()
    for path in ("/", "/dashboard", "/tasks"):
        page.goto(server.url + path)
        expect(page.get_by_role("navigation").get_by_role("link")).to_have_text(
            ["Try it", "Dashboard", "Tasks", "API"]
        )
    page.close()
