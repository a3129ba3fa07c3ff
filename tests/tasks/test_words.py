"""Words beside the vector: what they are, when they count, and how a folder keeps them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC
from tools.fixtures import Letters

from tailrank.arrays import Floats
from tailrank.errors import ModelError
from tailrank.files import sha256_of
from tailrank.language.encoder import TextEncoder
from tailrank.tasks.classifier import TextClassifier
from tailrank.tasks.linear_head import LinearHead
from tailrank.tasks.settings import ClassifierSettings
from tailrank.tasks.text_head import TextHead
from tailrank.tasks.words import WordHead

FOOD, DRINK = (
    ["I can eat it", "can I eat", "eat  it fine"] * 4,
    ["I can tea it", "can I tea", "tea  it fine"] * 4,
)
TEXTS, LABELS = [*FOOD, *DRINK], ["food"] * len(FOOD) + ["drink"] * len(DRINK)


@pytest.fixture(scope="module")
def classifier() -> TextClassifier:
    """Learns by an encoder that takes words of the same letters for the same."""
    return TextClassifier.fit(TEXTS, LABELS, cast("TextEncoder", Letters()))


def load(folder: Path) -> TextClassifier:
    return TextClassifier.load(folder, lambda _: Letters())


def test_words_are_those_of_scikit_learn() -> None:
    texts = [
        "My card is LOST, my card!",
        "a fee?",
        "it's é 2nd\tfee",
        "das ist naïve",
        "卡丢了 card",
        "no fee at all",
    ]
    truth = np.array([[1, 0], [0, 1], [0, 1], [0, 0], [1, 0], [0, 1]], bool)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    for label, margins in enumerate(WordHead.fit(texts, truth).log_odds(texts).T):
        oracle = make_pipeline(make_union(words, letters), LinearSVC(random_state=0))
        expected = oracle.fit(texts, truth[:, label]).decision_function(texts)
        np.testing.assert_allclose(margins, expected, atol=2e-3)


def test_words_tell_apart_what_an_encoder_takes_for_the_same(classifier: TextClassifier) -> None:
    assert classifier.about["words"] > 0
    found = classifier.predict(["what can I eat", "what can I tea"])
    assert [label for label, _ in found.best()] == ["food", "drink"]
    several = ClassifierSettings(kind="several")
    lists = [[label] for label in LABELS]
    encoder = cast("TextEncoder", Letters())
    said = TextClassifier.fit([*TEXTS, "ice", "ten"], [*lists, [], []], encoder, several).predict(TEXTS)
    assert said.above() == [(label,) for label in LABELS]


def test_words_that_say_the_contrary_are_left_out() -> None:
    vectors: Floats = np.repeat(np.eye(2, dtype=np.float32), 12, axis=0)
    truth = vectors > 0
    head = TextHead(LinearHead.fit(vectors, truth, True, 1.0).calibrated(vectors, truth))
    assert head.with_words(WordHead.fit(TEXTS, ~truth), vectors, TEXTS, truth) is head
    both = head.with_words(WordHead.fit(TEXTS, truth), vectors, TEXTS, truth)
    right = both.chances(vectors, TEXTS)[truth]
    assert (right > head.chances(vectors, TEXTS)[truth]).all()


def test_a_folder_keeps_words_and_names_none(classifier: TextClassifier, tmp_path: Path) -> None:
    classifier.save(tmp_path / "task")
    asked = [*TEXTS, "", "\ud800", "naïve 卡", "x" * 10_000]
    np.testing.assert_array_equal(
        load(tmp_path / "task").predict(asked).chances, classifier.predict(asked).chances
    )
    assert all(b"fine" not in file.read_bytes() for file in (tmp_path / "task").iterdir())


@pytest.mark.parametrize("change", ["nothing", "nan", "labels", "gone", "share"])
def test_words_that_were_changed_are_refused(classifier: TextClassifier, tmp_path: Path, change: str) -> None:
    classifier.save(tmp_path / "task")
    file, manifest = tmp_path / "task" / "words.safetensors", tmp_path / "task" / "manifest.json"
    arrays, told = load_file(file), json.loads(manifest.read_text())
    if change == "nothing":
        file.write_bytes(file.read_bytes()[:-1] + b"\1")
    elif change == "gone":
        file.unlink()
    elif change == "share":
        told["words"]["share"] = 0
    else:
        odd = arrays["weights"][:, :1] if change == "labels" else arrays["weights"] * np.float16(np.nan)
        save_file(arrays | {"weights": np.ascontiguousarray(odd)}, file)
        told["words"]["arrays"] = sha256_of(file)
    manifest.write_text(json.dumps(told))
    with pytest.raises(ModelError, match="no task can be read"):
        load(tmp_path / "task")
