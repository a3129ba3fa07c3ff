"""Label texts of public sets: by TF-IDF and a linear SVM, by the frozen encoder, by a tuned one."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, TypeAlias

import numpy as np
import polars as pl
import typer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

from bench import study
from tailrank.arrays import Codes, Doubles
from tailrank.cli.options import load_encoder
from tailrank.cli.progress import progress_bars
from tailrank.data.cache import cache_root
from tailrank.files import sha256_of
from tailrank.language.encoder import TextEncoder
from tailrank.language.onnx_encoder import OnnxEncoder
from tailrank.language.store import VectorStore
from tailrank.tasks import kinds
from tailrank.tasks.classifier import TextClassifier
from tailrank.tasks.evaluation import told_apart
from tailrank.tasks.examples import ExampleColumns, Examples
from tailrank.tasks.labelling import few_of_each, held_out, names_of, truth_of
from tailrank.tasks.predictions import Predictions
from tailrank.tasks.registry import kind_named
from tailrank.tasks.scope import threshold_for
from tailrank.tasks.settings import ClassifierSettings

PENALTIES: Final = (0.1, 1.0, 10.0)
TIMED: Final = 200
"""Texts that are answered one by one."""

FILE: Final = "tasks.json"
FEW: Final = 10
OUTSIDE: Final = "oos"
TUNING: Final = {"tune": "full", "held_out": 0.1, "refit": True}
OF_ENTITIES: Final = {"epochs": 4, "rate": 2e-4, "refit": False}
"""Instead, chosen on the second part of sentfin's split with seed 0."""


class Ground(NamedTuple):
    """What is learned from, what is measured on, and texts from outside the scope."""

    kind: str
    train: Examples
    test: Examples
    outside: Examples | None = None


GroundOf: TypeAlias = Callable[[Path, int], Ground]
"""Reads a ground from a table, by a seed."""


def banking77(data: Path, _: int) -> Ground:
    """Take the published split."""
    examples = Examples.read(data, ExampleColumns(label="intent", split="split"))
    return Ground("one", examples.part("train"), examples.part("test"))


def clinc150(data: Path, _: int) -> Ground:
    """Take the published split; no text from outside is learned from, nor used to choose anything."""
    examples = Examples.read(data, ExampleColumns(label="intent", split="split"))
    return Ground("one", examples.part("train"), examples.part("test"), examples.part("oos_test"))


def sentfin(data: Path, seed: int) -> Ground:
    """Split headlines at random, 80/10/10; the second part is for choosing, and isn't used here."""
    frame = pl.read_parquet(data)
    place = np.random.default_rng(seed).permutation(len(frame)) / len(frame)
    part = np.select([place < 0.8, place < 0.9], ["train", "validation"], "test")
    rows = frame.with_columns(part=pl.Series(part)).explode("entities").drop_nulls("entities")
    columns = ExampleColumns("text", "label", "part", "entity")
    names = rows["entities"].struct.fields
    entity, label = (rows["entities"].struct.field(name) for name in names)
    examples = Examples.from_frame(rows.with_columns(entity=entity, label=label), columns)
    return Ground("entity", examples.part("train"), examples.part("test"))


def few(ground_of: GroundOf) -> GroundOf:
    """Take 10 texts of each label to learn from."""

    def taken(data: Path, seed: int) -> Ground:
        whole = ground_of(data, seed)
        truth = truth_of(whole.train.labels, names_of(whole.train.labels), kind_named(whole.kind))
        return whole._replace(train=whole.train.take(few_of_each(truth, FEW, seed)))

    return taken


GROUNDS: Final[dict[str, tuple[str, Callable[[Path, int], Ground]]]] = {
    "banking77": ("banking77", banking77),
    f"banking77-{FEW}": ("banking77", few(banking77)),
    "clinc150": ("clinc150", clinc150),
    f"clinc150-{FEW}": ("clinc150", few(clinc150)),
    "sentfin": ("sentfin", sentfin),
}


