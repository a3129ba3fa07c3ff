"""The wire shapes of labelling texts, and of the support desk."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from tailrank.api import MAX_TEXTS
from tailrank.bounds import MAX_LONG_TEXT, MAX_TEXT

MAX_LABELLED: Final = 64
MAX_RECENT: Final = 50
MAX_FACTS: Final = 50

Text: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
LongText: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_LONG_TEXT)]
Facts: TypeAlias = dict[Annotated[str, Meta(max_length=100)], Annotated[str, Meta(max_length=MAX_TEXT)]]


class LabelRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Texts to label; `entities` names what to judge in each, or the other text, if the kind wants that."""

    texts: Annotated[list[LongText], Meta(min_length=1, max_length=MAX_LABELLED)]
    entities: Annotated[list[LongText], Meta(max_length=MAX_LABELLED)] | None = None

    def __post_init__(self) -> None:
        _refuse_blank("texts", self.texts)
        _refuse_blank("entities", self.entities or [])


class LabelChance(Struct, frozen=True):
    """A label, and the chance that a text has it."""

    label: str
    chance: float


class Prediction(Struct, frozen=True):
    """What is said of a text: its likeliest label, and the first five of `labels`, the likeliest first.

    `refused` marks a text that is unlike those which the task learned from.
    """

    label: str
    chance: float
    refused: bool
    labels: list[LabelChance]


class LabelResponse(Struct, frozen=True):
    """What a task says of each text, in their order."""

    task: str
    predictions: list[Prediction]


class TaskDescription(Struct, frozen=True):
    """A task that is served: its kind, the labels that it knows, and how many texts it learned from.

    `held_out` is what was measured on texts that were held out while it was trained: how many `texts`, the
    metrics of its kind, and the share that was `refused`.
    """

    name: str
    kind: str
    labels: list[str]
    texts: int
    held_out: dict[str, float | None]


class Tasks(Struct, frozen=True):
    """The tasks that are served."""

    tasks: list[TaskDescription]


class DeskDescription(Struct, frozen=True):
    """A support desk that is served: its entries, and the names of the facts that its answers need.

    At most the share `wrong` of its answers is wrong, with that `confidence`; it answers from the chance
    `threshold` on, or never if that is null.
    """

    entries: int
    slots: list[str]
    wrong: float
    confidence: float
    threshold: float | None


class TasksPage(Struct, frozen=True):
    """What the page at `/tasks` has to show; `monitor` says whether there is one."""

    tasks: list[TaskDescription]
    desk: DeskDescription | None
    monitor: bool


class SupportQuestion(Struct, frozen=True, forbid_unknown_fields=True):
    """What a customer asks.

    `turns` are the questions before it, oldest first; `recent` the ids of entries that the customer looked
    at, oldest first; `facts` fill the slots of answers, by their names.
    """

    question: Text
    turns: Annotated[list[Text], Meta(max_length=MAX_TEXTS)] = []
    recent: Annotated[list[str], Meta(max_length=MAX_RECENT)] = []
    facts: Annotated[Facts, Meta(max_length=MAX_FACTS)] = {}

    def __post_init__(self) -> None:
        _refuse_blank("question", [self.question])
        _refuse_blank("turns", self.turns)


class SupportEntry(Struct, frozen=True):
    """An entry, and the chance that it answers the question."""

    entry_id: str
    question: str
    chance: float


class SupportAnswer(Struct, frozen=True):
    """What the desk makes of a question.

    `text` is what to tell the customer: the answer, or that the question is handed over. If the decision is
    `ask`, it is null, and `clarifying_question` asks which was meant: the likeliest entry, `entry_id`, or the
    first of the `others`. Only if the decision is `answer` does that entry answer. `entry_question` is what
    that entry asks. `read` is the question as it was read, with those before it if it was short: feedback is
    about that.
    """

    decision: Literal["answer", "ask", "hand over"]
    text: str | None
    clarifying_question: str | None
    entry_id: str
    entry_question: str
    chance: float
    read: str
    others: list[SupportEntry]


class SupportFeedback(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether an entry answered a question."""

    question: LongText
    entry_id: str
    accepted: bool

    def __post_init__(self) -> None:
        _refuse_blank("question", [self.question])


class FeedbackStored(Struct, frozen=True):
    """Feedback that is durable now."""

    entry_id: str
    accepted: bool


def _refuse_blank(field: str, texts: list[str]) -> None:
    """Refuse texts that say nothing; raises ValueError, which msgspec turns into a ValidationError."""
    for at, text in enumerate(texts):
        if not text.strip():
            row = "" if field == "question" else f"[{at}]"
            raise ValueError(f"`{field}{row}` is blank: write a text")
