"""What the language model read in an item: the event it reads most like, and the sentence that says so."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from textwrap import shorten
from typing import Final, Self

import numpy as np

from tailrank.data.dataset import Dataset
from tailrank.language.encoder import TextEncoder
from tailrank.language.text import item_texts
from tailrank.ranking.explanation import Explanation
from tailrank.ranking.reasons import LEAST, item_titles, phrase

SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class Reader:
    """Says in words what sets an item apart: what the language model read, and the strongest of the rest.

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
        """Read the texts and titles of a catalogue."""
        texts = dict(zip(dataset.item_ids, item_texts(dataset.items, template), strict=True))
        return cls(encoder, texts, item_titles(dataset.items), spaces)

    def meaning(self, explanation: Explanation) -> str:
        """Name the event that the item reads most like, and the sentence that is closest to that."""
        reason = next(each for each in explanation.reasons if each.name in self.spaces)
        if reason.lift < LEAST or reason.event is None:
            return f"reads no closer {reason.lift:+.1f}"
        sentence = self.closest_sentence(explanation.item_id, reason.event)
        quoted = f": “{sentence}”" if sentence else ""
        return f"reads like {self.titles[reason.event]}{quoted} {reason.lift:+.1f}"

    def others(self, explanation: Explanation) -> str:
        """Name the strongest reason that isn't the language model's."""
        reason = next(each for each in explanation.reasons if each.name not in self.spaces)
        return f"{phrase(reason, explanation, self.titles).removeprefix('it ')} {reason.lift:+.1f}"

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
