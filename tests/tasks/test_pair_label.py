"""The kind `pair`: a label of two texts, read apart by the frozen encoder or together by a tuned one."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from tailrank.cli.task import app
from tailrank.errors import RequestError
from tailrank.language.encoder import TextEncoder
from tailrank.tasks.classifier import TextClassifier
from tailrank.tasks.pair_label import APART, TOGETHER
from tailrank.tasks.settings import ClassifierSettings

ABOUT = {
    "card": ["my card is lost", "the card was stolen", "I can't find my bank card", "my card has gone"],
    "fee": ["what does a transfer cost", "how high is the fee", "why was I charged", "is there a charge"],
    "login": ["I forgot my password", "I can't log in", "reset my password", "my login doesn't work"],
    "parcel": ["where is my parcel", "my delivery is late", "track my package", "it hasn't arrived"],
}
TOPIC = {text: topic for topic, texts in ABOUT.items() for text in texts}
PAIRS = list(combinations(TOPIC, 2))
LABELS = ["same" if TOPIC[one] == TOPIC[other] else "different" for one, other in PAIRS]
NEW = [("will it rain tomorrow", "what is the weather like"), ("will it rain tomorrow", "the cat sleeps")]


def test_frozen_vectors_are_compared_so_that_new_topics_are_known(
    encoder: TextEncoder, tmp_path: Path
) -> None:
    texts, others = map(list, zip(*PAIRS, strict=True))
    settings = ClassifierSettings(kind="pair")
    task = TextClassifier.fit(texts, LABELS, encoder, settings, entities=others)
    task.save(tmp_path / "task")
    found = TextClassifier.load(tmp_path / "task", lambda _: encoder)
    assert found.template == APART
    alike, unlike = found.predict([one for one, _ in NEW], [other for _, other in NEW]).chances[:, 1]
    assert alike > 2 * unlike
    turned = found.predict([other for _, other in NEW], [one for one, _ in NEW]).chances[:, 1]
    np.testing.assert_allclose(turned, [alike, unlike], atol=1e-5)


def test_a_tuned_encoder_reads_both_together(small_bert: Path, tmp_path: Path) -> None:
    """Which of two words comes first is nothing that their distance could tell."""
    words = [f"{first} tea" for first in "abcdefgh"]
    pairs = [(one, other) for one in words for other in words if one != other]
    texts, others = map(list, zip(*pairs, strict=True))
    labels = ["rises" if one < other else "falls" for one, other in pairs]
    settings = ClassifierSettings(kind="pair", tune="full", epochs=2, rate=1e-3)
    encoder = TextEncoder.load(str(small_bert))
    task = TextClassifier.fit(texts, labels, encoder, settings, entities=others)
    assert task.template == TOGETHER
    task.save(tmp_path / "task")
    found = TextClassifier.load(tmp_path / "task").predict(texts, others)
    np.testing.assert_allclose(found.chances, task.predict(texts, others).chances, atol=1e-4)
    turned = task.predict(others, texts).chances
    assert np.abs(found.chances - turned).max() > 1e-4


def test_a_pair_needs_both_texts(encoder: TextEncoder) -> None:
    with pytest.raises(
        RequestError, match=r"'pair' needs another text for each: in `entities` or, .* --other names"
    ):
        TextClassifier.fit(["a", "b"] * 2, ["x", "y"] * 2, encoder, ClassifierSettings(kind="pair"))


def test_from_a_table_to_answers(tmp_path: Path) -> None:
    rows = [{"text": a, "answer": b, "label": each} for (a, b), each in zip(PAIRS, LABELS, strict=True)]
    table, task, run = tmp_path / "pairs.csv", str(tmp_path / "task"), CliRunner().invoke
    pl.DataFrame(rows).write_csv(table)
    given = ["--data", str(table), "--other", "answer"]
    done = run(app, ["train", *given, "--kind", "pair", "--out", task])
    assert done.exit_code == 0, done.output
    assert f"2 labels from {len(PAIRS)} texts" in done.output
    done = run(app, ["evaluate", task, *given, "--out", str(tmp_path / "measured")])
    assert json.loads((tmp_path / "measured" / "metrics.json").read_text())["accuracy"] > 0.9
    line = json.dumps({"text": NEW[0][0], "answer": NEW[0][1]})
    done = run(app, ["predict", task, "--other", "answer"], input=line)
    assert json.loads(done.stdout)["labels"][0]["label"] == "same"
