"""What is said of answers outlives the process that was told."""

import re
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tailrank.arrays import Floats
from tailrank.errors import ModelError, RequestError
from tailrank.language.encoder import TextEncoder
from tailrank.tasks.support.entries import Entry
from tailrank.tasks.support.feedback_log import Feedback, FeedbackLog, Place
from tailrank.tasks.support.fitting import fit_desk
from tailrank.tasks.support.folder import write_desk
from tailrank.tasks.support.live_desk import LiveDesk
from tailrank.tasks.support.settings import DeskSettings
from tailrank.tasks.support.suggestions import suggested_entries

WRITER = """
import sys
from pathlib import Path
from tailrank.tasks.support.feedback_log import Feedback, FeedbackLog
log = FeedbackLog(Path(sys.argv[1]))
for n in range(100_000):
    log.append(Feedback(f"question {n}", "unanswered"))
    print(n, flush=True)
"""

ODD = "did the postman lose it?"


def test_what_was_kept_is_there_after_kill_9_and_writing_goes_on(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    told = [int(writer.stdout.readline()) for _ in range(20)]
    writer.send_signal(signal.SIGKILL)
    told += [int(line) for line in writer.stdout if line.endswith(b"\n")]
    writer.wait()
    log = FeedbackLog(tmp_path)
    found = log.read()
    assert len(found) in (len(told), len(told) + 1)
    assert [entry.question for entry in found] == [f"question {n}" for n in range(len(found))]
    with log.file.open("ab") as stream:
        stream.write(b'{"question":"half a li')
    assert log.read() == found
    log.append(Feedback("whole", "accepted", "a"))
    assert [*found, log.read()[-1]] == log.read()
    assert log.read()[-1].question == "whole"


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path)
    log.append(Feedback("a", "unanswered"))
    with log.file.open("ab") as stream:
        stream.write(b'{"question":"b","verdict":"maybe"}\n')
    with pytest.raises(ModelError, match="line 2: Invalid enum value 'maybe'"):
        log.read()


@pytest.fixture
def desk_folder(encoder: TextEncoder, tmp_path: Path) -> Path:
    rephrased = ("where's my parcel", "parcel tracking"), ("money back", "refund please")
    entries = [
        Entry("where", "Where is my parcel?", ("On its way.",), rephrased[0]),
        Entry("refund", "How do I get a refund?", ("Send it back.",), rephrased[1]),
    ]
    settings = DeskSettings(wrong=0.5, confidence=0.5, held_out=0.5)
    write_desk(fit_desk(entries, encoder, settings), tmp_path / "desk")
    return tmp_path / "desk"


def test_a_live_desk_learns_keeps_and_replays(encoder: TextEncoder, desk_folder: Path) -> None:
    live = LiveDesk(desk_folder, encoder=encoder)
    assert live.answer(ODD).decision == "hand over"
    live.give(Feedback(ODD, "accepted", "where"))
    assert live.answer(ODD).text == "On its way."
    again = LiveDesk(desk_folder, encoder=encoder)
    assert again.answer(ODD) == live.answer(ODD)
    assert [entry.verdict for entry in again.log.read()] == ["unanswered", "accepted"]


def test_live_desks_of_one_folder_learn_from_each_other(desk_folder: Path, encoder: TextEncoder) -> None:
    first, second = (LiveDesk(desk_folder, encoder=encoder) for _ in range(2))
    first.give(Feedback(ODD, "accepted", "where"))
    second.give(Feedback("where did it go?", "accepted", "where"))
    assert first.answer(ODD) == second.answer(ODD) == LiveDesk(desk_folder, encoder=encoder).answer(ODD)
    assert first.desk.entries == second.desk.entries
    assert first.desk.entries[0].rephrasings[-2:] == (ODD, "where did it go?")


def test_no_text_is_encoded_twice_for_an_answer_or_for_feedback(
    desk_folder: Path, encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, read = LiveDesk(desk_folder, encoder=encoder), list[str]()
    encode = TextEncoder.encode

    def noted(self: TextEncoder, texts: Sequence[str]) -> Floats:
        read.extend(texts)
        return encode(self, texts)

    monkeypatch.setattr(TextEncoder, "encode", noted)
    live.answer(ODD, history=["refund", "a blue mug", "where"])
    live.give(Feedback(ODD, "accepted", "where"))
    assert read == [ODD, "a blue mug", ODD]


def test_a_question_that_never_ends_leaves_the_log_readable(desk_folder: Path, encoder: TextEncoder) -> None:
    assert LiveDesk(desk_folder, encoder=encoder).answer("zyx " * 5_000).decision == "hand over"
    [kept] = LiveDesk(desk_folder, encoder=encoder).log.read()
    assert len(kept.question) == 10_000


def test_what_is_behind_a_place_is_read_and_a_damaged_line_there_is_named(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path)
    log.append(Feedback("a", "unanswered"))
    _, place = log.since(Place())
    assert log.since(place) == ([], place)
    log.append(Feedback("b", "unanswered"))
    with log.file.open("ab") as stream:
        stream.write(b'{"question":"half a li')
    found, later = log.since(place)
    assert [each.question for each in found] == ["b"]
    log.append(Feedback("c", "unanswered"))
    assert [each.question for each in log.since(later)[0]] == ["c"]
    with log.file.open("ab") as stream:
        stream.write(b"{}\n")
    with pytest.raises(ModelError, match="line 4: "):
        log.since(later)
    log.file.write_bytes(b"")
    assert log.since(later) == ([], Place())


def test_a_log_that_cant_be_written_or_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "feedback.jsonl").mkdir()
    with pytest.raises(ModelError, match=r"feedback\.jsonl: can't be written"):
        FeedbackLog(tmp_path).append(Feedback("a", "unanswered"))
    with pytest.raises(ModelError, match=r"feedback\.jsonl: can't be read"):
        FeedbackLog(tmp_path).read()


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (Feedback("a" * 10_001, "accepted", "a"), "length <= 10000 - at `$.question`"),
        (Feedback("", "unanswered"), "length >= 1 - at `$.question`"),
    ],
)
def test_what_couldnt_be_read_again_is_not_written(tmp_path: Path, entry: Feedback, fault: str) -> None:
    log = FeedbackLog(tmp_path)
    with pytest.raises(RequestError, match=re.escape(fault)):
        log.append(entry)
    assert log.read() == []


def test_half_a_line_on_a_full_disk_is_no_success(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path)
    log.append(Feedback("a", "unanswered"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.file.stat().st_size + 10, hard))
    try:
        with pytest.raises(ModelError, match=r"feedback\.jsonl: can't be written"):
            log.append(Feedback("b", "unanswered"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    log.append(Feedback("c", "unanswered"))
    assert [each.question for each in log.read()] == ["a", "c"]


def test_unanswered_questions_are_grouped_into_suggestions(encoder: TextEncoder) -> None:
    invoices = ["I need an invoice", "please send me an invoice", "can I have an invoice?"]
    gifts = ["do you wrap gifts?", "gift wrapping, please", "is gift wrapping possible?", "wrap it as a gift"]
    found = suggested_entries([*invoices, "what is the capital of Norway?", *gifts], encoder)
    assert [set(each.questions) for each in found] == [set(gifts), set(invoices)]
    assert suggested_entries(invoices[:1], encoder) == []
