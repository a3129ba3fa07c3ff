"""What the recipes in docs/recipes say of real texts: complaints, and questions that must not go wrong.

DATA holds `cfpb/data.parquet` (date, product, issue, company, text), `airline-tweets/data.parquet` (ts,
reason, text) and `stackfaq/faq.parquet`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import msgspec
import numpy as np
import polars as pl
import typer
from msgspec import structs

from bench import study
from bench.support import SET
from bench.tasks import Ground, by_words
from tailrank.language.encoder import TextEncoder
from tailrank.language.store import VectorStore
from tailrank.tasks.classifier import TextClassifier
from tailrank.tasks.evaluation import told_apart
from tailrank.tasks.examples import ExampleColumns, Examples
from tailrank.tasks.monitor.alert_log import moment
from tailrank.tasks.monitor.inputs import folder_lines
from tailrank.tasks.monitor.monitor import Monitor
from tailrank.tasks.monitor.settings import MonitorSettings
from tailrank.tasks.predictions import Predictions
from tailrank.tasks.settings import ClassifierSettings
from tailrank.tasks.support.entries import AskedQuestion, Entry, read_entries
from tailrank.tasks.support.evaluation import evaluate
from tailrank.tasks.support.fitting import fit_desk
from tailrank.tasks.support.settings import DeskSettings

SEED: Final = 0
LEARNED: Final = 0.7
"""Share of complaints, the earliest, that are learned from."""

UNCLEAR: Final = "Can't Tell"
"""How the tweets' annotators marked complaints without a reason."""

SURE: Final = 0.8
"""Chance from which on a complaint needs no second look."""

COMPANIES: Final = MonitorSettings(period="day", watch="volume", duplicate_hours=0, burn_in_days=56)
SINCE: Final = "2023"
WRONG: Final = (0.05, 0.02, 0.01)
DESKS: Final = 5
TESTED: Final = 2 / 3
"""Share of the questions that a desk learns from and is tested on; the others are asked afterwards."""

RANKED: Final = ("mrr", "right_first")
"""Which of a desk's metrics are no counts."""

TWEETS: Final = 2_000
"""Complaints about airlines, drawn at random."""


def complaints(data: Path) -> study.Json:
    """Route complaints to products and reasons, those of later than what was learned; watch companies."""
    letters = pl.read_parquet(data / "cfpb" / "data.parquet").sort("date")
    tweets = pl.read_parquet(data / "airline-tweets" / "data.parquet").drop_nulls("reason")
    tweets = tweets.sample(TWEETS, seed=SEED).sort("ts")
    told = letters.filter(pl.col("text").str.len_chars() > 0)
    told = told.with_columns(label=pl.col("product").map_elements(queue, pl.String))
    clear, unclear = (tweets.filter((tweets["reason"] == UNCLEAR) == which) for which in (False, True))
    outside = Examples.from_frame(unclear, ExampleColumns(label="reason"))
    return {
        "letters": routed(told, "label"),
        "tweets": routed(clear, "reason", outside),
        "watched": watched(companies(letters), COMPANIES),
    }


def queue(product: str) -> str:
    """Name the desk that a product belongs to: products were renamed over the years."""
    for words, name in (("Credit reporting", "credit reports"), ("Debt collection", "debt collection")):
        if product.startswith(words):
            return name
    return "other products"


def routed(frame: pl.DataFrame, label: str, outside: Examples | None = None) -> study.Json:
    """Learn from the earlier complaints, and measure on the later ones; words and a linear SVM beside."""
    examples, n = Examples.from_frame(frame, ExampleColumns(label=label)), len(frame)
    train, test = (
        examples.take(rows) for rows in np.split(np.arange(n, dtype=np.int32), [round(LEARNED * n)])
    )
    store, encoder = VectorStore(), TextEncoder.load()
    task = TextClassifier.fit(train.texts, train.labels, encoder, ClassifierSettings(seed=SEED), store=store)

    def said(some: Examples) -> Predictions:
        written = task.kind.texts(some.texts, None, task.template)
        return task.judge(written, store.vectors(written, encoder))

    found = said(test)
    right = np.array([[name] == list(own) for (name, _), own in zip(found.best(), test.labels, strict=True)])
    kept, sure = ~np.asarray(found.refused), found.chances.max(axis=1) >= SURE
    most, _ = Counter(one for [one] in train.labels).most_common(1)[0]
    words = by_words(Ground("one", train, test), SEED, encoder)
    return {
        **{"learned": len(train), "measured": len(test), "labels": len(task.labels)},
        **{"share of the most frequent": float(np.mean([most in own for own in test.labels]))},
        **{name: task.measure(found, test.labels)[name] for name in ("accuracy", "macro-f1")},
        **{"refused": float((~kept).mean()), "accuracy of the rest": float(right[kept].mean())},
        **{"sure": float(sure.mean()), "accuracy if sure": float(right[sure].mean())},
        **({} if outside is None else told_apart(found, said(outside))),
        "TF-IDF, linear SVM": {name: words[name] for name in ("accuracy", "macro-f1")},
    }


