"""How an encoder reads texts, as far as whoever loads it has a say."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from tailrank.errors import EncoderError

MAX_TOKENS: Final = 256

PASSAGES: Final = ("document", "passage", "corpus")
"""Names under which sentence-transformers keeps what is put before a text that is to be found."""


@dataclass(frozen=True)
class Reading:
    """What was chosen when an encoder was loaded; models keep it, so that others load it likewise.

    Attributes
    ----------
    max_tokens
        Longer texts are cut.
    dimensions
        How many numbers of a vector are kept, the first ones; None keeps all.
    query, passage
        Put before a user's words, and before an item's text; None means what the encoder's files say.

    Raises
    ------
    EncoderError
        If a number is below 1.
    """

    max_tokens: int = MAX_TOKENS
    dimensions: int | None = None
    query: str | None = None
    passage: str | None = None

    def __post_init__(self) -> None:
        for name in ("max_tokens", "dimensions"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise EncoderError(f"{name} must be at least 1, not {value}")

    def width(self, own: int, name: str) -> int:
        """Give the width of the vectors of an encoder whose own have the width `own`.

        Raises
        ------
        EncoderError
            If they have fewer numbers than are to be kept.
        """
        if self.dimensions is not None and self.dimensions > own:
            raise EncoderError(
                f"encoder {name!r} has vectors of width {own}: dimensions can be at most that, not "
                f"{self.dimensions}"
            )
        return self.dimensions or own

    def prefixes(self, prompts: Mapping[str, str | None], default: str | None) -> Prefixes:
        """Choose between what was asked for and what the encoder's files say.

        Parameters
        ----------
        prompts, default
            As in `config_sentence_transformers.json`: by name, and the name of the one for any text.

        Examples
        --------
        >>> Reading().prefixes({"query": "query: ", "document": "passage: "}, None)
        Prefixes(query='query: ', passage='passage: ', other='')
        >>> Reading(query="find ").prefixes({"any": "text: "}, "any")
        Prefixes(query='find ', passage='text: ', other='text: ')
        """
        other = prompts.get(default or "") or ""
        own = next((found for name in PASSAGES if (found := prompts.get(name))), other)
        query = prompts.get("query") or other
        return Prefixes(
            query if self.query is None else self.query, own if self.passage is None else self.passage, other
        )


class Prefixes(NamedTuple):
    """What is put before a user's words, before an item's text, and before any text, by the files alone."""

    query: str
    passage: str
    other: str


def fingerprint_of(files: str, max_tokens: float | None, prefixes: Prefixes, cut_to: int | None) -> str:
    """Identify the vectors of items: by files, limit and, where they matter, the prefix and the width.

    Parameters
    ----------
    files
        Sha256 over what decides the vectors.
    max_tokens
        The limit in force.
    prefixes
        Those in force.
    cut_to
        How many numbers of a vector are kept; None if all are.
    """
    parts = [f"{files} {max_tokens}"]
    parts += [] if cut_to is None else [f"first {cut_to}"]
    parts += [] if prefixes.passage == prefixes.other else [f"after {prefixes.passage!r}"]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()
