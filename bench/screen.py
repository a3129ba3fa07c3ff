"""Find the plots of horror films among others: by a deny-list, by TF-IDF, by the classifier of a screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import polars as pl
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict, train_test_split

from bench import study
from tailrank.arrays import Bools, Codes, Doubles
from tailrank.cli.options import load_encoder
from tailrank.cli.progress import progress_bars
from tailrank.data.readers import read_items
from tailrank.language.store import VectorStore
from tailrank.language.vectors import ItemVectors
from tailrank.screening.deny_list import DenyList, words_of
from tailrank.screening.fitting import FOLDS, PENALTIES, fit_classifier, quality_at, threshold_for

SET: Final = "movielens-small-plots"
GENRE: Final = "Horror"
TEMPLATE: Final = "{overview}"
TEST_SHARE: Final = 0.3
RECALLS: Final = (0.5, 0.8, 0.9)
LISTED: Final = 30
"""Words of the deny-list."""

FEWEST: Final = 5
"""Texts to be held that a word of the list is in."""

Scores: TypeAlias = tuple[Doubles, Doubles]
"""Of texts that were learned from, each by a model of the others, and of the rest."""


def by_words(texts: list[str], labels: Bools, train: Codes) -> tuple[Doubles, list[str]]:
    """Score texts by whether they say a word that is rare in harmless texts; gives the words, too."""
    said = [set(words) for words in words_of(texts)]
    held, all_said = dict[str, int](), dict[str, int]()
    for at in train.tolist():
        for word in said[at]:
            all_said[word] = all_said.get(word, 0) + 1
            held[word] = held.get(word, 0) + bool(labels[at])
    frequent = [word for word, n in held.items() if n >= FEWEST]
    words = sorted(frequent, key=lambda word: (-held[word] / all_said[word], -held[word], word))[:LISTED]
    found = DenyList({"": words}).found(texts)
    return np.array([bool(each) for each in found], np.float64), words


def by_tfidf(texts: list[str], labels: Bools, train: Codes, test: Codes, seed: int) -> Scores:
    """Score by a logistic regression of TF-IDF, chosen and measured as the screen's classifier is."""
    vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=2)
    learned = vectorizer.fit_transform([texts[at] for at in train])
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    one = LogisticRegression(solver="liblinear")
    search = GridSearchCV(one, {"C": PENALTIES}, scoring="average_precision", cv=folds)
    best = search.fit(learned, labels[train]).best_estimator_
    held_out = cross_val_predict(clone(best), learned, labels[train], cv=folds, method="predict_proba")[:, 1]
    return held_out, best.predict_proba(vectorizer.transform([texts[at] for at in test]))[:, 1]


def by_vectors(vectors: Any, labels: Bools, train: Codes, test: Codes, seed: int) -> Scores:
    """Score as a screen does."""
    fitted = fit_classifier(vectors[train], labels[train], seed)
    return fitted.held_out, 1 / (1 + np.exp(-(vectors[test] @ fitted.weights + fitted.bias)))


def rows_of(scores: Scores, labels: Bools, train: Codes, test: Codes) -> dict[str, float]:
    """Measure a classifier on the test part, by thresholds chosen on the other."""
    learned, rest = scores
    found = {"pr_auc": float(average_precision_score(labels[test], rest))}
    for recall in RECALLS:
        quality = quality_at(threshold_for(learned, labels[train], recall), rest, labels[test])
        found |= {f"{part} at {recall}": quality[part] for part in ("precision", "recall")}
    return found


def measured(texts: list[str], vectors: Any, labels: Bools, seed: int) -> study.Json:
    """Measure all of them on one split."""
    train, test = train_test_split(
        np.arange(len(texts), dtype=np.int32), test_size=TEST_SHARE, stratify=labels, random_state=seed
    )
    ways: dict[str, Callable[[], Scores]] = {
        "tf-idf": lambda: by_tfidf(texts, labels, train, test, seed),
        "screen": lambda: by_vectors(vectors, labels, train, test, seed),
    }
    found: study.Json = {name: rows_of(way(), labels, train, test) for name, way in ways.items()}
    listed, words = by_words(texts, labels, train)
    quality = quality_at(1.0, listed[test], labels[test])
    found["deny-list"] = {part: quality[part] for part in ("precision", "recall")}
    return {"seed": seed, "words": words, "ways": found}


def main(data: study.Data, seeds: study.Seeds = "0,1,2,3,4") -> None:
    """Store how well the plots are found."""
    items = read_items(Path(study.path_of(SET, data))).filter(pl.col("overview").str.len_chars() > 0)
    labels = items["genres"].list.contains(GENRE).to_numpy()
    with progress_bars() as progress:
        encoder = load_encoder("default", progress)
        vectors = ItemVectors.encode(items, encoder, TEMPLATE, store=VectorStore(), progress=progress)
    texts = items["overview"].to_list()
    splits = [measured(texts, vectors.values, labels, seed) for seed in study.numbers(seeds)]
    summary = {
        way: {
            name: {"mean": float(np.mean(found)), "sd": float(np.std(found, ddof=1))}
            for name in splits[0]["ways"][way]
            for found in [[split["ways"][way][name] for split in splits]]
        }
        for way in splits[0]["ways"]
    }
    about = {"dataset": SET, "template": TEMPLATE, "label": GENRE, "encoder": encoder.name}
    sizes = {"texts": len(texts), "labelled": int(labels.sum()), "test_share": TEST_SHARE}
    study.store(
        "screen.json", {**about, **sizes, "seeds": study.numbers(seeds), "ways": summary, "splits": splits}
    )
