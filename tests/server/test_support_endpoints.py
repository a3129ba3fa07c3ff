"""The support desk over HTTP: it answers, learns what is said of its answers, and keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from desk_entries import ENTRIES, SETTINGS
from tailrank.benchmarks.connection import Connection, request
from tailrank.benchmarks.launcher import Server
from tailrank.client import Client
from tailrank.language.encoder import TextEncoder
from tailrank.tasks.support.feedback_log import FeedbackLog
from tailrank.tasks.support.fitting import fit_desk
from tailrank.tasks.support.folder import write_desk

READS, WRITES = "reads-only-this-key", "writes-only-this-key"
HOSTILE = "<img src=x onerror=alert(1)> \u202e\x00\u2028\n'\"; DROP TABLE {order} {0}"
ODD = "did the postman lose it?"


@pytest.fixture(scope="module")
def folder(encoder: TextEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("support")
    write_desk(fit_desk(ENTRIES, encoder, SETTINGS), folder / "desk")
    (folder / "keys").write_text(f"read:{READS}\nwrite:{WRITES}\n")
    return folder


@pytest.fixture(scope="module")
def server(model: Path, folder: Path) -> Iterator[Server]:
    """Two workers, so that each learns what the other was told."""
    options = ("--support", str(folder / "desk"), "--keys", str(folder / "keys"), "--workers", "2")
    with Server(model, folder / "state", *options) as found:
        yield found


def send(server: Server, path: str, body: object, status: int = 200, key: str = READS) -> Any:
    """Send on a new connection, which either worker may take."""
    headers = {"authorization": f"Bearer {key}"}
    response = httpx.post(f"{server.url}/v1/support/{path}", json=body, headers=headers, timeout=60)
    assert response.status_code == status, response.text
    return response.json()


def judge(server: Server, question: str, entry_id: str, *, accepted: bool) -> Any:
    body = {"question": question, "entry_id": entry_id, "accepted": accepted}
    return send(server, "feedback", body, key=WRITES)


def test_a_customer_is_answered_with_facts(server: Server) -> None:
    found = send(server, "ask", {"question": "Where's my parcel?", "facts": {"order": "A-17"}})
    assert (found["decision"], found["text"]) == ("answer", "Order A-17 is on its way.")
    assert (found["entry_id"], found["clarifying_question"]) == ("where", None)
    chances = [found["chance"], *(each["chance"] for each in found["others"])]
    assert chances == sorted(chances, reverse=True)
    assert {each["entry_id"] for each in found["others"]} == {"refund", "password"}
    missing = send(server, "ask", {"question": "Where's my parcel?"}, 422)
    assert "needs the fact `order`" in missing["error"]


def test_the_client_asks_and_gives_feedback(server: Server) -> None:
    with Client(server.url, READS) as reader, Client(server.url, WRITES) as writer:
        found = reader.ask("Where's my parcel?", turns=["hello"], recent=["refund"], facts={"order": "C-1"})
        assert (found.decision, found.text) == ("answer", "Order C-1 is on its way.")
        assert {each.entry_id for each in found.others} == {"refund", "password"}
        kept = writer.give_feedback(found.read, found.entry_id, accepted=True)
        assert (kept.entry_id, kept.accepted) == ("where", True)


def test_two_entries_that_tie_make_a_question(server: Server) -> None:
    found = send(server, "ask", {"question": "my password or my parcel?"})
    assert (found["decision"], found["text"]) == ("ask", None)
    assert {found["entry_id"], found["others"][0]["entry_id"]} == {"password", "where"}
    for entry in ENTRIES:
        assert (entry.question in found["clarifying_question"]) == (entry.intent != "refund")


def test_what_is_unclear_is_handed_over_and_kept(server: Server, folder: Path) -> None:
    for question in ("What is the capital of Norway?", HOSTILE):
        found = send(server, "ask", {"question": question, "turns": [HOSTILE], "recent": ["refund"]})
        assert (found["decision"], found["text"]) == ("hand over", SETTINGS.hand_over)
        kept = FeedbackLog(folder / "desk-feedback").read()[-1]
        assert (kept.question, kept.verdict) == (found["read"], "unanswered")
        assert question in found["read"]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"question": "a", "turn": ["b"]}, "did you mean `turns`?"),
        ({"question": "a", "history": ["b"]}, "unknown field `history`"),
        ({"question": " "}, "`question` is blank"),
        ({"question": "a" * 501}, "$.question"),
        ({"question": "a", "turns": ["a"] * 11}, "$.turns"),
        ({"question": "a", "turns": ["a", "\t"]}, "`turns[1]` is blank"),
        ({"question": "a", "recent": ["refund", "refunds"]}, "did you mean 'refund'? - at `$.recent[1]`"),
        ({"question": "a", "facts": {"order": 17}}, "$.facts"),
    ],
)
def test_faults_of_questions_are_named(server: Server, body: object, fault: str) -> None:
    assert fault in send(server, "ask", body, 422)["error"]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"question": "a", "entry_id": "wher", "accepted": True}, "did you mean 'where'? - at `$.entry_id`"),
        ({"question": "a", "entry_id": "where", "accepted": "yes"}, "$.accepted"),
        ({"question": "", "entry_id": "where", "accepted": True}, "$.question"),
        ({"question": "a", "entry_id": "where", "helped": True}, "unknown field `helped`"),
    ],
)
def test_faults_of_feedback_are_named_and_nothing_is_kept(
    server: Server, folder: Path, body: object, fault: str
) -> None:
    before = len(FeedbackLog(folder / "desk-feedback").read())
    assert fault in send(server, "feedback", body, 422, WRITES)["error"]
    assert len(FeedbackLog(folder / "desk-feedback").read()) == before


def test_feedback_needs_a_key_that_writes(server: Server) -> None:
    send(server, "feedback", {"question": "a", "entry_id": "where", "accepted": True}, 403, READS)
    send(server, "ask", {"question": "a"}, 403, WRITES)


def test_both_workers_keep_all_feedback_whole(server: Server, folder: Path) -> None:
    before = len(FeedbackLog(folder / "desk-feedback").read())
    questions = [f"{HOSTILE} {n}" for n in range(24)]
    with ThreadPoolExecutor(8) as pool:
        told = pool.map(lambda each: judge(server, each, "refund", accepted=False), questions)
        assert list(told) == [{"entry_id": "refund", "accepted": False}] * len(questions)
    kept = FeedbackLog(folder / "desk-feedback").read()[before:]
    assert sorted(each.question for each in kept) == sorted(questions)
    assert {(each.verdict, each.intent) for each in kept} == {("rejected", "refund")}


def test_a_log_that_cant_be_used_is_a_matter_of_the_server(server: Server, folder: Path) -> None:
    file, aside = folder / "desk-feedback" / "feedback.jsonl", folder / "aside"
    send(server, "ask", {"question": "What is the capital of Norway?"})
    file.rename(aside)
    file.mkdir()
    given = {"question": "a", "entry_id": "where", "accepted": True}
    assert "can't be written" in send(server, "feedback", given, 503, WRITES)["error"]
    assert "can't be read" in send(server, "ask", {"question": "a"}, 503)["error"]
    file.rmdir()
    aside.rename(file)
    send(server, "ask", {"question": "What is the capital of Norway?"})


def each_worker(server: Server, path: str, body: object) -> list[Any]:
    """Send to either worker, on a connection that it holds."""
    lines: dict[int, Connection] = {}
    for _ in range(200):
        line = Connection(server.port, 60)
        if lines.setdefault(server.worker_of(line), line) is not line:
            line.close()
        if len(lines) == 2:
            break
    assert len(lines) == 2
    whole = request(f"/v1/support/{path}", msgspec.json.encode(body))
    sent = whole.replace(b"\r\n\r\n", f"\r\nauthorization: Bearer {READS}\r\n\r\n".encode(), 1)
    found = [msgspec.json.decode(line.insist(sent)) for line in lines.values()]
    for line in lines.values():
        line.close()
    return found


def test_feedback_counts_on_every_worker_and_survives_kill_9(server: Server) -> None:
    asked = {"question": ODD, "facts": {"order": "B-2"}}
    before, same = each_worker(server, "ask", asked)
    assert before == same
    assert before["decision"] != "answer"
    assert judge(server, before["read"], "where", accepted=True) == {"entry_id": "where", "accepted": True}
    after, same = each_worker(server, "ask", asked)
    assert after == same
    assert (after["decision"], after["text"]) == ("answer", "Order B-2 is on its way.")
    server.kill()
    server.start()
    assert each_worker(server, "ask", asked) == [after, after]


def test_a_server_without_a_desk_or_tasks_says_how_to_have_them(model: Path, tmp_path: Path) -> None:
    with Server(model, tmp_path) as plain:
        assert "--support FOLDER" in send(plain, "ask", {"question": "a"}, 422)["error"]
        assert httpx.get(f"{plain.url}/v1/tasks").json() == {"tasks": []}
        missing = httpx.post(f"{plain.url}/v1/tasks/intents", json={"texts": ["a"]})
        assert (missing.status_code, "--task" in missing.json()["error"]) == (404, True)
