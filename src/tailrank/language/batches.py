"""What encoders have in common: each distinct text once, texts of similar length together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from tailrank.arrays import Floats
from tailrank.errors import EncoderError
from tailrank.reporting import Progress, silent

CPU_TOKENS: Final = 1_024
"""Tokens in a batch that fill a core's caches (docs/encoders.md)."""

BLOCK: Final = 1_024
"""Number of texts that are sorted by length together."""

CHARACTERS_A_TOKEN: Final = 100
"""At most, in text that people write; what is further behind the last token is not even looked at."""

READ_CHARACTERS: Final = 1_200
"""About as many characters of a text as 256 tokens leave: what lies behind them costs nothing."""

Encoded: TypeAlias = tuple[npt.NDArray[np.intp], Floats]
"""Rows of a block of texts, shape (n,), and their unit vectors, shape (n, d)."""


def readable(max_tokens: int, side: str) -> int | None:
    """Bound the characters that a tokenizer looks at, since it reads a text to its end before it cuts.

    None is all: where the beginning is cut off.

    Examples
    --------
    >>> readable(256, "right"), readable(256, "left")
    (25600, None)
    """
    return CHARACTERS_A_TOKEN * max_tokens if side == "right" else None


def encode_distinct(
    texts: Sequence[str],
    dimension: int,
    encode_block: Callable[[list[str]], Iterator[Encoded]],
    progress: Progress = silent,
) -> Floats:
    """Encode each distinct text once, those of similar lengths together; for what encoders have in common.

    Parameters
    ----------
    texts, progress
        As for `TextEncoder.encode`.
    dimension
        Width of the vectors.
    encode_block
        Encodes at most `BLOCK` texts, batch by batch.

    Raises
    ------
    EncoderError
        As `distinct_texts` does.
    """
    distinct, done = distinct_texts(texts), 0
    told = milestones(distinct)
    vectors = np.zeros((len(distinct) + 1, dimension), dtype=np.float32)
    progress("encoding", 0, len(distinct))
    for start in range(0, len(distinct), BLOCK):
        for rows, encoded in encode_block(distinct[start : start + BLOCK]):
            vectors[start + rows] = encoded
            done += len(rows)
            progress("encoding", told[done], len(distinct))
    rows_of = {text: row for row, text in enumerate(distinct)}
    return vectors[[rows_of.get(text, -1) for text in texts]]


def distinct_texts(texts: Sequence[str]) -> list[str]:
    """List the distinct texts that aren't blank, longest first.

    Raises
    ------
    EncoderError
        Naming the first position that isn't a proper string.

    Examples
    --------
    >>> distinct_texts(["tea", "", "jam jar", "tea"])
    ['jam jar', 'tea']
    >>> distinct_texts(["tea", None])
    Traceback (most recent call last):
    tailrank.errors.EncoderError: text 1 is None, not a string: give missing texts as ''
    """
    if isinstance(texts, str):
        raise EncoderError("texts must be a list of strings, not one string")
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise EncoderError(f"text {position} is {text!r}, not a string: give missing texts as ''")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise EncoderError(
                f"text {position} is not valid Unicode (a lone surrogate): decode it again"
            ) from None
    return sorted({text for text in texts if text.strip()}, key=lambda text: (-len(text), text))


def milestones(texts: Sequence[str]) -> list[int]:
    """Say how far encoding is before each text and after the last, in texts of average length.

    The longest come first, so that a count of texts would promise far more time than the rest needs.

    Examples
    --------
    >>> milestones(["a jar of plum jam", "tea", "jam", "mug"])
    [0, 2, 3, 3, 4]
    """
    cost = np.cumsum([0, *(min(len(text), READ_CHARACTERS) for text in texts)])
    steps: list[int] = (len(texts) * cost // max(cost[-1], 1)).tolist()
    return steps


def batch_rows(lengths: npt.NDArray[np.integer], budget: int) -> Iterator[npt.NDArray[np.intp]]:
    """Cut texts of these lengths, longest first, into batches of about `budget` tokens; yield their rows."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, budget // max(1, int(lengths[order[start]])))
        yield order[start : start + size]
        start += size


def unit_vectors(vectors: Floats, name: str) -> Floats:
    """Scale vectors, shape (n, d), to length one; zero ones stay zero.

    Raises
    ------
    EncoderError
        If one isn't finite; it names the encoder.
    """
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(norms).all():
        raise EncoderError(f"encoder {name!r} yields NaN or infinite vectors: its weights are damaged")
    scaled: Floats = vectors / np.maximum(norms, np.finfo(np.float32).tiny)
    return scaled
