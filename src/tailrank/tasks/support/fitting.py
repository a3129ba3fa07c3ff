"""Fits a support desk: learns what likeness is worth, and tests from which chance on to answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from tailrank.arrays import Codes, Floats
from tailrank.language.encoder import TextEncoder
from tailrank.language.store import VectorStore
from tailrank.reporting import Progress, silent
from tailrank.tasks.support.chances import Chances, Sample
from tailrank.tasks.support.desk import SupportDesk
from tailrank.tasks.support.entries import AskedQuestion, Entry, checked_entries
from tailrank.tasks.support.guarantee import guarantee
from tailrank.tasks.support.likeness import Likeness, texts_of
from tailrank.tasks.support.settings import DeskSettings
from tailrank.tasks.task_folder import Encoder

MOST: Final = 3_000
"""Questions that weights are learned from at most."""


def fit_desk(
    entries: Sequence[Entry],
    encoder: Encoder,
    settings: DeskSettings | None = None,
    asked: Sequence[AskedQuestion] = (),
    store: VectorStore | None = None,
    progress: Progress = silent,
) -> SupportDesk:
    """Fit a desk.

    Of the asked questions, one half teaches what likeness is worth, and the other tests the promise. Without
    any, a share of the rephrasings is set aside for the test, which the desk then doesn't know, and each of
    the others teaches as if it weren't known; of either some do without their entry, as questions do that no
    entry answers.

    Parameters
    ----------
    entries
        At least two.
    encoder
        Reads questions, rephrasings and answers.
    settings
        By default those of `DeskSettings`.
    asked
        Questions as customers asked them, with the intent that answers each.
    store
        Keeps vectors of a `TextEncoder`, so that a text is encoded once.
    progress
        Is told how far encoding is.

    Raises
    ------
    DataError
        If there are fewer than two entries, or two of one intent.
    RequestError
        If the questions to test on are too few for what is to be promised.
    """
    entries, settings = checked_entries(entries), settings or DeskSettings()
    rng = np.random.default_rng(settings.seed)

    def encoded(texts: Sequence[str]) -> Floats:
        if store is not None and isinstance(encoder, TextEncoder):
            return store.vectors(texts, encoder, progress)
        return encoder.encode(texts)

    known, test = (entries, ()) if asked else _set_aside(entries, settings.held_out, rng)
    phrasings, answers = texts_of(known)
    likeness = Likeness.from_entries(known, encoded(phrasings), encoded(answers))

    def sample(questions: Sequence[AskedQuestion]) -> Sample:
        codes = {entry.intent: at for at, entry in enumerate(known)}
        right = np.array([codes.get(each.intent, -1) for each in questions], np.int32)
        texts = [each.question for each in questions]
        removed = np.full(len(right), -1, np.int32) if asked else _removed(right, settings, rng)
        return Sample(likeness(texts, encoded(texts)), right, removed)

    if asked:
        mixed = [asked[at] for at in rng.permutation(len(asked))]
        learning, test = sample(mixed[::2]), mixed[1::2]
    else:
        learning = _known_phrasings(likeness, settings, rng)
    chances = _learned(learning, settings.unanswered * (not asked))
    tested, order = (each.judged(chances, settings.tie) for each in (sample(test), learning))
    promised = guarantee(*tested, order, settings.wrong, settings.confidence)
    return SupportDesk(known, likeness, chances, promised, settings, encoder)


def _set_aside(
    entries: Sequence[Entry], share: float, rng: np.random.Generator
) -> tuple[tuple[Entry, ...], list[AskedQuestion]]:
    """Take a share of all rephrasings out of the entries."""
    pairs = [AskedQuestion(text, entry.intent) for entry in entries for text in entry.rephrasings]
    chosen = rng.permutation(len(pairs))[: round(share * len(pairs))]
    taken = [pairs[at] for at in np.sort(chosen)]
    left_out = {(each.intent, each.question) for each in taken}
    kept = tuple(
        Entry(
            entry.intent,
            entry.question,
            entry.answers,
            tuple(text for text in entry.rephrasings if (entry.intent, text) not in left_out),
        )
        for entry in entries
    )
    return kept, taken


def _removed(right: Codes, settings: DeskSettings, rng: np.random.Generator) -> Codes:
    """Choose the questions that do without their entry."""
    return np.where(rng.random(len(right)) < settings.unanswered, right, -1).astype(np.int32)


def _known_phrasings(likeness: Likeness, settings: DeskSettings, rng: np.random.Generator) -> Sample:
    """Compare phrasings with all but themselves."""
    at, right = likeness.others()
    chosen = np.sort(rng.permutation(len(at))[:MOST])
    at, right = at[chosen], right[chosen]
    texts = [likeness.phrasings.texts[each] for each in at]
    values = likeness(texts, likeness.phrasings.vectors[at], at)
    return Sample(values, right, _removed(right, settings, rng))


def _learned(sample: Sample, unanswered: float) -> Chances:
    """Learn from each question as it is and, if some do without their entry, also as if it did."""
    right, n = sample.right, len(sample.right)
    if not unanswered:
        return Chances.fit(sample, np.ones(n))
    none = np.full(n, -1, np.int32)
    both = Sample(
        np.concatenate([sample.likeness, sample.likeness]), np.append(right, none), np.append(none, right)
    )
    return Chances.fit(both, np.repeat([1 - unanswered, unanswered], n))
