"""`Acts`: what a part of a turn asks for, by an encoder's vector and by its words."""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from itertools import pairwise
from typing import Final, NamedTuple, Self

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file

from tailrank.arrays import Doubles, Floats
from tailrank.conversation.lists import PHRASES, sections
from tailrank.conversation.vocabulary import words_of
from tailrank.language.encoder import TextEncoder

WEIGHTS: Final = "acts.safetensors"
ENCODER: Final = "default"

HASHED: Final = 1_024
"""Numbers that pairs of words and single ones are hashed to."""

SHARE, PENALTY = 0.5, 30.0
"""Length of the hashed part, and inverse strength of the l2 penalty: by cross-validation over the phrases."""

LEAST: Final = 0.5
"""Chance from which on an act is believed, of those that are possible."""

NAMES: Final = {"value": "comedies", "item": "the second one", "column": "brand"}
"""What stands in a phrase for what it names."""

SEVERAL: Final = re.compile(r"(\{\w+\})(?:\s*(?:,(?:\s*(?:and|n?or))?|&|\band\b|\bn?or\b)\s*\1)+", re.I)
"""Names that are joined: the same is asked of each."""


class Phrase(NamedTuple):
    """Something that users say, and what it asks for."""

    act: str
    text: str


class Judged(NamedTuple):
    """The likeliest act, and its chance among those that were possible."""

    act: str
    chance: float

    @property
    def is_believed(self) -> bool:
        """Whether it is likely enough to do it."""
        return self.chance >= LEAST


@dataclass(frozen=True)
class Acts:
    """A linear map from what a text says to chances of acts.

    Attributes
    ----------
    names
        Of the acts, sorted.
    weights, bias
        Shape (acts, d + `HASHED`) and (acts,).
    encoder_sha256
        Of the weights of the encoder whose vectors it reads.
    phrases_sha256
        Of the file that it learned from.
    """

    names: tuple[str, ...]
    weights: Floats
    bias: Floats
    encoder_sha256: str
    phrases_sha256: str

    @classmethod
    def fit(cls, phrases: Sequence[Phrase], encoder: TextEncoder) -> Self:
        """Learn from phrases; needs scikit-learn.

        Raises
        ------
        RequestError
            If it is missing.
        """
        from tailrank.tasks.linear_head import LinearHead

        names = tuple(sorted({phrase.act for phrase in phrases}))
        read = features([phrase.text for phrase in phrases], encoder.encode([p.text for p in phrases]))
        truth = np.array([[phrase.act == name for name in names] for phrase in phrases])
        head = LinearHead.fit(read, truth, exclusive=True, penalty=PENALTY)
        return cls(names, head.weights, head.bias, encoder.sha256, phrases_sha256())

    @classmethod
    @cache
    def load(cls) -> Self:
        """Read the weights that the package holds; once a process."""
        path = str(files(__package__) / WEIGHTS)
        arrays = load_file(path)
        with safe_open(path, "numpy") as opened:
            about = opened.metadata()
        names, weights = tuple(about["acts"].split(",")), arrays["weights"].astype(np.float32)
        return cls(names, weights, arrays["bias"], about["encoder"], about["phrases"])

    def judge(self, text: str, vector: Floats, possible: Collection[str]) -> Judged:
        """Choose among acts.

        Parameters
        ----------
        text
            As `rendered` writes it.
        vector
            What the encoder makes of it, shape (d,).
        possible
            Acts to choose from.
        """
        odds: Doubles = features([text], vector[None])[0].astype(np.float64) @ self.weights.T + self.bias
        rows = [at for at, name in enumerate(self.names) if name in possible]
        chances = np.exp(odds[rows] - odds[rows].max())
        best = int(chances.argmax())
        return Judged(self.names[rows[best]], float(chances[best] / chances.sum()))


def features(texts: Sequence[str], vectors: Floats) -> Floats:
    """Put vectors of texts, shape (n, d), beside their hashed words and pairs of them."""
    hashed = np.zeros((len(texts), HASHED), np.float32)
    for at, text in enumerate(texts):
        words = ["", *words_of(text), ""]
        for each in (*words[1:-1], *map(" ".join, pairwise(words))):
            hashed[at, zlib.crc32(each.encode()) % HASHED] = 1
    lengths = np.linalg.norm(hashed, axis=1, keepdims=True)
    return np.hstack([vectors, hashed * (SHARE / np.maximum(lengths, 1))])


def rendered(text: str) -> str:
    """Write a phrase with its names as the encoder reads it.

    Examples
    --------
    >>> rendered("not the {column} of {item}, but a {value}")
    'not the brand of the second one, but a comedies'
    >>> rendered("no {item}, {item} or {item}")  # of several, as of one
    'no the second one'
    """
    text = SEVERAL.sub(r"\1", text)
    for name, word in NAMES.items():
        text = text.replace(f"{{{name}}}", word)
    return text.strip().rstrip("?.!")


def phrases_sha256() -> str:
    """Give the sha256 of the file of phrases."""
    return sha256((files(__package__) / PHRASES).read_bytes()).hexdigest()


def phrases() -> list[Phrase]:
    """Read the phrases that the package holds."""
    return [Phrase(act, rendered(line)) for act, lines in sections(PHRASES).items() for line in lines]