def companies(letters: pl.DataFrame) -> list[study.Json]:
    """Make a stream of complaints, with or without a letter, by company."""
    return [
        {
            "id": str(at),
            "text": row["text"] or row["issue"],
            "timestamp": row["date"],
            "entity": row["company"],
        }
        for at, row in enumerate(letters.filter(pl.col("date") >= SINCE).iter_rows(named=True))
    ]


def watched(lines: Sequence[study.Json], settings: MonitorSettings) -> study.Json:
    """Give a stream to a monitor; its alerts, and how many texts a day there are."""
    with TemporaryDirectory() as folder:
        texts = Path(folder, "texts")
        texts.mkdir()
        (texts / "all.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        monitor = Monitor.open(Path(folder, "state"), settings)
        try:
            alerts = monitor.feed(folder_lines(texts, monitor.state.places()))
            counters = dict(monitor.counters)
        finally:
            monitor.close()
    return {
        "settings": settings.as_dict(),
        "counters": counters,
        "alerts": [
            {"since": moment(one.since), "topic": one.topic, "entity": one.entity, "why": one.why}
            for one in alerts
        ],
    }


def careful(data: Path) -> study.Json:
    """Promise few wrong answers: a fifth of the entries is missing, and asked for all the same."""
    entries, encoder, store = read_entries(data / SET), TextEncoder.load(), VectorStore()
    found: study.Json = {}
    for wrong in WRONG:
        counts = Counter[str]()
        for seed in range(DESKS):
            known, test, fresh = desk_parts(entries, np.random.default_rng(seed))
            settings = DeskSettings(wrong=wrong, seed=seed)
            desk = fit_desk(known, encoder, settings, asked=test, store=store)
            counts.update(msgspec.to_builtins(evaluate(desk, fresh)) | {"tested on": len(test), "desks": 1})
            counts["desks that never answer"] += not desk.guarantee.ever_answers
        found[f"{wrong:.0%} may be wrong"] = {name: n for name, n in counts.items() if name not in RANKED}
    return found


def desk_parts(
    entries: Sequence[Entry], rng: np.random.Generator
) -> tuple[list[Entry], list[AskedQuestion], list[AskedQuestion]]:
    """Keep four fifths of the entries, with half of their rephrasings; the other half is asked.

    Of the missing entries every rephrasing is asked. Gives what is known, and what is asked before and after.
    """
    missing = set(rng.permutation([entry.intent for entry in entries])[: len(entries) // 5].tolist())
    known, asked = [], []
    for entry in entries:
        half = rng.permutation(entry.rephrasings)
        kept = 0 if entry.intent in missing else (len(half) + 1) // 2
        asked += [AskedQuestion(str(text), entry.intent if kept else "") for text in half[kept:]]
        if kept:
            known.append(structs.replace(entry, rephrasings=tuple(half[:kept].tolist())))
    mixed = [asked[at] for at in rng.permutation(len(asked))]
    end = round(TESTED * len(mixed))
    return known, mixed[:end], mixed[end:]


RECIPES: Final[dict[str, Callable[[Path], study.Json]]] = {
    "complaints": complaints,
    "medicine": careful,
}


def main(
    data: study.Data,
    only: Annotated[str, typer.Option(help="Recipes, separated by commas.")] = ",".join(RECIPES),
    keep: study.Keep = False,
) -> None:
    """Measure recipes."""
    found: study.Json = {"seed": SEED}
    for name in study.chosen(only.split(","), RECIPES):
        found[name] = RECIPES[name](data)
        print(name, json.dumps(found[name]), flush=True)
    study.report("recipes.json", found, keep)
