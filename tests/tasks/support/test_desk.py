"""The support desk, on the real encoder and a FAQ of a small shop."""

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tailrank.errors import DataError, EncoderError, ModelError, RequestError
from tailrank.language.encoder import TextEncoder
from tailrank.tasks.support.desk import SupportDesk
from tailrank.tasks.support.entries import AskedQuestion, Entry
from tailrank.tasks.support.feedback_log import Feedback
from tailrank.tasks.support.fitting import fit_desk
from tailrank.tasks.support.folder import read_desk, write_desk
from tailrank.tasks.support.settings import DeskSettings

ENTRIES = (
    Entry(
        "where",
        "Where is my parcel?",
        ("Order {order} is on its way.",),
        ("track my parcel", "my delivery hasn't come yet", "when will my package arrive?"),
    ),
    Entry(
        "refund",
        "How do I get my money back?",
        ("Send it back within 30 days.",),
        ("I want a refund", "can I return this and be repaid?", "give me my money back please"),
    ),
    Entry(
        "password",
        "How do I reset my password?",
        ("Follow the link below the form.",),
        ("I forgot my password", "change my login password", "can't log in, wrong password"),
    ),
    Entry(
        "tent",
        "How do I pitch the tent?",
        ("Start with the poles.",),
        ("setting up the tent", "tent instructions", "which pole goes where in my tent?"),
    ),
    Entry(
        "stove",
        "How do I light the stove?",
        ("Open the valve first.",),
        ("my stove won't burn", "lighting the gas stove", "stove instructions"),
    ),
)
LENIENT = DeskSettings(wrong=0.2, confidence=0.5, held_out=0.3, slots=("order",))


@pytest.fixture(scope="module")
def desk(encoder: TextEncoder) -> SupportDesk:
    return fit_desk(ENTRIES, encoder, LENIENT)


def test_a_question_in_other_words_gets_the_answer_of_its_entry(desk: SupportDesk) -> None:
    found = desk.answer("i forgot the password, how can I reset it?")
    assert found.decision == "answer"
    assert found.text == "Follow the link below the form."
    assert found.ranked[0].entry.intent == "password"
    chances = [match.chance for match in found.ranked]
    assert chances == sorted(chances, reverse=True)
    assert 0 < sum(chances) < 1


def test_a_question_about_something_else_is_handed_over(desk: SupportDesk) -> None:
    found = desk.answer("What is the capital of Norway?")
    assert found.decision == "hand over"
    assert found.text == LENIENT.hand_over
    assert found.ranked[0].chance < 0.1


def test_two_entries_that_tie_make_a_question(desk: SupportDesk) -> None:
    wide = replace(desk, settings=msgspec.structs.replace(LENIENT, tie=0.15))
    found = wide.answer("tent or stove?")
    assert found.decision == "ask"
    assert {match.entry.intent for match in found.ranked[:2]} == {"tent", "stove"}
    assert "How do I pitch the tent?" in found.text
    assert "How do I light the stove?" in found.text


@pytest.mark.parametrize(("looked_at", "best"), [("stove", "stove"), ("a two-person tent, green", "tent")])
def test_what_a_customer_looked_at_last_lifts_entries_of_unclear_questions(
    desk: SupportDesk, looked_at: str, best: str
) -> None:
    found = desk.answer("how does it work?", history=["blue mug", looked_at])
    assert found.decision != "answer"
    assert found.ranked[0].entry.intent == best


def test_history_changes_no_answer_that_is_clear(desk: SupportDesk) -> None:
    question = "how do I reset my password"
    assert desk.answer(question, history=["stove", "stove"]) == desk.answer(question)


def test_a_short_question_is_read_with_the_one_before_it(desk: SupportDesk) -> None:
    alone, after = desk.answer("and the tent?"), desk.answer("and the tent?", turns=["instructions for"])
    assert alone.read == "and the tent?"
    assert after.read in (alone.read, "instructions for and the tent?")
    vague = desk.answer("and when?", turns=["my package hasn't come yet"], facts={"order": "A-17"})
    assert vague.read == "my package hasn't come yet and when?"
    assert vague.ranked[0].entry.intent == "where"
    assert desk.answer("and when?").ranked[0].chance < vague.ranked[0].chance