def by_words(ground: Ground, seed: int, _: TextEncoder) -> study.Json:
    """Fit a linear SVM on TF-IDF of words and letters; its penalty and threshold are chosen as ours are."""
    kind, settings = kind_named(ground.kind), ClassifierSettings()
    names = names_of(ground.train.labels)
    texts, test = (
        kind.texts(each.texts, each.entities, kind.templates[0]) for each in (ground.train, ground.test)
    )
    truth = truth_of(ground.train.labels, names, kind)
    held, labels = held_out(truth, settings.held_out, seed), truth.argmax(axis=1)
    known, rest = np.flatnonzero(~held), np.flatnonzero(held)
    models = {penalty: _svm(penalty).fit([texts[at] for at in known], labels[known]) for penalty in PENALTIES}
    left = [texts[at] for at in rest]
    best = max(PENALTIES, key=lambda penalty: float(models[penalty].score(left, labels[rest])))
    scores = models[best].decision_function(left).max(axis=1)
    threshold = threshold_for(scores, settings.refuse)
    final = _svm(best).fit(texts, labels)

    def answers(given: list[str]) -> Predictions:
        margins = final.decision_function(given)
        scope = margins.max(axis=1)
        return Predictions(names, margins, scope, scope < threshold)

    said = answers(test)
    right = truth_of(ground.test.labels, names, kind).argmax(axis=1)
    found = {"accuracy": float((said.chances.argmax(axis=1) == right).mean())}
    found["macro-f1"] = kind.measure(_softened(said), np.eye(len(names), dtype=bool)[right])["macro-f1"]
    if ground.outside is not None:
        found |= {"refused": float(np.mean(np.asarray(said.refused)))}
        found |= told_apart(said, answers(list(ground.outside.texts)))
    return found | _timed(lambda text: answers([text]), test)


def frozen(ground: Ground, seed: int, encoder: TextEncoder) -> study.Json:
    """Fit a head on the encoder as it is."""
    return _ours(ground, ClassifierSettings(kind=ground.kind, seed=seed), encoder)


def tuned(ground: Ground, seed: int, encoder: TextEncoder) -> study.Json:
    """Tune the encoder fully; with few texts, with the contrastive loss."""
    how: dict[str, Any] = TUNING | (OF_ENTITIES if ground.kind == "entity" else {})
    if len(ground.train) <= FEW * 150:
        how |= {"contrast": 1.0}
    return _ours(ground, ClassifierSettings(kind=ground.kind, seed=seed, **how), encoder)


WAYS: Final = {"tf-idf and svm": by_words, "frozen": frozen, "tuned": tuned}


def _ours(ground: Ground, settings: ClassifierSettings, encoder: TextEncoder) -> study.Json:
    train, test, store = ground.train, ground.test, VectorStore()
    with progress_bars() as progress:
        fitted = TextClassifier.fit(
            train.texts, train.labels, encoder, settings, progress, train.entities, store
        )

    def answers(examples: Examples) -> Predictions:
        if fitted.tuned:
            return fitted.predict(examples.texts, examples.entities)
        written = fitted.kind.texts(examples.texts, examples.entities, fitted.template)
        return fitted.judge(written, store.vectors(written, encoder))

    said = answers(test)
    found: study.Json = {
        **fitted.measure(said, test.labels),
        "refused": float(np.mean(np.asarray(said.refused))),
    }
    if ground.outside is not None:
        found |= told_apart(said, answers(ground.outside))
    if test.entities is not None:
        found |= _by_entities(said, fitted, test)
    found |= {name: fitted.about[name] for name in ("epochs", "penalty", "words") if name in fitted.about}
    with tempfile.TemporaryDirectory() as folder:
        fitted.save(Path(folder) / "task")
        light = TextClassifier.load(Path(folder) / "task", OnnxEncoder.load)
        texts = light.kind.texts(test.texts, test.entities, light.template)
        return found | _timed(lambda text: light.judge([text], light.encoder.encode([text])), texts)


