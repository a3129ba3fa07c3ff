"""`SupportDesk`: matches what a customer asks to known questions, and says which it dares to answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, Literal, Self, TypeAlias

import msgspec
import numpy as np

from tailrank.arrays import Doubles, Floats
from tailrank.errors import RequestError, nearest
from tailrank.tasks.support.chances import Chances, certainty, lifted
from tailrank.tasks.support.entries import Entry
from tailrank.tasks.support.feedback_log import Feedback
from tailrank.tasks.support.guarantee import Guarantee
from tailrank.tasks.support.likeness import Likeness
from tailrank.tasks.support.settings import DeskSettings
from tailrank.tasks.support.wording import filled, with_turns
from tailrank.tasks.task_folder import Encoder

Decision: TypeAlias = Literal["answer", "ask", "hand over"]

RANKED: Final = 5
"""Entries that an answer lists."""

LATEST: Final = 5
"""Of what a customer looked at, so much is read."""


@dataclass(frozen=True)
class Match:
    """An entry, and the chance that it answers the question."""

    entry: Entry
    chance: float


@dataclass(frozen=True)
class Answer:
    """What a desk makes of a question.

    Attributes
    ----------
    decision
        `answer` if the best entry is likely enough and no other ties, `ask` if two likely ones do, else
        `hand over`.
    text
        What to tell the customer.
    ranked
        The best entries, the likeliest first.
    read
        The question as it was read: with the one before it if it was short.
    """

    decision: Decision
    text: str
    ranked: tuple[Match, ...]
    read: str


@dataclass(frozen=True)
class SupportDesk:
    """Entries, how questions are compared with them, and from which chance on they are the answer.

    Make one with `tailrank.tasks.support.fitting.fit_desk` or `tailrank.tasks.support.folder.read_desk`.

    Attributes
    ----------
    entries
        What it knows.
    likeness, chances
        What makes chances of a question.
    guarantee
        What it promises of its answers, and from which chance on it gives one.
    settings
        As it was fitted with.
    encoder
        Of questions; the one that the entries were encoded by.
    """

    entries: tuple[Entry, ...]
    likeness: Likeness = field(repr=False)
    chances: Chances
    guarantee: Guarantee
    settings: DeskSettings
    encoder: Encoder = field(repr=False)

    def answer(
        self,
        question: str,
        history: Sequence[str] = (),
        turns: Sequence[str] = (),
        facts: Mapping[str, str] | None = None,
    ) -> Answer:
        """Answer a question, ask which of two was meant, or hand it over.

        Whether it is answered goes by the question alone, so that the promise holds whatever the history
        says. The history orders the entries of a question that isn't, and so what is asked.

        Parameters
        ----------
        question
            Of a customer.
        history
            What the customer looked at, oldest first: texts, or intents of entries. The latest five count.
        turns
            What the customer asked before, oldest first: a short question that isn't clear by itself is read
            with them.
        facts
            What the slots of the answer are filled with, by name.

        Raises
        ------
        RequestError
            If the question is empty, or the answer has a slot without a fact.
        """
        if not question.strip():
            raise RequestError("the question is empty: write one")
        read, chances = question, self._chances_of_one(question)
        if turns and not self._is_sure(chances) and (read := with_turns(question, turns)) != question:
            chances = self._chances_of_one(read)
        if history and not self._is_sure(chances):
            found = self._unsure(lifted(chances, self._lift(history[-LATEST:])))
        else:
            found = self.decision(chances)
        return self._said(*found, read, facts or {})

    def decision(self, chances: Doubles) -> tuple[Decision, tuple[Match, ...]]:
        """Say what to do with a question of known chances, shape (entries,); gives the best entries, too."""
        return ("answer", self._ranked(chances)) if self._is_sure(chances) else self._unsure(chances)

    def _unsure(self, chances: Doubles) -> tuple[Decision, tuple[Match, ...]]:
        """Ask which of two is meant if they tie, else hand over."""
        ranked = self._ranked(chances)
        first, second = ranked[0].chance, ranked[1].chance
        ties = second >= self.settings.tie * first and first + second >= self.settings.ask_from
        return "ask" if ties else "hand over", ranked

    def _said(
        self, decision: Decision, ranked: tuple[Match, ...], read: str, facts: Mapping[str, str]
    ) -> Answer:
        first, second = (match.entry for match in ranked[:2])
        if decision == "answer":
            text = self.answer_of(first.intent, facts)
        elif decision == "ask":
            meant = {"first": first.question, "second": second.question}
            text = filled(self.settings.clarify, [*meant], meant, "clarify")
        else:
            text = self.settings.hand_over
        return Answer(decision, text, ranked, read)

    def answer_of(self, intent: str, facts: Mapping[str, str]) -> str:
        """Give the best answer of an entry, with facts in its slots.

        Raises
        ------
        RequestError
            If no entry has that intent, or a fact is missing.
        """
        entry = self.entries[self.position(intent)]
        return filled(entry.answers[0], self.settings.slots, facts, intent)

    def _is_sure(self, chances: Doubles) -> bool:
        [found] = certainty(chances[None], self.settings.tie)
        return bool(found >= self.guarantee.threshold)

    def chances_of(self, questions: Sequence[str]) -> Doubles:
        """Give the chance of each entry for each question, shape (questions, entries)."""
        return self.chances.of(self.likeness(questions, self.encoder.encode(questions)))

    def _chances_of_one(self, question: str) -> Doubles:
        found: Doubles = self.chances_of([question])[0]
        return found

    def after(self, feedback: Sequence[Feedback]) -> Self:
        """Learn from what became of answers; questions that were handed over teach nothing.

        A question that an entry answered becomes one more of its phrasings. An entry that didn't answer one
        is less like that one, and ones like it.

        Raises
        ------
        RequestError
            If no entry has an intent.
        """
        accepted, rejected = (
            [each for each in feedback if each.verdict == verdict] for verdict in ("accepted", "rejected")
        )
        if not accepted and not rejected:
            return self
        texts = [each.question for each in (*accepted, *rejected)]
        at = np.array([self.position(each.intent) for each in (*accepted, *rejected)], np.int32)
        # One by one: in a batch they would be rounded otherwise in a process that reads other batches.
        vectors, n = np.concatenate([self.encoder.encode([text]) for text in texts]), len(accepted)
        likeness = self.likeness.with_accepted(at[:n], texts[:n], vectors[:n])
        entries = list(self.entries)
        for entry in set(at[:n].tolist()):
            phrasings = likeness.phrasings.texts_of(entry)
            entries[entry] = msgspec.structs.replace(entries[entry], rephrasings=phrasings[1:])
        likeness = likeness.with_rejected(at[n:], texts[n:], vectors[n:])
        return replace(self, entries=tuple(entries), likeness=likeness)

    def _lift(self, history: Sequence[str]) -> Floats:
        """Give what a history adds to the log-odds of each entry, shape (entries,)."""
        at = np.array([self._positions.get(each, -1) for each in history], np.int32)
        vectors = self.likeness.questions(np.maximum(at, 0))
        if texts := [each for each, entry in zip(history, at, strict=True) if entry < 0]:
            vectors[at < 0] = self.encoder.encode(texts)
        weights = 0.5 ** np.arange(len(at), dtype=np.float32)[::-1]
        likeness = np.maximum(self.likeness.to_centres(vectors), 0)
        lift: Floats = self.settings.lift * (weights[:, None] * likeness).max(axis=0)
        return lift

    def _ranked(self, chances: Doubles) -> tuple[Match, ...]:
        best = np.argsort(-chances, kind="stable")[:RANKED]
        return tuple(Match(self.entries[at], float(chances[at])) for at in best)

    def position(self, intent: str) -> int:
        """Find the entry with an intent.

        Raises
        ------
        RequestError
            If there is none.
        """
        at = self._positions.get(intent)
        if at is None:
            near = nearest(intent, self._positions)
            remedy = "" if near is None else f": did you mean {near!r}?"
            raise RequestError(f"no entry has the intent {intent!r}{remedy}")
        return at

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {entry.intent: at for at, entry in enumerate(self.entries)}
