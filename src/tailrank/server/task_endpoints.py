"""Texts that are labelled and customers that are answered: encoded beside the event loop, in turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from tailrank.api_tasks import (
    DeskDescription,
    FeedbackStored,
    LabelChance,
    LabelRequest,
    LabelResponse,
    Prediction,
    SupportAnswer,
    SupportEntry,
    SupportFeedback,
    SupportQuestion,
    TaskDescription,
    Tasks,
    TasksPage,
)
from tailrank.errors import ModelError, RequestError, nearest
from tailrank.feedback.records import LogError
from tailrank.language.vectors import EncoderIdentity
from tailrank.server.call import Call, encode
from tailrank.server.decoding import Body
from tailrank.server.encoding import Encoders
from tailrank.server.exchange import Answer
from tailrank.server.refusals import RequestRefused
from tailrank.server.served_tasks import ServedTasks
from tailrank.tasks.support.feedback_log import Feedback

if TYPE_CHECKING:  # as in `served_tasks`
    from tailrank.tasks.predictions import Predictions
    from tailrank.tasks.support import desk
    from tailrank.tasks.support.live_desk import LiveDesk

LABEL: Final[Body[LabelRequest]] = Body(LabelRequest)
QUESTION: Final[Body[SupportQuestion]] = Body(SupportQuestion)
FEEDBACK: Final[Body[SupportFeedback]] = Body(SupportFeedback)

LABELS: Final = 5
"""Labels of a text that are told, the likeliest first."""


class TaskEndpoints:
    """The endpoints of tasks and of the support desk.

    Parameters
    ----------
    served
        What is served.
    encoders
        Those of the server.
    """

    def __init__(self, served: ServedTasks, encoders: Encoders) -> None:
        self._served, self._encoders = served, encoders

    def tasks(self, _: Call) -> Answer:
        """List the tasks."""
        return Answer(encode(Tasks(self._described())))

    def page_tasks(self, _: Call) -> Answer:
        """Say what the page at `/tasks` has to show."""
        live, monitor = self._served.desk, self._served.monitor
        described = None if live is None else _desk_described(live.desk)
        return Answer(encode(TasksPage(self._described(), described, monitor is not None)))

    async def label(self, call: Call) -> Answer:
        """Label texts by a task."""
        task = self._served.tasks.get(call.name)
        if task is None:
            names = ", ".join(map(repr, self._served.tasks)) or "none: start the server with --task"
            raise RequestRefused(404, f"there is no task {call.name[:40]!r}; there are {names}")
        asked = LABEL.decode(call.body)
        written = await asyncio.to_thread(task.kind.texts, asked.texts, asked.entities, task.template)
        encoder = await self._encoders.load(EncoderIdentity(task.encoder.name, task.encoder.sha256, ""))
        vectors = await self._encoders.encode(encoder, written, "documents")
        predictions = _told(await asyncio.to_thread(task.judge, written, vectors))
        return Answer(encode(LabelResponse(call.name, predictions)))

    async def support_ask(self, call: Call) -> Answer:
        """Answer a customer, or ask what is meant, or hand over, which is kept."""
        desk, asked = self._desk(), QUESTION.decode(call.body)

        def answer() -> SupportAnswer:
            for at, entry_id in enumerate(asked.recent):
                _check_entry(desk, entry_id, f"recent[{at}]")
            return _said(desk.answer(asked.question, asked.recent, asked.turns, asked.facts))

        return await self._by_log(answer)

    async def support_feedback(self, call: Call) -> Answer:
        """Learn whether an entry answered a question; that is durable when this is answered."""
        desk, given = self._desk(), FEEDBACK.decode(call.body)

        def give() -> FeedbackStored:
            _check_entry(desk, given.entry_id, "entry_id")
            verdict: Final = "accepted" if given.accepted else "rejected"
            desk.give(Feedback(given.question, verdict, given.entry_id))
            return FeedbackStored(given.entry_id, given.accepted)

        return await self._by_log(give)

    def _described(self) -> list[TaskDescription]:
        """Describe the tasks."""
        return [
            TaskDescription(
                name,
                task.kind.name,
                list(task.labels),
                msgspec.convert(task.about.get("texts", 0), int),
                msgspec.convert(task.about.get("held_out", {}), dict[str, float | None]),
            )
            for name, task in self._served.tasks.items()
        ]

    async def _by_log(self, work: Callable[[], object]) -> Answer:
        """Do what reads and writes the desk's log; raises LogError if that can't be done."""
        try:
            return Answer(encode(await self._encoders.run(work, "documents")))
        except ModelError as why:
            raise LogError(str(why)) from None

    def _desk(self) -> LiveDesk:
        if self._served.desk is None:
            raise RequestError("there is no support desk: start the server with --support FOLDER")
        return self._served.desk


def _told(found: Predictions) -> list[Prediction]:
    """Write what is said of each text."""
    told = []
    for row, likeliest in enumerate(found.likeliest(LABELS)):
        labels = [LabelChance(label, round(chance, 6)) for label, chance in likeliest]
        refused = found.refused is not None and bool(found.refused[row])
        told.append(Prediction(labels[0].label, labels[0].chance, refused, labels))
    return told


def _said(found: desk.Answer) -> SupportAnswer:
    """Write what the desk makes of a question."""
    best, *others = [SupportEntry(m.entry.intent, m.entry.question, m.chance) for m in found.ranked]
    asks = found.decision == "ask"
    return SupportAnswer(
        found.decision,
        None if asks else found.text,
        found.text if asks else None,
        best.entry_id,
        best.question,
        best.chance,
        found.read,
        others,
    )


def _desk_described(found: desk.SupportDesk) -> DeskDescription:
    """Say what a desk is."""
    promise = found.guarantee
    return DeskDescription(
        len(found.entries),
        list(found.settings.slots),
        promise.wrong,
        promise.confidence,
        promise.threshold if promise.ever_answers else None,
    )


def _check_entry(desk: LiveDesk, entry_id: str, field: str) -> None:
    """Refuse the id of an entry that there isn't."""
    if entry_id not in desk.intents:
        near = nearest(entry_id[:100], desk.intents)
        remedy = "see what /v1/support/ask answers" if near is None else f"did you mean {near!r}?"
        raise RequestError(f"there is no entry {entry_id[:40]!r}: {remedy} - at `$.{field}`")
