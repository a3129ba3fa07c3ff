"""`TurnReader`: what a turn of a user means for the items of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import msgspec

from tailrank.api_conversation import MAX_CHANGES, Change, Conversation, Reading, Understood
from tailrank.arrays import Floats
from tailrank.conversation.acts import ENCODER, Acts, rendered
from tailrank.conversation.clauses import SLOT, clauses, slots_of
from tailrank.conversation.meanings import Meanings
from tailrank.conversation.sight import Clause, Sight
from tailrank.conversation.slots import Slot, SlotFinder
from tailrank.conversation.vocabulary import Vocabulary
from tailrank.errors import EncoderError
from tailrank.ranking.catalogue import Catalogue

if TYPE_CHECKING:  # it brings what a server that only ranks does without
    from tailrank.tasks.task_folder import Encoder

JUDGED = ("value", "item", "column")
"""Kinds of slots of which the words around them say what is wanted."""


@dataclass(frozen=True)
class Parsed:
    """A turn, taken apart.

    Attributes
    ----------
    text
        What was said.
    clauses
        Its parts.
    finder
        What found the slots in it.
    """

    text: str
    clauses: Sequence[Clause]
    finder: SlotFinder = field(repr=False)

    @property
    def to_encode(self) -> list[str]:
        """What an encoder has to read, each once; often nothing."""
        return list(dict.fromkeys(clause.written for clause in self.clauses if clause.written))


@dataclass(frozen=True)
class TurnReader:
    """Reads turns about the items of one model.

    Attributes
    ----------
    vocabulary
        What the items are called.
    acts
        Tells what is wanted of that.
    """

    vocabulary: Vocabulary
    acts: Acts

    @classmethod
    def from_catalogue(cls, catalogue: Catalogue) -> Self:
        """Learn the words of a model's items: of those that it was trained with."""
        return cls(Vocabulary.from_items(catalogue.items), Acts.load())

    def parse(self, text: str, conversation: Conversation) -> Parsed:
        """Take a turn apart: what it names, and the parts that each ask for one thing."""
        finder = SlotFinder(self.vocabulary, conversation.shown)
        parts = clauses(finder.masked(text))
        return Parsed(text, [_clause(part, finder.slots) for part in parts], finder)

    def understand(
        self, parsed: Parsed, vectors: Mapping[str, Floats], conversation: Conversation, catalogue: Catalogue
    ) -> Reading:
        """Say what a turn means.

        Parameters
        ----------
        parsed
            The turn.
        vectors
            What the encoder of `acts` makes of each text of `parsed.to_encode`, shape (d,).
        conversation
            What was said before, and what is shown.
        catalogue
            The items as they are now.
        """
        sight = Sight(conversation, catalogue, parsed.finder)
        meanings = Meanings(self.vocabulary, self.acts, vectors, sight)
        understood, missed = list[Understood](), []
        for clause in parsed.clauses:
            found = meanings.of(clause)
            new = [each for each in found if each not in understood]
            fits = len(understood) + len(new) <= MAX_CHANGES and all(map(_can_be_sent_back, new))
            if fits:
                understood += new
            if not found or not fits:
                missed.append(parsed.finder.restored(clause.text))
        if not parsed.clauses:
            missed.append(parsed.text.strip())
        return Reading(parsed.text, understood, missed)

    def read(self, text: str, conversation: Conversation, catalogue: Catalogue, encoder: Encoder) -> Reading:
        """Say what a turn means, and encode what has to be for that.

        Raises
        ------
        EncoderError
            If the encoder is another one than the acts were learned with: that is the default one.
        """
        if encoder.sha256 != self.acts.encoder_sha256:
            raise EncoderError(f"turns are read with the encoder {ENCODER!r}, not with {encoder.name!r}")
        parsed = self.parse(text, conversation)
        written = parsed.to_encode
        vectors = dict(zip(written, encoder.encode(written), strict=True)) if written else {}
        return self.understand(parsed, vectors, conversation, catalogue)


def _can_be_sent_back(each: Understood) -> bool:
    """Whether the next turn may bring a change: a column may say more of an item than that."""
    try:
        msgspec.convert(msgspec.to_builtins(each.change), Change | None)
    except msgspec.ValidationError:
        return False
    return True


def _clause(text: str, slots: Sequence[Slot]) -> Clause:
    named = [slots[at] for at in slots_of(text)]
    needs_reading = not named or any(slot.kind in JUDGED for slot in named)
    return Clause(text, named, _written(text, slots) if needs_reading else "")


def _written(text: str, slots: Sequence[Slot]) -> str:
    """Write a part with the kinds of what it names, as the phrases are written."""
    kinds = {at: f"{{{slot.kind}}}" if slot.kind in JUDGED else "" for at, slot in enumerate(slots)}
    return " ".join(rendered(SLOT.sub(lambda match: kinds[int(match[1])], text)).split())