def test_slots_are_filled_from_facts_and_refused_by_name_without_one(desk: SupportDesk) -> None:
    assert desk.answer("where is my parcel", facts={"order": "A-17"}).text == "Order A-17 is on its way."
    with pytest.raises(RequestError, match="'where' needs the fact `order`"):
        desk.answer("where is my parcel")


def test_chinese_questions_match_chinese_entries_by_their_letters(encoder: TextEncoder) -> None:
    chinese = Entry("发票", "怎么开发票", ("在订单页面申请。",), ("我需要发票", "可以开发票吗"))
    desk = fit_desk([*ENTRIES, chinese], encoder, LENIENT)
    assert desk.answer("请问发票怎么开").ranked[0].entry.intent == "发票"


def test_accepted_and_rejected_questions_change_what_matches(desk: SupportDesk) -> None:
    question = "the thing hisses at me"
    before = desk.answer(question).ranked
    accepted = desk.after([Feedback(question, "accepted", "stove")]).answer(question).ranked[0]
    assert accepted.entry.intent == "stove"
    assert accepted.chance > max(match.chance for match in before)
    asked, facts = "what's up with my delivery of today", {"order": "A-17"}
    was = desk.answer(asked, facts=facts).ranked[0]
    rejected = desk.after([Feedback(asked, "rejected", "where")]).answer(asked, facts=facts).ranked
    now = next(match.chance for match in rejected if match.entry.intent == "where")
    assert was.entry.intent == "where"
    assert now < was.chance - 0.3
    with pytest.raises(RequestError, match="no entry has the intent 'stov': did you mean 'stove'"):
        desk.after([Feedback(question, "accepted", "stov")])


def test_the_empty_question_is_refused(desk: SupportDesk) -> None:
    with pytest.raises(RequestError, match="the question is empty"):
        desk.answer("  ")


def test_a_desk_comes_back_from_its_folder_and_damage_is_named(
    desk: SupportDesk, encoder: TextEncoder, tiny: TextEncoder, tmp_path: Path
) -> None:
    write_desk(desk, tmp_path / "desk")
    back = read_desk(tmp_path / "desk", encoder)
    questions = ["I lost my password", "money back", "tent"]
    np.testing.assert_allclose(back.chances_of(questions), desk.chances_of(questions), rtol=1e-5)
    assert back.guarantee == desk.guarantee
    with pytest.raises(EncoderError, match="whose weights are others"):
        read_desk(tmp_path / "desk", tiny)
    manifest = tmp_path / "desk" / "manifest.json"
    content = manifest.read_text()
    manifest.write_text(json.dumps(json.loads(content) | {"extra": 1}))
    with pytest.raises(ModelError, match="unknown field `extra`"):
        read_desk(tmp_path / "desk", encoder)
    manifest.write_text(content)
    with (tmp_path / "desk" / "entries.jsonl").open("a") as stream:
        stream.write("{}\n")
    with pytest.raises(ModelError, match=r"entries.jsonl: isn't what was written"):
        read_desk(tmp_path / "desk", encoder)
    with pytest.raises(ModelError, match="no support desk"):
        read_desk(tmp_path / "none", encoder)


def test_too_few_questions_to_test_a_promise_on_are_refused_in_words(encoder: TextEncoder) -> None:
    with pytest.raises(RequestError, match=r"3 questions to test on: .* at most 5.0% .* at least 45"):
        fit_desk(ENTRIES, encoder, DeskSettings(held_out=0.2))


def test_asked_questions_teach_and_test(encoder: TextEncoder) -> None:
    asked = [AskedQuestion(text, entry.intent) for entry in ENTRIES for text in entry.rephrasings]
    asked += [AskedQuestion(text, "") for text in ("who won the match?", "sing a song", "best pizza in town")]
    known = [Entry(entry.intent, entry.question, entry.answers) for entry in ENTRIES]
    strict = msgspec.structs.replace(LENIENT, wrong=0.05, confidence=0.3)
    desk = fit_desk(known, encoder, strict, asked)
    assert desk.guarantee.questions == 9
    assert desk.answer("sing me a song").decision == "hand over"
    assert desk.answer("reset my password").ranked[0].entry.intent == "password"


def test_entries_must_be_two_with_names_of_their_own(encoder: TextEncoder) -> None:
    with pytest.raises(DataError, match="fewer than two entries"):
        fit_desk(ENTRIES[:1], encoder)
    with pytest.raises(DataError, match="two entries have the intent 'where'"):
        fit_desk([*ENTRIES, ENTRIES[0]], encoder)
