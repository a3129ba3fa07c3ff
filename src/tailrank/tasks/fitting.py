"""Fits what classifiers are made of: an encoder and, for each, head and scope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tailrank.arrays import Bools, Floats
from tailrank.language.encoder import TextEncoder
from tailrank.reporting import Progress, step
from tailrank.tasks.kinds import Kind
from tailrank.tasks.labelling import held_out
from tailrank.tasks.linear_head import PENALTIES, LinearHead
from tailrank.tasks.predictions import Predictions
from tailrank.tasks.scope import Scope
from tailrank.tasks.settings import ClassifierSettings
from tailrank.tasks.supervised_tuning import Labelled, TaskToTune, tune
from tailrank.tasks.text_head import TextHead
from tailrank.tasks.words import WordHead


class LabelledVectors(NamedTuple):
    """What a task learns from.

    Attributes
    ----------
    texts
        As the encoder reads them.
    vectors
        What the head reads of them, shape (n, d).
    truth
        Shape (n, labels).
    names
        Of the labels.
    kind
        Of the task.
    template
        How its texts are written.
    """

    texts: Sequence[str]
    vectors: Floats
    truth: Bools
    names: tuple[str, ...]
    kind: Kind
    template: str


class Fitted(NamedTuple):
    """The parts of a classifier, and what was found on the way."""

    encoder: TextEncoder
    head: TextHead
    scope: Scope
    tuned: bool
    about: dict[str, Any]


class _Start(NamedTuple):
    """The head that suits a task's vectors as they are, and which texts were held out from it."""

    head: LinearHead
    penalty: float
    held: Bools


def fit_parts(
    tasks: Sequence[LabelledVectors], encoder: TextEncoder, settings: ClassifierSettings, progress: Progress
) -> list[Fitted]:
    """Fit on a part of the texts, calibrate on the part that is held out, then learn from all of them.

    Parameters
    ----------
    tasks
        At least one; if the encoder is tuned, it is on all of them together.
    encoder
        Stays as it is.
    settings, progress
        As `TextClassifier.fit` takes them.
    """
    with step(progress, "fitting the head"):
        starts = [_start(task, settings) for task in tasks]
    if settings.tune == "none":
        return [_untuned(task, start, encoder, settings) for task, start in zip(tasks, starts, strict=True)]
    return _tuned(tasks, starts, encoder, settings, progress)


def _start(task: LabelledVectors, settings: ClassifierSettings) -> _Start:
    """Choose the penalty by the log loss of the texts held out, after calibration."""
    held, heads = held_out(task.truth, settings.held_out, settings.seed), {}
    for penalty in PENALTIES:
        head = LinearHead.fit(task.vectors[~held], task.truth[~held], task.kind.exclusive, penalty)
        heads[penalty] = head.calibrated(task.vectors[held], task.truth[held])
    best = min(PENALTIES, key=lambda penalty: heads[penalty].loss(task.vectors[held], task.truth[held]))
    return _Start(heads[best], best, held)


def _untuned(
    task: LabelledVectors, start: _Start, encoder: TextEncoder, settings: ClassifierSettings
) -> Fitted:
    chosen = _with_words(task, start)
    scope, measured = _judged(task, task.vectors, chosen, start.held, settings)
    vector = LinearHead.fit(
        task.vectors, task.truth, task.kind.exclusive, start.penalty, chosen.vector.temperature
    )
    words = chosen.words and WordHead.fit(task.texts, task.truth, chosen.words.share)
    scope = replace(Scope.fit(task.vectors, task.truth), threshold=scope.threshold)
    about = {"penalty": start.penalty, "words": 0.0 if words is None else words.share, "held_out": measured}
    return Fitted(encoder, TextHead(vector, words), scope, False, about)


def _with_words(task: LabelledVectors, start: _Start) -> TextHead:
    """Add a head that reads words, if it helps with the texts held out."""
    head = TextHead(start.head)
    if len(task.texts) != len(task.vectors):  # two texts that are compared: neither's words have the label
        return head
    known, rest = _part(task, ~start.held), _part(task, start.held)
    words = WordHead.fit(known.texts, known.truth)
    return head.with_words(words, task.vectors[start.held], rest.texts, rest.truth)


def _tuned(
    tasks: Sequence[LabelledVectors],
    starts: Sequence[_Start],
    encoder: TextEncoder,
    settings: ClassifierSettings,
    progress: Progress,
) -> list[Fitted]:
    """Tune a copy of the encoder on all tasks and, if asked to, once more with the texts held out."""
    given = [
        TaskToTune(start.head, _part(task, ~start.held), _part(task, start.held))
        for task, start in zip(tasks, starts, strict=True)
    ]
    found = tune(encoder, given, settings, progress=progress)
    parts = []
    for task, start, head in zip(tasks, starts, found.heads, strict=True):
        vectors = found.encoder.encode(task.texts, progress)
        calibrated = TextHead(head.calibrated(vectors[start.held], task.truth[start.held]))
        scope, measured = _judged(task, vectors, calibrated, start.held, settings)
        about = {"penalty": start.penalty, "epochs": found.epochs, "losses": found.losses}
        about["held_out"] = measured
        parts.append(Fitted(found.encoder, calibrated, scope, True, about))
    return _refitted(tasks, parts, encoder, settings, progress) if settings.refit else parts


def _refitted(
    tasks: Sequence[LabelledVectors],
    parts: Sequence[Fitted],
    encoder: TextEncoder,
    settings: ClassifierSettings,
    progress: Progress,
) -> list[Fitted]:
    """Tune on all texts, for as many epochs as were best; temperatures and thresholds stay."""
    given = [
        TaskToTune(
            LinearHead.fit(task.vectors, task.truth, task.kind.exclusive, part.about["penalty"]),
            Labelled(task.texts, task.truth),
        )
        for task, part in zip(tasks, parts, strict=True)
    ]
    found = tune(encoder, given, settings, parts[0].about["epochs"], progress)
    refitted = []
    for task, part, head in zip(tasks, parts, found.heads, strict=True):
        scope = Scope.fit(found.encoder.encode(task.texts, progress), task.truth)
        refitted.append(
            part._replace(
                encoder=found.encoder,
                head=TextHead(replace(head, temperature=part.head.vector.temperature)),
                scope=replace(scope, threshold=part.scope.threshold),
            )
        )
    return refitted


def _part(task: LabelledVectors, rows: Bools) -> Labelled:
    return Labelled([task.texts[at] for at in np.flatnonzero(rows).tolist()], task.truth[rows])


def _judged(
    task: LabelledVectors, vectors: Floats, head: TextHead, held: Bools, settings: ClassifierSettings
) -> tuple[Scope, dict[str, float]]:
    """Fit a scope to vectors of the known texts; gives what is measured on those held out, too."""
    rest, (texts, truth) = vectors[held], _part(task, held)
    scope = Scope.fit(vectors[~held], task.truth[~held]).refusing(rest, settings.refuse)
    measured = task.kind.measure(Predictions(task.names, head.chances(rest, texts)), truth)
    refused = float(scope.refused(scope.scores(rest)).mean())
    return scope, {"texts": len(rest), **measured, "refused": refused}
