"""Tune one encoder on several tasks with few texts, and one on each: how many labels are right, how fast."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import numpy as np
import typer

from bench import study
from bench.tasks import GROUNDS, Ground
from tailrank.arrays import Doubles
from tailrank.cli.options import load_encoder
from tailrank.cli.progress import progress_bars
from tailrank.language.encoder import TextEncoder
from tailrank.language.store import VectorStore
from tailrank.metrics.significance import paired_bootstrap
from tailrank.tasks.classifier import LabelledTexts, TextClassifier
from tailrank.tasks.labelling import truth_of
from tailrank.tasks.settings import ClassifierSettings

SETS: Final = ("banking77-10", "clinc150-10")


def tuned(grounds: Sequence[Ground], encoder: TextEncoder, settings: ClassifierSettings) -> list[Doubles]:
    """Tune on all grounds together; says of each test text whether its label is right."""
    given = [LabelledTexts(ground.train.texts, ground.train.labels, ground.kind) for ground in grounds]
    with progress_bars() as progress:
        fitted = TextClassifier.fit_together(given, encoder, settings, progress, VectorStore())
    return [right(task, ground) for task, ground in zip(fitted, grounds, strict=True)]


def right(task: TextClassifier, ground: Ground) -> Doubles:
    """Say of each test text whether its label is right, shape (texts,)."""
    said = task.predict(ground.test.texts).chances.argmax(axis=1)
    truth = truth_of(ground.test.labels, task.labels, task.kind).argmax(axis=1)
    return np.asarray(said == truth, np.float64)


def measured(grounds: Sequence[Ground], encoder: TextEncoder, settings: ClassifierSettings) -> study.Json:
    """Measure both ways on all grounds: accuracy, how it differs, and minutes of the processor."""
    start = time.process_time()
    apart = [found for ground in grounds for found in tuned([ground], encoder, settings)]
    between = time.process_time()
    together = tuned(grounds, encoder, settings)
    minutes = {"apart": (between - start) / 60, "together": (time.process_time() - between) / 60}
    sets: study.Json = {}
    for name, one, other in zip(SETS, together, apart, strict=True):
        sets[name] = {"apart": float(other.mean()), "together": float(one.mean())}
        difference = paired_bootstrap(one, other, np.arange(len(one), dtype=np.int32))
        if difference is not None:
            found = {"mean": difference.mean, "ci95": [difference.low, difference.high]}
            sets[name]["together - apart"] = found
    return {"processor minutes": minutes, "accuracy": sets}


def main(
    data: study.Data,
    seeds: study.Seeds = "0,1,2",
    tune: Annotated[Literal["full", "lora"], typer.Option(help="What learns.")] = "full",
    epochs: Annotated[int, typer.Option(help="At most.")] = 10,
    keep: study.Keep = False,
) -> None:
    """Measure both ways with each seed; the minutes are of training and of the answers to all test texts."""
    with progress_bars() as progress:
        encoder = load_encoder("default", progress)
    found: study.Json = {"tune": tune, "epochs": epochs, "seeds": {}}
    for seed in study.numbers(seeds):
        grounds = [
            ground_of(data / folder / "data.parquet", seed)
            for folder, ground_of in (GROUNDS[name] for name in SETS)
        ]
        settings = ClassifierSettings(tune=tune, epochs=epochs, held_out=0.1, contrast=1.0, seed=seed)
        found["seeds"][str(seed)] = measured(grounds, encoder, settings)
        study.report("tasks-together.json", found, keep)