def _by_entities(said: Predictions, fitted: TextClassifier, test: Examples) -> dict[str, float]:
    """Give accuracy by how many entities a headline has, and by its length in words."""
    truth = truth_of(test.labels, fitted.labels, fitted.kind)
    right: Doubles = (truth.argmax(axis=1) == said.chances.argmax(axis=1)).astype(np.float64)
    number = np.array([test.texts.count(text) for text in test.texts])
    words = np.array([len(text.split()) for text in test.texts])
    groups = {
        "1 entity": number == 1,
        "2 entities": number == 2,
        "3 or more": number > 2,
        "up to 8 words": words <= 8,
        "9 to 11 words": (words > 8) & (words < 12),
        "12 words or more": words >= 12,
    }
    return {f"accuracy/{name}": float(right[rows].mean()) for name, rows in groups.items() if rows.any()}


def _timed(answer: Callable[[str], Predictions], texts: list[str]) -> dict[str, float]:
    """Time answers to single texts, by the wall clock and by the processor's, in milliseconds."""
    rows: Codes = np.arange(len(texts), dtype=np.int32)[:: max(1, len(texts) // TIMED)][:TIMED]
    wall, processor = [], []
    for at in rows.tolist():
        start, used = time.perf_counter(), time.thread_time()
        answer(texts[at])
        wall.append(time.perf_counter() - start)
        processor.append(time.thread_time() - used)
    return {"ms": 1e3 * float(np.median(wall)), "processor ms": 1e3 * float(np.median(processor))}


def _softened(said: Predictions) -> Predictions:
    """Make chances of margins, in the same order, where a metric wants them."""
    odds = np.exp(said.chances - said.chances.max(axis=1, keepdims=True))
    return Predictions(said.labels, odds / odds.sum(axis=1, keepdims=True))


def _svm(penalty: float) -> Any:
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    return make_pipeline(make_union(words, letters), LinearSVC(C=penalty))


def _remembered(file: Path, compute: Callable[[], study.Json]) -> study.Json:
    """Measure, or read what was measured, so that the study goes on where it stopped."""
    found = study.remembered(file, lambda: {key: np.float64(each) for key, each in compute().items()})  # type: ignore[misc]
    return {key: float(each) for key, each in found.items()}


def _measured(name: str, way: str, seed: int, data: Path, encoder: TextEncoder) -> study.Json:
    """Measure one way, unless it was by the same code, on the same texts, with the same encoder."""
    folder, ground_of = GROUNDS[name]
    texts = data / folder / "data.parquet"
    code = [sha256_of(file) for file in sorted([Path(__file__), *Path(kinds.__file__).parent.glob("*.py")])]
    key = hashlib.sha256("\0".join([sha256_of(texts), encoder.fingerprint, *code]).encode()).hexdigest()
    file = cache_root() / "tasks" / key[:12] / f"{name}-{way}-{seed}.npz".replace(" ", "-")
    return _remembered(file, lambda: WAYS[way](ground_of(texts, seed), seed, encoder))


def main(
    data: study.Data,
    only: Annotated[str, typer.Option(help="Data sets, separated by commas.")] = ",".join(GROUNDS),
    ways: Annotated[str, typer.Option(help="Ways, separated by commas.")] = ",".join(WAYS),
    seeds: study.Seeds = "0,1,2",
) -> None:
    """Store accuracy, F1, what is refused, and milliseconds an answer, beside what was stored before."""
    with progress_bars() as progress:
        encoder = load_encoder("default", progress)
    stored = study.RESULTS / FILE
    sets: study.Json = json.loads(stored.read_text(encoding="utf-8"))["sets"] if stored.exists() else {}
    for name in study.chosen(only.split(","), GROUNDS):
        for way in study.chosen(ways.split(","), WAYS):
            for seed in study.numbers(seeds):
                found = _measured(name, way, seed, data, encoder)
                sets.setdefault(name, {}).setdefault(way, {})[str(seed)] = found
                print(name, way, seed, {key: round(each, 4) for key, each in found.items()}, flush=True)
                study.store(FILE, {"encoder": encoder.name, "sets": sets})
