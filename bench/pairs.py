"""Tell whether a question and an entry of a FAQ belong together: by their cosine, and by the kind `pair`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, NamedTuple

import numpy as np
import polars as pl
import typer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from bench import study
from tailrank.arrays import Doubles, Floats
from tailrank.cli.options import load_encoder
from tailrank.cli.progress import progress_bars
from tailrank.language.encoder import TextEncoder
from tailrank.language.store import VectorStore
from tailrank.tasks.classifier import TextClassifier
from tailrank.tasks.settings import ClassifierSettings

FILE: Final = "pairs.json"
MATCH, OTHER = "match", "other"
TEST: Final = 0.3
"""Share of the entries that are measured on, and not learned from."""

EPOCHS: Final = 2


class Pairs(NamedTuple):
    """Questions as people asked them, entries, and whether they belong together."""

    asked: list[str]
    entries: list[str]
    labels: list[str]


def pairs_of(faq: pl.DataFrame, store: VectorStore, encoder: TextEncoder) -> Pairs:
    """Pair each rephrasing with the question of its entry, and with the likest of another one."""
    rows = faq.explode("rephrasings").drop_nulls("rephrasings")
    questions, asked = faq["question"].to_list(), rows["rephrasings"].to_list()
    likeness = store.vectors(asked, encoder=encoder) @ store.vectors(questions, encoder=encoder).T
    at = np.array([questions.index(each) for each in rows["question"]])
    likeness[np.arange(len(at)), at] = -np.inf
    entries = [questions[row] for both in zip(at, likeness.argmax(axis=1), strict=True) for row in both]
    return Pairs([text for text in asked for _ in range(2)], entries, [MATCH, OTHER] * len(asked))


def by_cosine(train: Pairs, test: Pairs, seed: int, encoder: TextEncoder, store: VectorStore) -> Doubles:
    """Learn from which cosine on two texts belong together."""

    def cosines(pairs: Pairs) -> Floats:
        asked, entries = (store.vectors(each, encoder=encoder) for each in (pairs.asked, pairs.entries))
        found: Floats = (asked * entries).sum(axis=1, keepdims=True)
        return found

    model = LogisticRegression(C=1e4).fit(cosines(train), np.array(train.labels) == MATCH)
    found: Doubles = model.predict_proba(cosines(test))[:, 1]
    return found


def frozen(train: Pairs, test: Pairs, seed: int, encoder: TextEncoder, store: VectorStore) -> Doubles:
    """Fit a head on the vectors of both."""
    return _ours(ClassifierSettings(kind="pair", seed=seed), train, test, encoder, store)


def tuned(train: Pairs, test: Pairs, seed: int, encoder: TextEncoder, store: VectorStore) -> Doubles:
    """Tune a cross-encoder."""
    settings = ClassifierSettings(kind="pair", tune="full", epochs=EPOCHS, held_out=0.1, seed=seed)
    return _ours(settings, train, test, encoder, store)


WAYS: Final = {"cosine": by_cosine, "frozen": frozen, "tuned": tuned}


def _ours(
    settings: ClassifierSettings, train: Pairs, test: Pairs, encoder: TextEncoder, store: VectorStore
) -> Doubles:
    with progress_bars() as progress:
        task = TextClassifier.fit(
            train.asked, train.labels, encoder, settings, progress, train.entries, store
        )
    print(task.about["held_out"], task.about.get("epochs"), flush=True)
    chances = task.predict(test.asked, test.entries).chances[:, task.labels.index(MATCH)]
    return chances.astype(np.float64)


def measured(chances: Doubles, test: Pairs) -> study.Json:
    """Give accuracy, AUROC, and how often the right entry of two has the higher chance."""
    truth = np.array(test.labels) == MATCH
    return {
        "accuracy": float(((chances > 0.5) == truth).mean()),
        "auroc": float(roc_auc_score(truth, chances)),
        "right of two": float((chances[::2] > chances[1::2]).mean()),
        "pairs": len(truth),
    }


def main(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Holds stackfaq/faq.parquet.")],
    ways: Annotated[str, typer.Option(help="Ways, separated by commas.")] = ",".join(WAYS),
    seeds: study.Seeds = "0,1,2",
) -> None:
    """Store what was measured on entries that nothing was learned from."""
    with progress_bars() as progress:
        encoder = load_encoder("default", progress)
    faq, store = pl.read_parquet(data / "stackfaq" / "faq.parquet"), VectorStore()
    found: dict[str, study.Json] = {}
    for way in study.chosen(ways.split(","), WAYS):
        for seed in study.numbers(seeds):
            is_test = pl.Series(np.random.default_rng(seed).permutation(len(faq)) < TEST * len(faq))
            train, test = (pairs_of(faq.filter(rows), store, encoder) for rows in (~is_test, is_test))
            chances = WAYS[way](train, test, seed, encoder, store)
            found.setdefault(way, {})[str(seed)] = measured(chances, test)
            print(way, seed, found[way][str(seed)], flush=True)
            study.store(FILE, {"encoder": encoder.name, "ways": found})
