"""Fits what a classifier is made of: encoder, head and scope."""

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
from tailrank.tasks.supervised_tuning import Labelled, tune


class Fitted(NamedTuple):
    """The parts of a classifier, and what was found on the way."""

    encoder: TextEncoder
    head: LinearHead
    scope: Scope
    tuned: bool
    about: dict[str, Any]


def fit_parts(
    texts: Sequence[str],
    vectors: Floats,
    truth: Bools,
    names: tuple[str, ...],
    encoder: TextEncoder,
    kind: Kind,
    settings: ClassifierSettings,
    progress: Progress,
) -> Fitted:
    """Fit on a part of the texts, calibrate on the part that is held out, then learn from all of them.

    Parameters
    ----------
    texts
        As the encoder reads them, n.
    vectors
        What it makes of them, shape (n, d).
    truth
        Shape (n, labels).
    names
        Of the labels.
    encoder
        Stays as it is.
    kind, settings, progress
        As `TextClassifier.fit` takes them.
    """
    held = held_out(truth, settings.held_out, settings.seed)
    with step(progress, "fitting the head"):
        head, penalty = _choose_head(vectors, truth, held, kind)
    about: dict[str, Any] = {"penalty": penalty}
    tuned, own = encoder, vectors
    if settings.tune != "none":
        known, rest = (_part(texts, truth, rows) for rows in (~held, held))
        found = tune(encoder, head, known, settings, rest, progress=progress)
        about["epochs"] = found.epochs
        tuned, vectors = found.encoder, found.encoder.encode(texts, progress)
        head = found.head.calibrated(vectors[held], truth[held])
    scope = Scope.fit(vectors[~held], truth[~held]).refusing(vectors[held], settings.refuse)
    about["held_out"] = _measured(head, scope, vectors[held], truth[held], names, kind)
    if settings.tune == "none":
        head = LinearHead.fit(vectors, truth, kind.exclusive, penalty, head.temperature)
    elif settings.refit:
        start = LinearHead.fit(own, truth, kind.exclusive, penalty)
        again = tune(encoder, start, Labelled(texts, truth), settings, epochs=found.epochs, progress=progress)
        tuned, vectors = again.encoder, again.encoder.encode(texts, progress)
        head = replace(again.head, temperature=head.temperature)
    if settings.tune == "none" or settings.refit:
        scope = replace(Scope.fit(vectors, truth), threshold=scope.threshold)
    return Fitted(tuned, head, scope, tuned is not encoder, about)


def _part(texts: Sequence[str], truth: Bools, rows: Bools) -> Labelled:
    return Labelled([texts[at] for at in np.flatnonzero(rows).tolist()], truth[rows])


def _choose_head(vectors: Floats, truth: Bools, held: Bools, kind: Kind) -> tuple[LinearHead, float]:
    """Choose the penalty by the log loss of the texts held out, after calibration."""
    heads = {}
    for penalty in PENALTIES:
        head = LinearHead.fit(vectors[~held], truth[~held], kind.exclusive, penalty)
        heads[penalty] = head.calibrated(vectors[held], truth[held])
    best = min(PENALTIES, key=lambda penalty: heads[penalty].loss(vectors[held], truth[held]))
    return heads[best], best


def _measured(
    head: LinearHead, scope: Scope, vectors: Floats, truth: Bools, names: tuple[str, ...], kind: Kind
) -> dict[str, float]:
    said = Predictions(names, head.chances(vectors))
    refused = float(scope.refused(scope.scores(vectors)).mean())
    return {"texts": len(vectors), **kind.measure(said, truth), "refused": refused}
