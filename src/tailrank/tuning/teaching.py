"""Teaching: a larger model scores near items offline, and a table of its scores is all that ranks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from tailrank import checkpoint as checkpoints
from tailrank.arrays import Codes, Floats
from tailrank.data.columns import Columns
from tailrank.data.dataset import Dataset
from tailrank.errors import DataError
from tailrank.language.encoder import TextEncoder
from tailrank.language.generative import GenerativeModel
from tailrank.reporting import Progress, silent
from tailrank.tuning.cross_encoder import CrossEncoder
from tailrank.tuning.cross_training import CrossTraining
from tailrank.tuning.pairs import ChosenPairs, near_by_behaviour, near_by_vectors, near_by_words, near_pairs
from tailrank.tuning.teachers import (
    CrossTeacher,
    GenerativeTeacher,
    KeptScores,
    Teacher,
    keys_of,
    score_pairs,
)

NEIGHBOURS: Final = 8
TRAINING: Final = 0.5
"""Share of the time that a cross-encoder may train for."""

TRIED: Final = 32
"""Pairs that are scored to say how long all take."""


@dataclass(frozen=True)
class Catalogue:
    """What is taught about.

    Attributes
    ----------
    dataset
        Its events are learned from; its items are scored.
    texts
        Of the items.
    vectors
        Unit vectors of the texts, whitened; shape (items, d).
    neighbours
        Of each item that are scored by each of three lists: nearest in meaning, in words, and in behaviour.
    seed
        Of everything drawn.
    """

    dataset: Dataset
    texts: Sequence[str]
    vectors: Floats
    neighbours: int = NEIGHBOURS
    seed: int = 0

    @cached_property
    def _near(self) -> list[Any]:
        """Neighbours in meaning and in words."""
        k = self.neighbours
        return [near_by_vectors(self.vectors, k), near_by_words(self.texts, k)]

    def pairs(self) -> tuple[Codes, Codes]:
        """Find the pairs to score, the nearest first.

        Raises
        ------
        DataError
            If no two items with a text are near.
        """
        first, second = near_pairs([*self._near, near_by_behaviour(self.dataset, self.neighbours)])
        has_text = np.array([bool(text.strip()) for text in self.texts])
        kept = has_text[first] & has_text[second]
        if not kept.any():
            raise DataError(
                f"{self.dataset.name}: no two items with texts are near: there is nothing to teach"
            )
        return first[kept], second[kept]

    def chosen(self) -> ChosenPairs:
        """Find the pairs to learn from.

        Raises
        ------
        DataError
            If nobody chose two items.
        """
        near_texts, near_words = self._near
        return ChosenPairs.from_events(self.dataset, near_texts + near_words, self.seed)


def teach(
    catalogue: Catalogue,
    model: TextEncoder | GenerativeModel,
    seconds: float,
    folder: Path,
    progress: Progress = silent,
    tell: Callable[[str], None] = lambda _: None,
) -> pl.DataFrame:
    """Let a teacher score the near items of a catalogue; the same call again goes on where it was.

    Parameters
    ----------
    catalogue
        Its items and events.
    model
        An encoder, of which a cross-encoder is made that learns from the events; or a generative model, which
        learns nothing.
    seconds
        Budget, half of it at most for learning. The nearest pairs come first, and those that there is no
        time for are left out.
    folder
        Keeps the training under way, and all scores by their texts.
    progress
        Is told of steps and scores.
    tell
        Is told what it will cost before it begins, and how it went.

    Returns
    -------
    pl.DataFrame
        `item_id`, `neighbour` and `score`, one row a pair: `Dataset.taught`.

    Raises
    ------
    DataError
        If there is nothing to teach.
    EncoderError
        If the model can't do it.
    ModelError
        If the checkpoint is damaged or can't be written.
    """
    started, pairs = time.monotonic(), catalogue.pairs()
    if isinstance(model, TextEncoder):
        teacher: Teacher = _trained(catalogue, model, pairs, seconds, folder, progress, tell)
    else:
        teacher = GenerativeTeacher(model, catalogue.texts)
    kept = KeptScores(folder / f"{checkpoints.key(teacher.identity)}.scores")
    tell(_cost(teacher, catalogue, pairs, kept))
    left = seconds - (time.monotonic() - started)
    scores = score_pairs(teacher, pairs, catalogue.texts, kept, left, progress)
    found = np.isfinite(scores)
    rest = "" if found.all() else "; the same command goes on"
    tell(f"{found.sum():,} of {len(found):,} pairs scored{rest}")
    ids = catalogue.dataset.items[Columns.ITEM]
    return pl.DataFrame(
        {
            Columns.ITEM: ids.gather(pairs[0][found]),
            Columns.NEIGHBOUR: ids.gather(pairs[1][found]),
            Columns.SCORE: scores[found].astype(np.float64),
        }
    )


def _trained(
    catalogue: Catalogue,
    encoder: TextEncoder,
    pairs: tuple[Codes, Codes],
    seconds: float,
    folder: Path,
    progress: Progress,
    tell: Callable[[str], None],
) -> CrossTeacher:
    """Train a cross-encoder within its share of the time, from a checkpoint on."""
    model = CrossEncoder(encoder, catalogue.texts, progress)
    cost = _cost(CrossTeacher(model), catalogue, pairs)
    tell(f"training for {TRAINING * seconds / 60:g} min at most, then {cost}")
    training = CrossTraining(model, catalogue.chosen(), catalogue.seed)
    settings = catalogue.neighbours, catalogue.seed, seconds
    name = checkpoints.key(model.fingerprint, catalogue.dataset.fingerprint, list(catalogue.texts), settings)
    file = folder / f"{name}.checkpoint"
    folder.mkdir(parents=True, exist_ok=True)
    if kept := checkpoints.read(file, name):
        training.restore(*kept)
    training.run(TRAINING * seconds, progress, lambda: training.save(file, name))
    training.ended = True  # so that the same command scores on, by the same teacher
    training.save(file, name)
    training.finish()
    before, after, among = training.scores[0], max(training.scores), training.validation[1].shape[1]
    tell(
        f"teacher: ndcg {before:.4f} before and {after:.4f} after {training.steps:,} steps, on pairs of "
        f"held-out items, each among {among}"
    )
    return CrossTeacher(model)


def _cost(
    teacher: Teacher, catalogue: Catalogue, pairs: tuple[Codes, Codes], kept: KeptScores | None = None
) -> str:
    """Say how long scoring takes, from a few pairs; before a teacher has learned, nothing is kept of it."""
    keys = keys_of(teacher, catalogue.texts, *pairs)
    missing = [row for row, key in enumerate(keys) if kept is None or key not in kept.scores]
    tried, started = np.array(missing[:TRIED], np.int64), time.monotonic()
    if missing:
        scores = teacher.score(pairs[0][tried], pairs[1][tried])
        if kept is not None:
            kept.add([keys[row] for row in tried], scores)
    minutes = (time.monotonic() - started) / max(len(tried), 1) * len(missing) / 60
    time_left = f"about {minutes:.0f} min" if minutes >= 1 else "less than a minute"
    return f"{len(keys):,} pairs, {len(missing):,} to score: {time_left}"
