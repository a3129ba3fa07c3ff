"""`LiveDesk`: a desk that learns from what becomes of its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

from tailrank.bounds import MAX_LONG_TEXT
from tailrank.tasks.support.desk import Answer
from tailrank.tasks.support.feedback_log import Feedback, FeedbackLog, Place, beside
from tailrank.tasks.support.folder import read_desk
from tailrank.tasks.task_folder import Encoder, LoadEncoder


class LiveDesk:
    """A desk in a folder, with the feedback that was given since.

    An accepted question becomes a phrasing of its entry, a rejected one makes the entry less like it. Either
    is on the disk before it counts. What another process was told, such as another worker of a server, counts
    here, too: each reads the same file, in its order, before it answers. What the desk promises was tested
    without all that: fit it anew now and then.

    Parameters
    ----------
    folder
        Of the desk.
    feedback
        Folder of the feedback; by default `NAME-feedback` beside that of the desk, which is replaced as a
        whole.
    encoder, load_encoder
        As in `read_desk`.

    Attributes
    ----------
    desk
        With what was learned so far.
    intents
        Of its entries.

    Raises
    ------
    ModelError, EncoderError
        As `read_desk` does, or if the feedback is damaged.
    """

    def __init__(
        self,
        folder: Path,
        feedback: Path | None = None,
        encoder: Encoder | None = None,
        load_encoder: LoadEncoder | None = None,
    ) -> None:
        self.log = FeedbackLog(feedback or beside(folder))
        self._lock, self._read = Lock(), Place()
        self.desk = read_desk(folder, encoder, load_encoder)
        self.intents = frozenset(entry.intent for entry in self.desk.entries)
        self._catch_up()

    def answer(
        self,
        question: str,
        history: Sequence[str] = (),
        turns: Sequence[str] = (),
        facts: Mapping[str, str] | None = None,
    ) -> Answer:
        """Answer as `SupportDesk.answer` does; what is handed over is kept, for `suggested_entries`.

        Raises
        ------
        RequestError
            As there.
        ModelError
            If the feedback can't be read, or kept.
        """
        with self._lock:
            self._catch_up()
        found = self.desk.answer(question, history, turns, facts)
        if found.decision == "hand over":
            self.log.append(Feedback(found.read[:MAX_LONG_TEXT], "unanswered"))
        return found

    def give(self, feedback: Feedback) -> None:
        """Learn from what became of an answer.

        Raises
        ------
        RequestError
            If no entry has that intent, or the question is empty or too long.
        ModelError
            If the feedback can't be read, or kept.
        """
        with self._lock:
            if feedback.verdict != "unanswered":  # what can't be learned doesn't get on the disk
                self.desk.position(feedback.intent)
            self.log.append(feedback)
            self._catch_up()

    def _catch_up(self) -> None:
        """Learn from what was told since this was last done, here or elsewhere."""
        entries, read = self.log.since(self._read)
        # Of an entry that has gone with another training there is nothing to learn.
        self.desk = self.desk.after([each for each in entries if each.intent in self.intents])
        self._read = read
