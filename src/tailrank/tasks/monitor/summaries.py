"""Which texts stand for many, and which of their sentences say it: extracts, nothing is made up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np

from tailrank.arrays import Floats

Vectors: TypeAlias = Callable[[Sequence[str]], Floats]
"""Unit vectors of texts, such as `TextEncoder.encode`."""

REPEATS: Final = 0.9
"""Cosine from which on a text says the same as one that was chosen."""

CENTRAL: Final = 0.7
"""Weight of being central; the rest is being unlike the sentences before."""

LEAST_CHARACTERS: Final = 15
"""Of a sentence."""

_WORD: Final = re.compile(r"\w+")
_END: Final = re.compile(r"(?<=[.!?。！？])\s*(?=[^\s.!?。！？])")  # noqa: RUF001 - Chinese marks


def lexical_vectors(texts: Sequence[str]) -> Floats:
    """Give TF-IDF vectors, of these texts' own words, for use without an encoder.

    Examples
    --------
    >>> vectors = lexical_vectors(["late again", "again late", "lost bag"])
    >>> (vectors @ vectors[0]).round(2).tolist()
    [1.0, 1.0, 0.0]
    """
    bags = [Counter(_WORD.findall(text.casefold())) for text in texts]
    frequency = Counter(word for bag in bags for word in bag)
    column = {word: at for at, word in enumerate(frequency)}
    values = np.zeros((len(texts), max(len(column), 1)), np.float32)
    for row, bag in enumerate(bags):
        for word, n in bag.items():
            values[row, column[word]] = (1 + np.log(n)) * np.log((1 + len(texts)) / frequency[word])
    unit: Floats = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    return unit


def central_texts(values: Floats, k: int) -> list[int]:
    """Choose the texts nearest to the mean of all, each unlike those before.

    Parameters
    ----------
    values
        Unit vectors, shape (texts, d).
    k
        How many at most.

    Returns
    -------
    list[int]
        Their rows, the most central first.
    """
    chosen: list[int] = []
    for row in np.argsort(-(values @ values.mean(0)), kind="stable").tolist():
        if len(chosen) < k and all(values[row] @ values[other] < REPEATS for other in chosen):
            chosen.append(row)
    return chosen


def summary(texts: Sequence[str], vectors: Vectors, k: int = 3) -> list[str]:
    """Choose sentences that are central and unlike each other (MMR: Carbonell and Goldstein, 1998).

    Parameters
    ----------
    texts
        To summarise.
    vectors
        Of sentences.
    k
        Sentences at most.

    Returns
    -------
    list[str]
        As they were written, the most central first.

    Examples
    --------
    >>> summary(["My bag is lost. I love tea.", "They lost my bag!", "Is my bag lost?"], lexical_vectors, 1)
    ['My bag is lost.']
    """
    parts = [part.strip() for text in texts for part in _END.split(text)]
    sentences = list(dict.fromkeys(part for part in parts if len(part) >= LEAST_CHARACTERS)) or list(texts)
    if not sentences:
        return []
    values = vectors(sentences)
    central, chosen = values @ values.mean(0), list[int]()
    central = central / max(float(np.abs(central).max()), 1e-12)
    while len(chosen) < min(k, len(sentences)):
        near = (values @ values[chosen].T).max(1) if chosen else np.zeros(len(values))
        worth = CENTRAL * central - (1 - CENTRAL) * near
        worth[chosen] = -np.inf
        best = int(np.argmax(worth))
        if near[best] >= REPEATS:
            break
        chosen.append(best)
    return [sentences[row] for row in chosen]


def told_words(surging: Sequence[str], usual: Sequence[str], k: int = 5) -> list[str]:
    """List words that many of the surging texts have, and few of the usual ones.

    Parameters
    ----------
    surging, usual
        Texts.
    k
        Words at most.

    Returns
    -------
    list[str]
        By the log-likelihood ratio of Dunning (1993), the most telling first.

    Examples
    --------
    >>> told_words(["snow again", "so much snow", "snow"], ["late again", "so late", "much too late"])
    ['snow']
    """
    there, before = (
        Counter(word for text in texts for word in set(_WORD.findall(text.casefold())) if len(word) > 2)
        for texts in (surging, usual)
    )
    n, m = len(surging), len(usual)
    found = {}
    for word, a in there.items():
        b = before[word]
        rate = (a + b) / (n + m)
        if a >= 2 and a / n > 2 * (b + 0.5) / (m + 1):
            found[word] = a * np.log(a / (n * rate)) + (b * np.log(b / (m * rate)) if b else 0)
    return sorted(found, key=lambda word: (-found[word], word))[:k]
