"""Why an item stands where it does: what the language model read in it, and what else counted."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Final, Self

import numpy as np

from tailrank.data.dataset import Dataset
from tailrank.data.histories import Event
from tailrank.language.encoder import TextEncoder
from tailrank.language.text import item_texts
from tailrank.ranking.explanation import Explanation

LEAST: Final = 0.05
"""Log-odds from which on the language model set an item apart."""

SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+")

WORDS: Final = {
    "base": "how often it is chosen",
    "popularity": "chosen often lately",
    "taste": "as rare or popular as this user likes",
    "tail": "rare, lifted by the tail policy",
    "covisitation": "chosen after",
    "item-knn": "has users in common with",
    "lexical": "shares words with",
    "sequence": "the sequence model, at",
}
"""What a contribution says; of a signal that looks at single events, followed by the strongest one."""


@dataclass(frozen=True)
class Reason:
    """One signal's part in an item's rank.

    Attributes
    ----------
    signal
        Its name, as in contributions.
    lift
        Its contribution less the mean contribution to the list, in log-odds: what sets the item apart.
    event
        That of the history which contributed most; None if the signal doesn't look at single events.
    """

    signal: str
    lift: float
    event: Event | None


def reasons(ranking: Sequence[Explanation], history: Sequence[Event]) -> list[list[Reason]]:
    """Give the reasons for each item of a list, the strongest first."""
    names = list(ranking[0].contributions)
    means = {name: float(np.mean([item.contributions[name] for item in ranking])) for name in names}

    def reason(item: Explanation, name: str) -> Reason:
        lift = item.contributions[name] - means[name]
        return Reason(name, lift, _strongest(item.by_event.get(name), history))

    return [sorted((reason(item, name) for name in names), key=lambda found: -found.lift) for item in ranking]


def _strongest(by_event: Sequence[float] | None, history: Sequence[Event]) -> Event | None:
    """Pick the event that contributed most; signals may see only the latest part of a history."""
    return history[int(np.argmax(by_event)) - len(by_event)] if by_event else None


@dataclass(frozen=True)
class Reader:
    """Says in words what the language model and the other signals found.

    Attributes
    ----------
    encoder
        The language model.
    texts, titles
        Of the items, by id.
    spaces
        Names of the signals that compare its vectors.
    """

    encoder: TextEncoder
    texts: Mapping[str, str]
    titles: Mapping[str, str]
    spaces: Collection[str]

    @classmethod
    def of(
        cls, encoder: TextEncoder, dataset: Dataset, template: str | None, spaces: Collection[str]
    ) -> Self:
        """Read the texts of a catalogue, and for titles its first text column."""
        column = next(
            (name for name in ("title", "name", "text") if name in dataset.items.columns), "item_id"
        )
        names = dataset.items[column].fill_null("").str.slice(0, 40)
        titles = {item_id: name or item_id for item_id, name in zip(dataset.item_ids, names, strict=True)}
        texts = dict(zip(dataset.item_ids, item_texts(dataset.items, template), strict=True))
        return cls(encoder, texts, titles, spaces)

    def meaning(self, item_id: str, reasons: Sequence[Reason]) -> str:
        """Name the event that the item reads most like, and the sentence that is closest to that."""
        reason = max((each for each in reasons if each.signal in self.spaces), key=lambda each: each.lift)
        if reason.lift < LEAST or reason.event is None:
            return f"reads no closer {reason.lift:+.1f}"
        sentence = self.closest_sentence(item_id, reason.event.item_id)
        quoted = f": “{sentence}”" if sentence else ""
        return f"reads like {self.titles[reason.event.item_id]}{quoted} {reason.lift:+.1f}"

    def others(self, reasons: Sequence[Reason]) -> str:
        """Name the strongest reason that isn't the language model's."""
        reason = next(each for each in reasons if each.signal not in self.spaces)
        words = WORDS.get(reason.signal, reason.signal)
        event = f" {self.titles[reason.event.item_id]}" if reason.event else ""
        return f"{words}{event} {reason.lift:+.1f}"

    def closest_sentence(self, item_id: str, other: str) -> str:
        """Find the sentence of an item's text that the encoder puts closest to another item's text.

        Empty if the text is one sentence, or the closest one is the title, which is shown already.
        """
        sentences = SENTENCE_END.split(self.texts[item_id])
        if len(sentences) == 1:
            return ""
        vectors = self.encoder.encode([self.texts[other], *sentences])
        closest = sentences[int(np.argmax(vectors[1:] @ vectors[0]))]
        return "" if closest.rstrip(".") in self.titles[item_id] else shorten(closest, 60, placeholder="…")
