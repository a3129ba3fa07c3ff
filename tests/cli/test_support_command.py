"""`tailrank support`: from a FAQ to answers, and to what is missing in it."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.errors import DataError, RequestError
from tailrank.tasks.support.feedback_log import Feedback, FeedbackLog

FAQ = """intent,question,answer,rephrasings
where,Where is my parcel?,Order {order} is on its way.,"track my parcel
my delivery hasn't come
when will my package arrive?
where's my package
is my parcel here yet?
parcel status"
refund,How do I get my money back?,Send it back.,"I want a refund
can I return this?
repay me please
how are refunds done?
money back, please
returning what I bought"
"""


def call(*arguments: object, typed: str | bytes | None = None) -> Any:
    return CliRunner().invoke(app, ["support", *map(str, arguments)], typed, env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("support")
    (folder / "faq.csv").write_text(FAQ)
    lenient = "--wrong", 0.4, "--confidence", 0.5, "--slot", "order"
    done = call("train", folder / "faq.csv", "--out", folder / "desk", *lenient)
    assert done.exit_code == 0, done.output
    assert "2 entries, 10 phrasings" in done.output
    assert "at most 40.0% of answers wrong, with confidence 50%" in done.output
    return folder / "desk"


def test_one_question_gets_an_answer_with_its_facts(desk: Path) -> None:
    found = call("ask", desk, "where is my parcel?", "--fact", "order=A-17")
    assert found.output.splitlines()[0] == "answer: Order A-17 is on its way."
    with pytest.raises(RequestError, match="needs the fact `order`"):
        _raise(call("ask", desk, "where is my parcel?"))


def _raise(done: Any) -> None:
    raise done.exception


def test_in_a_terminal_it_learns_from_what_is_said_of_its_answers(desk: Path, tmp_path: Path) -> None:
    terminal, own = pty.openpty()
    command = [sys.executable, "-m", "tailrank", "support", "ask", str(desk), "--feedback", str(tmp_path)]
    os.write(terminal, b"where is my parcel?\ny\n\n")  # it helped; no more questions
    done = subprocess.run([*command, "--fact", "order=A-17"], stdin=own, stdout=subprocess.PIPE, check=True)
    assert b"answer: Order A-17 is on its way." in done.stdout
    assert b"did that help?" in done.stdout
    said = FeedbackLog(tmp_path).read()
    assert [(each.question, each.verdict, each.intent) for each in said] == [
        ("where is my parcel?", "accepted", "where")
    ]
    os.close(terminal)
    os.close(own)


def test_lines_of_json_get_lines_of_json(desk: Path, tmp_path: Path) -> None:
    lines = '{"question": "I want my money back"}\n{"question": "what is the capital of Norway?"}\n'
    feedback = tmp_path / "feedback"
    found = call("ask", desk, "--feedback", feedback, typed=lines)
    answers = [json.loads(line) for line in found.output.splitlines()]
    assert [answer["decision"] for answer in answers] == ["answer", "hand over"]
    assert answers[0]["text"] == "Send it back."
    assert answers[0]["ranked"][0]["intent"] == "refund"
    assert [each.question for each in FeedbackLog(feedback).read()] == ["what is the capital of Norway?"]


def test_a_line_that_cant_be_answered_is_told_why_and_costs_no_other(desk: Path, tmp_path: Path) -> None:
    lines = [
        b'{"question": "a", "histroy": []}',
        b'{"question": "strike \xff"}',
        b'{"question": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"question": "where is my parcel?"}',
        b'{"question": "' + b"word salad " * 1_000_000 + b'"}',
        b'{"question": "<b>I want</b> my\\u0000 \\u202e money back \xe5\x8d\xa1"}',
    ]
    found = call("ask", desk, "--feedback", tmp_path / "feedback", typed=b"\n".join(lines))
    assert found.exit_code == 0, found.output
    *wrong, long, odd = [json.loads(line) for line in found.output.splitlines()]
    reasons = "unknown field `histroy`", "can't decode byte 0xff", "Expected `str`", "needs the fact `order`"
    for number, (said, reason) in enumerate(zip(wrong, reasons, strict=True), 1):
        assert said["error"].startswith(f"line {number}: ")
        assert reason in said["error"]
    assert long["decision"] == "hand over"
    assert odd["ranked"][0]["intent"] == "refund"


def test_it_is_measured_on_asked_questions(desk: Path, tmp_path: Path) -> None:
    asked = tmp_path / "asked.csv"
    asked.write_text("question,intent\nI'd like a refund,refund\nparcel tracking,where\nwho won?,\n")
    found = call("evaluate", desk, asked)
    assert "3 questions, 1 of which no entry answers" in found.output
    assert "mrr 1.0000, the right entry first 1.0000" in found.output
    asked.write_text("question,intent\nI'd like a refund,refnd\n")
    with pytest.raises(DataError, match="no entry has the intent 'refnd'"):
        _raise(call("evaluate", desk, asked))


def test_what_was_handed_over_becomes_suggestions(desk: Path, tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path)
    for text in ("I need an invoice", "please send an invoice", "can I have an invoice?", "who won?"):
        log.append(Feedback(text, "unanswered"))
    found = call("suggest", desk, "--feedback", tmp_path)
    assert "1 suggestions from 4 unanswered questions" in found.output
    assert found.output.count("invoice") == 3


def test_a_promise_that_can_not_be_tested_is_refused(desk: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="4 questions to test on"):
        _raise(call("train", desk.parent / "faq.csv", "--out", tmp_path / "other"))
    with pytest.raises(RequestError, match=r"^wrong: Expected `float` < 1.0$"):
        _raise(call("train", desk.parent / "faq.csv", "--out", tmp_path / "other", "--wrong", 1.5))


def test_a_slot_that_no_answer_has_is_refused(desk: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"--slot ordr: no answer of .*faq.csv has {ordr}"):
        _raise(call("train", desk.parent / "faq.csv", "--out", tmp_path / "other", "--slot", "ordr"))
