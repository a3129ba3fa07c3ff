"""Classifiers of texts: what they learn, how sure they are, and the folder that they are."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from tailrank.errors import ModelError, RequestError
from tailrank.files import sha256_of
from tailrank.language.encoder import TextEncoder
from tailrank.tasks.classifier import TextClassifier
from tailrank.tasks.linear_head import LinearHead
from tailrank.tasks.settings import ClassifierSettings

SAID = {
    "card": ["my card is lost", "the card was stolen", "I can't find my bank card", "card gone missing"],
    "fee": ["what does a transfer cost", "how high is the fee", "why was I charged", "is there a charge"],
    "pin": ["I forgot my PIN", "how do I change the PIN", "PIN is blocked", "wrong PIN entered thrice"],
}
TEXTS = [text for texts in SAID.values() for text in texts]
LABELS = [label for label, texts in SAID.items() for _ in texts]


@pytest.fixture(scope="module")
def classifier(encoder: TextEncoder) -> TextClassifier:
    return TextClassifier.fit(TEXTS, LABELS, encoder)


def test_a_classifier_knows_the_label_of_a_text_that_it_has_not_seen(classifier: TextClassifier) -> None:
    found = classifier.predict(["somebody took my card", "do you charge for that", "new PIN please"])
    assert [label for label, _ in found.best()] == ["card", "fee", "pin"]
    assert found.labels == ("card", "fee", "pin")
    np.testing.assert_allclose(found.chances.sum(axis=1), 1, rtol=1e-5)


def test_a_head_is_scikit_learns_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    for labels in (2, 3):
        vectors = rng.normal(size=(60, 4)).astype(np.float32)
        classes = rng.integers(labels, size=60)
        head = LinearHead.fit(vectors, np.eye(labels, dtype=bool)[classes], True, 1.0)
        oracle = LogisticRegression(C=1.0, max_iter=1000).fit(vectors, classes)
        np.testing.assert_allclose(head.chances(vectors), oracle.predict_proba(vectors), atol=1e-3)


def test_calibration_finds_the_temperature_that_chances_were_drawn_with() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(20_000, 3)).astype(np.float32)
    head = LinearHead(np.eye(3, dtype=np.float32) * 4, np.zeros(3, np.float32), True)
    chances = LinearHead(head.weights, head.bias, True, 2.0).chances(vectors)
    drawn = (rng.random((len(vectors), 1)) > chances.cumsum(axis=1)).sum(axis=1).clip(max=2)
    found = head.calibrated(vectors, np.eye(3, dtype=bool)[drawn])
    assert found.temperature == pytest.approx(2, rel=0.05)
    assert found.loss(vectors, np.eye(3, dtype=bool)[drawn]) == pytest.approx(
        log_loss(drawn, found.chances(vectors)), rel=1e-4
    )


def test_a_text_may_have_several_labels_or_none(encoder: TextEncoder) -> None:
    both = [f"{one}, and {other}" for one, other in zip(SAID["card"], SAID["fee"], strict=True)]
    labels = [*([label] for label in LABELS), *(["card", "fee"] for _ in both), [], []]
    texts = [*TEXTS, *both, "the weather is nice", "hello there"]
    settings = ClassifierSettings(kind="several")
    found = TextClassifier.fit(texts, labels, encoder, settings).predict(texts)
    assert found.above()[0] == ("card",)
    assert found.above()[len(TEXTS)] == ("card", "fee")


def test_what_an_entity_gets_depends_on_where_it_stands(encoder: TextEncoder) -> None:
    names = ["Acme", "Bolt", "Crane", "Delta", "Echo", "Foxtrot"]
    pairs = [(one, other) for one in names for other in names if one != other]
    texts = [f"{one} wins the contract from {other}" for one, other in pairs for _ in "ab"]
    entities = [each for pair in pairs for each in pair]
    settings = ClassifierSettings(kind="entity")
    fitted = TextClassifier.fit(texts, ["up", "down"] * len(pairs), encoder, settings, entities=entities)
    found = fitted.predict(["Golf wins the contract from Hotel"] * 2, ["Golf", "Hotel"])
    assert [label for label, _ in found.best()] == ["up", "down"]
    with pytest.raises(RequestError, match="needs an entity"):
        fitted.predict(["Golf wins"])


def test_a_folder_holds_a_task(classifier: TextClassifier, tmp_path: Path) -> None:
    folder = tmp_path / "task"
    classifier.save(folder)
    loaded = TextClassifier.load(folder)
    assert (loaded.labels, loaded.kind.name, loaded.about) == (classifier.labels, "one", classifier.about)
    np.testing.assert_array_equal(loaded.predict(TEXTS).chances, classifier.predict(TEXTS).chances)
    files = {"manifest.json", "head.safetensors", "words.safetensors"}
    assert {file.name for file in folder.iterdir()} == files


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "tailrank task 9"}, "format"),
        ({"kind": "unheard"}, "unheard"),
        ({"labels": ["card", "fee"]}, "2 labels"),
        ({"labels": ["card", "fee", "fee"]}, "repeated"),
        ({"temperature": 0}, "temperature"),
        ({"colour": 1}, "colour"),
        ({"encoder": {"name": "default", "sha256": "0" * 64, "template": "{text}"}}, "other weights"),
        ({"encoder": {"name": "default", "sha256": "0" * 64, "template": "{x.y}"}}, "template"),
    ],
)
def test_a_folder_that_was_changed_is_refused(
    classifier: TextClassifier, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    classifier.save(tmp_path / "task")
    manifest = tmp_path / "task" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | change))
    with pytest.raises(ModelError, match=message):
        TextClassifier.load(tmp_path / "task")


def test_arrays_that_were_changed_are_refused(classifier: TextClassifier, tmp_path: Path) -> None:
    classifier.save(tmp_path / "task")
    file, manifest = tmp_path / "task" / "head.safetensors", tmp_path / "task" / "manifest.json"
    arrays = load_file(file)
    save_file(arrays | {"bias": arrays["bias"] * np.float32(np.nan)}, file)
    with pytest.raises(ModelError, match="not as it was written"):
        TextClassifier.load(tmp_path / "task")
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"arrays": sha256_of(file)}))
    with pytest.raises(ModelError, match="finite"):
        TextClassifier.load(tmp_path / "task")


def test_a_folder_of_something_else_is_not_replaced(classifier: TextClassifier, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ModelError, match="is no task"):
        classifier.save(tmp_path)
    with pytest.raises(ModelError, match="no task can be read"):
        TextClassifier.load(tmp_path)


@pytest.mark.parametrize(
    ("texts", "labels", "kind", "message"),
    [
        (["a", "b"], ["x"], "one", "2 texts and 1 labels"),
        (["a", "b"], ["x", "x"], "one", "only 'x': give texts of at least 2 labels"),
        (["a", "b", "c"], ["x", "x", "y"], "one", "'y' has 1 text"),
        (["a", "b"], [["x"], ["x", "y"]], "one", "row 2 has 2 labels"),
        (["a", "b"], ["x", "y"], "many", "did you mean|there are"),
        (["a", "b"], [["x"], ["x"]], "several", "all but 0 texts"),
    ],
)
def test_mistakes_are_named(
    tiny: TextEncoder, texts: list[str], labels: list[str], kind: str, message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        TextClassifier.fit(texts, labels, tiny, ClassifierSettings(kind=kind))
