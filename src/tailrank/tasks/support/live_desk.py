"""`LiveDesk`: a desk that learns from what becomes of its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

from tailrank.tasks.support.desk import Answer, SupportDesk
from tailrank.tasks.support.feedback_log import Feedback, FeedbackLog
from tailrank.tasks.support.folder import read_desk
from tailrank.tasks.task_folder import Encoder


class LiveDesk:
    """A desk in a folder, with the feedback that was given since.

    An accepted question becomes a phrasing of its entry, a rejected one makes the entry less like it. Either
    is on the disk before it counts. What the desk promises was tested without them: fit it anew now and then.

    Parameters
    ----------
    folder
        Of the desk.
    feedback
        Folder of the feedback; by default `NAME-feedback` beside that of the desk, which is replaced as a
        whole.
    encoder
        As in `read_desk`.

    Raises
    ------
    ModelError, EncoderError
        As `read_desk` does, or if the feedback is damaged.
    """

    def __init__(self, folder: Path, feedback: Path | None = None, encoder: Encoder | None = None) -> None:
        self.log = FeedbackLog(feedback or folder.with_name(f"{folder.name}-feedback"))
        self._lock = Lock()
        self.desk = read_desk(folder, encoder)
        known = {entry.intent for entry in self.desk.entries}
        for entry in self.log.read():
            if entry.intent in known:  # it may have gone since
                self.desk = _after(self.desk, entry)

    def answer(
        self,
        question: str,
        history: Sequence[str] = (),
        turns: Sequence[str] = (),
        facts: Mapping[str, str] | None = None,
    ) -> Answer:
        """Answer as `SupportDesk.answer` does; what is handed over is kept, for `suggested_entries`."""
        found = self.desk.answer(question, history, turns, facts)
        if found.decision == "hand over":
            self.log.append(Feedback(found.read, "unanswered"))
        return found

    def give(self, feedback: Feedback) -> None:
        """Learn from what became of an answer.

        Raises
        ------
        RequestError
            If no entry has that intent, or it can't be kept.
        """
        with self._lock:
            after = _after(self.desk, feedback)
            self.log.append(feedback)
            self.desk = after


def _after(desk: SupportDesk, feedback: Feedback) -> SupportDesk:
    if feedback.verdict == "unanswered":
        return desk
    change = desk.with_accepted if feedback.verdict == "accepted" else desk.with_rejected
    return change(feedback.question, feedback.intent)
