"""What is said of answers outlives the process that was told."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tailrank.errors import ModelError
from tailrank.language.encoder import TextEncoder
from tailrank.tasks.support.entries import Entry
from tailrank.tasks.support.feedback_log import Feedback, FeedbackLog
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


def test_a_live_desk_learns_keeps_and_replays(encoder: TextEncoder, tmp_path: Path) -> None:
    rephrased = ("where's my parcel", "parcel tracking"), ("money back", "refund please")
    entries = [
        Entry("where", "Where is my parcel?", ("On its way.",), rephrased[0]),
        Entry("refund", "How do I get a refund?", ("Send it back.",), rephrased[1]),
    ]
    settings = DeskSettings(wrong=0.5, confidence=0.5, held_out=0.5)
    write_desk(fit_desk(entries, encoder, settings), tmp_path / "desk")
    live, odd = LiveDesk(tmp_path / "desk", encoder=encoder), "did the postman lose it?"
    assert live.answer(odd).decision == "hand over"
    live.give(Feedback(odd, "accepted", "where"))
    assert live.answer(odd).text == "On its way."
    again = LiveDesk(tmp_path / "desk", encoder=encoder)
    assert again.answer(odd) == live.answer(odd)
    assert [entry.verdict for entry in again.log.read()] == ["unanswered", "accepted"]


def test_unanswered_questions_are_grouped_into_suggestions(encoder: TextEncoder) -> None:
    invoices = ["I need an invoice", "please send me an invoice", "can I have an invoice?"]
    gifts = ["do you wrap gifts?", "gift wrapping, please", "is gift wrapping possible?", "wrap it as a gift"]
    found = suggested_entries([*invoices, "what is the capital of Norway?", *gifts], encoder)
    assert [set(each.questions) for each in found] == [set(gifts), set(invoices)]
    assert suggested_entries(invoices[:1], encoder) == []
