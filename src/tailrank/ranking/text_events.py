"""Words of a user among the events of a history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self, TypeAlias

import numpy as np
import polars as pl

from tailrank.arrays import Floats, Offsets
from tailrank.bounds import MAX_TEXT
from tailrank.data.histories import UNTYPED, Event, Histories
from tailrank.errors import EncoderError, RequestError
from tailrank.language.encoder import TextEncoder
from tailrank.language.text import item_texts, template_columns
from tailrank.language.vectors import VectorSpace


@dataclass(frozen=True)
class TextEvent:
    """What a user says, as an event: "something quiet for a rainy evening".

    Signals that read text take it for an item of that text, chosen then. No other signal knows of it.

    Attributes
    ----------
    text
        The words.
    vectors
        By the name of a vector space, the vector that its encoder makes of the words, shape (width,), not
        whitened. Signals of other spaces don't read them.
    after
        How many events of the history come before; None means all of them.

    Raises
    ------
    RequestError
        If the text is empty or longer than `bounds.MAX_TEXT`, or `after` below 0.
    """

    text: str
    vectors: Mapping[str, Floats] = field(default_factory=dict, compare=False, repr=False)
    after: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not self.text.strip():
            raise RequestError(f"a text among the events must say something, not {self.text!r}")
        if len(self.text) > MAX_TEXT:
            raise RequestError(
                f"a text among the events has {len(self.text)} characters: say it in at most {MAX_TEXT}"
            )
        if self.after is not None and self.after < 0:
            raise RequestError(f"a text comes after so many events: at least 0, not {self.after}")

    @classmethod
    def encode(cls, text: str, spaces: Mapping[str, VectorSpace]) -> Self:
        """Encode a text by the encoders of a model's vector spaces, those of `Reranker.spaces`.

        Raises
        ------
        EncoderError
            If an encoder is missing, or has changed since.
        """
        found, vectors = cls(text), {}
        for name, space in spaces.items():
            if space.encoder is not None:
                encoder = TextEncoder.load(space.encoder.name, **asdict(space.encoder.reading))
                if encoder.sha256 != space.encoder.sha256:
                    raise EncoderError(
                        f"encoder {encoder.name!r} has changed since the model was trained: train it again"
                    )
                [vectors[name]] = encoder.encode_queries(as_item_texts([text], space.encoder.template))
        return replace(found, vectors=vectors)

    @property
    def name(self) -> str:
        """What explanations call it."""
        return f"“{self.text}”"


AnyEvent: TypeAlias = str | Event | TextEvent
"""An element of a history: an item id, an event, or what the user says."""


def as_item_texts(texts: Sequence[str], template: str) -> list[str]:
    """Write texts as encoders read items: with the prefix of their template, if it has one.

    Examples
    --------
    >>> as_item_texts(["quiet", "loud"], "query: {title} ({year})")
    ['query: quiet', 'query: loud']
    """
    first, *others = dict.fromkeys(template_columns(template))
    columns = {first: list(texts), **{name: [""] * len(texts) for name in others}}
    return item_texts(pl.DataFrame(columns, dict.fromkeys(columns, pl.String)), template)


def apart(history: Sequence[Any], texts: Sequence[TextEvent]) -> tuple[list[Any], tuple[TextEvent, ...]]:
    """Take the texts out of a history, each with how many events come before it."""
    events, found = list[Any](), list(texts)
    for element in history:
        if isinstance(element, TextEvent):
            found.append(replace(element, after=len(events)))
        else:
            events.append(element)
    return events, tuple(found)


def with_texts(history: Histories, positions: Offsets, first_code: int) -> Histories:
    """Put texts into one history, as items of codes of their own, simultaneous with the event before.

    Parameters
    ----------
    history
        Of one user.
    positions
        How many events come before each text, shape (texts,).
    first_code
        Of the first text; those of the others follow.
    """
    codes = np.arange(first_code, first_code + len(positions), dtype=np.int32)
    before = np.maximum(positions - 1, 0)
    times = history.times.take(before) if len(history.times) else np.zeros(len(positions))
    items = np.insert(history.items, positions, codes)
    types, seconds = np.insert(history.types, positions, UNTYPED), np.insert(history.times, positions, times)
    return Histories(items, types, seconds, np.array([0, len(items)], np.int64))
