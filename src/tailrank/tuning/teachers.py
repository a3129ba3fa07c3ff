"""Teachers: what says how well two items go together, and scores that are kept once they are paid for."""

from __future__ import annotations

import hashlib
import os
import struct
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from tailrank.arrays import Codes, Floats
from tailrank.language.generative import GenerativeModel
from tailrank.reporting import Progress, silent
from tailrank.tuning.cross_encoder import CrossEncoder

AT_ONCE: Final = 256
"""Pairs that are scored between two looks at the clock."""

WITH_HISTORY: Final = "A customer bought:\n{first}\n\nThe same customer also bought:\n"
WITHOUT: Final = "A customer bought:\n"
"""What a generative model reads before an item's text, with the other item and without it."""

CHARACTERS: Final = 240
"""Of a text that a generative model reads."""

_RECORD: Final = struct.Struct("<16sd")


class Teacher(Protocol):
    """Scores pairs of items; the higher, the better they go together."""

    @property
    def identity(self) -> str:
        """Name what decides the scores of two texts."""
        ...

    def score(self, first: Codes, second: Codes) -> Floats:
        """Score pairs of item codes; shape (pairs,)."""
        ...


class CrossTeacher:
    """A trained cross-encoder as a teacher."""

    def __init__(self, model: CrossEncoder) -> None:
        self.model, self.identity = model, f"cross-encoder {model.fingerprint}"

    def score(self, first: Codes, second: Codes) -> Floats:
        """Score by both texts, read together."""
        return self.model.score(first, second)


class GenerativeTeacher:
    """A generative model as a teacher: how much likelier one text is once the other has been read.

    log P(second | first) - log P(second), so that a text isn't likely because it is short or common
    (pointwise mutual information; Holtzman et al., "Surface form competition", EMNLP 2021, section 3.2).

    Parameters
    ----------
    model
        Reads the texts.
    texts
        Of the items.
    """

    def __init__(self, model: GenerativeModel, texts: Sequence[str]) -> None:
        self.model, self.texts = model, [" ".join(text.split())[:CHARACTERS] for text in texts]
        self.identity = f"generative {model.identity} {WITH_HISTORY!r} {WITHOUT!r} {CHARACTERS}"
        self._alone: dict[int, float] = {}

    def score(self, first: Codes, second: Codes) -> Floats:
        """Score the second item of each pair after the first one, which is read once."""
        fresh = [int(item) for item in np.unique(second) if int(item) not in self._alone]
        if fresh:
            found = self.model.log_probabilities(WITHOUT, [self.texts[item] for item in fresh])
            self._alone.update(zip(fresh, found, strict=True))
        scores = np.empty(len(first), np.float32)
        for item in np.unique(first):
            rows = np.flatnonzero(first == item)
            prompt = WITH_HISTORY.format(first=self.texts[item])
            found = self.model.log_probabilities(prompt, [self.texts[other] for other in second[rows]])
            scores[rows] = [log - self._alone[int(at)] for log, at in zip(found, second[rows], strict=True)]
        return scores


class KeptScores:
    """Scores in a file by what they are scores of, so that none is paid for twice.

    Each is there once it is written: a process that is killed loses those of one batch at most.

    Parameters
    ----------
    file
        Made if there is none; half a record at its end is cut off.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.file = file
        kept = file.read_bytes() if file.exists() else b""
        whole = len(kept) - len(kept) % _RECORD.size
        if whole < len(kept):
            os.truncate(file, whole)
        self.scores: dict[bytes, float] = dict(_RECORD.iter_unpack(kept[:whole]))

    def add(self, keys: Sequence[bytes], scores: Floats) -> None:
        """Keep some more."""
        found = list(zip(keys, scores.tolist(), strict=True))
        with self.file.open("ab") as stream:
            stream.write(b"".join(_RECORD.pack(key, score) for key, score in found))
        self.scores.update(found)


def keys_of(teacher: Teacher, texts: Sequence[str], first: Codes, second: Codes) -> list[bytes]:
    """Name each pair by the teacher and both texts; shape (pairs,)."""
    own = [hashlib.sha256(text.encode()).digest() for text in texts]
    whose = hashlib.sha256(teacher.identity.encode()).digest()
    pairs = zip(first, second, strict=True)
    return [hashlib.sha256(whose + own[one] + own[other]).digest()[:16] for one, other in pairs]


def score_pairs(
    teacher: Teacher,
    pairs: tuple[Codes, Codes],
    texts: Sequence[str],
    kept: KeptScores,
    seconds: float,
    progress: Progress = silent,
    clock: Callable[[], float] = time.monotonic,
) -> Floats:
    """Score pairs in their order, until time is up but some at least; those that are kept cost none.

    Parameters
    ----------
    teacher
        Scores.
    pairs
        Codes of shape (pairs,) each, the most useful first.
    texts
        Of the items.
    kept
        What was scored before; what is scored now is added.
    seconds
        Budget.
    progress
        Is told of every batch.
    clock
        Tells the time in seconds.

    Returns
    -------
    Floats
        Shape (pairs,); NaN where time was up.
    """
    started, keys = clock(), keys_of(teacher, texts, *pairs)
    missing = np.array([row for row, key in enumerate(keys) if key not in kept.scores], np.int64)
    for at in range(0, len(missing), AT_ONCE):
        if at and clock() - started > seconds:
            break
        rows = missing[at : at + AT_ONCE]
        kept.add([keys[row] for row in rows], teacher.score(pairs[0][rows], pairs[1][rows]))
        progress("scoring pairs", min(at + AT_ONCE, len(missing)), len(missing))
    return np.array([kept.scores.get(key, np.nan) for key in keys], np.float32)
