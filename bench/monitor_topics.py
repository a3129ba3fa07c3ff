"""Topics of newswires: a frozen encoder with a calibrated head, beside TF-IDF with a linear SVM."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from bench.study import Json
from tailrank.arrays import Bools, Floats
from tailrank.language.encoder import TextEncoder
from tailrank.language.store import VectorStore
from tailrank.tasks.classifier import TextClassifier
from tailrank.tasks.settings import ClassifierSettings

TOPICS: Final = 10
START: Final = 250
"""Characters of a body that are read."""


@dataclass(frozen=True)
class StoredEncoder:
    """An encoder whose vectors are kept."""

    encoder: TextEncoder

    @property
    def name(self) -> str:
        """As the encoder has it."""
        return self.encoder.name

    def encode(self, texts: Sequence[str], progress: object = None) -> Floats:
        """Take vectors from the store, and encode what is new."""
        return VectorStore().vectors(texts, self.encoder)


def topics(data: Path) -> Json:
    """Learn the ten most frequent topics from the ModApte training part, and measure on its test part."""
    frame = pl.read_parquet(data / "reuters" / "data.parquet").filter(pl.col("topics").list.len() > 0)
    train, test = (frame.filter(pl.col("split") == part) for part in ("TRAIN", "TEST"))
    counts = Counter(topic for row in train["topics"].to_list() for topic in row)
    names = sorted(name for name, _ in counts.most_common(TOPICS))
    texts, truth = [texts_of(part) for part in (train, test)], [_truth(part, names) for part in (train, test)]
    labels = [[name for name, has in zip(names, row, strict=True) if has] for row in truth[0]]
    settings = ClassifierSettings(kind="several")
    classifier = TextClassifier.fit(texts[0], labels, StoredEncoder(TextEncoder.load()), settings)  # type: ignore[arg-type]
    ours = classifier.predict(texts[1]).chances >= 0.5
    words = TfidfVectorizer(sublinear_tf=True, min_df=2, ngram_range=(1, 2))
    machine = OneVsRestClassifier(LinearSVC(C=1.0)).fit(words.fit_transform(texts[0]), truth[0])
    theirs = machine.predict(words.transform(texts[1])).astype(bool)
    return {
        "train": len(train),
        "test": len(test),
        "topics": names,
        "encoder": _f1(truth[1], ours),
        "TF-IDF, linear SVM": _f1(truth[1], theirs),
    }


def texts_of(frame: pl.DataFrame) -> list[str]:
    """Give the titles of newswires with the beginnings of their bodies."""
    rows = zip(frame["title"].fill_null(""), frame["body"].fill_null(""), strict=True)
    return [f"{title}. {body[:START]}" for title, body in rows]


def _truth(frame: pl.DataFrame, names: Sequence[str]) -> Bools:
    return np.array([[name in row for name in names] for row in frame["topics"].to_list()])


def _f1(truth: Bools, found: Bools) -> Json:
    return {
        "micro F1": float(f1_score(truth, found, average="micro")),
        "macro F1": float(f1_score(truth, found, average="macro")),
    }
