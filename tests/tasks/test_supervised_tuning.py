"""Tuning an encoder on labels: what it learns, that it stays what it is, and that it is kept."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from encoder_graphs import write_graph
from tailrank.errors import EncoderError, ModelError
from tailrank.language.encoder import TextEncoder
from tailrank.server.encoding import Encoders
from tailrank.tasks.classifier import LabelledTexts, TextClassifier
from tailrank.tasks.linear_head import LinearHead
from tailrank.tasks.settings import ClassifierSettings
from tailrank.tasks.supervised_tuning import Labelled, TaskToTune, tune
from tailrank.tasks.task_folder import save_together
from tailrank.tasks.tuning_losses import TEMPERATURE, contrastive_loss

PLACES = ("Rome", "Oslo", "Bern", "Lima", "Kyiv", "Baku", "Doha", "Riga")
TEXTS = [
    text for place in PLACES for text in (f"tickets to {place}", f"weather in {place}", f"eat in {place}")
]
LABELS = ["travel", "weather", "food"] * len(PLACES)


@pytest.fixture(scope="module")
def small(small_bert: Path) -> TextEncoder:
    return TextEncoder.load(str(small_bert), device="cpu")


@pytest.mark.parametrize("what", ["full", "lora"])
def test_a_tuned_encoder_learns_and_belongs_to_the_task(
    small: TextEncoder, what: str, tmp_path: Path
) -> None:
    before = small.encode(TEXTS)
    settings = ClassifierSettings(tune=what, epochs=6, batch=8, rate=2e-3, contrast=0.5, refit=what == "lora")  # type: ignore[arg-type]
    fitted = TextClassifier.fit(TEXTS, LABELS, small, settings)
    np.testing.assert_array_equal(small.encode(TEXTS), before)
    assert fitted.tuned
    assert fitted.encoder.sha256 != small.sha256
    assert [label for label, _ in fitted.predict(TEXTS).best()] == LABELS
    fitted.save(tmp_path / "task")
    expected = fitted.predict(TEXTS).chances
    again = TextClassifier.load(tmp_path / "task")
    np.testing.assert_allclose(again.predict(TEXTS).chances, expected, atol=1e-5)
    again.save(tmp_path / "copy")
    copied = TextClassifier.load(tmp_path / "copy")
    np.testing.assert_allclose(copied.predict(TEXTS).chances, expected, atol=1e-5)


def test_tasks_that_are_tuned_together_share_an_encoder(
    small: TextEncoder, tmp_path: Path, own_cache: Path
) -> None:
    places = [place for place in PLACES for _ in range(3)]
    both = [[label, place] for label, place in zip(LABELS, places, strict=True)]
    given = [LabelledTexts(TEXTS, LABELS), LabelledTexts(TEXTS, both, "several")]
    settings = ClassifierSettings(tune="full", epochs=8, batch=8, rate=2e-3, refit=True)
    what, several = TextClassifier.fit_together(given, small, settings)
    assert what.encoder is several.encoder
    assert what.encoder.sha256 != small.sha256
    assert [label for label, _ in what.predict(TEXTS).best()] == LABELS
    assert several.measure(several.predict(TEXTS), both)["micro-f1"] > 0.9
    save_together(tmp_path / "both", {"what": what, "several": several})
    save_together(tmp_path / "both", {"what": what, "several": several})
    assert [file.parent.name for file in (tmp_path / "both").rglob("*.safetensors")].count("encoder") == 1
    write_graph(str(tmp_path / "both" / "encoder"))
    encoders = Encoders()
    for name, fitted in {"what": what, "several": several}.items():
        again = TextClassifier.load(tmp_path / "both" / name, encoders.load_named)
        assert again.encoder is encoders.load_named(str(tmp_path / "both" / "encoder"))
        np.testing.assert_allclose(again.predict(TEXTS).chances, fitted.predict(TEXTS).chances, atol=1e-3)
    encoders.close()
    (tmp_path / "both" / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match="exists and is no folder of tasks tuned together: it holds encoder"):
        save_together(tmp_path / "both", {"what": what, "several": several})
    with pytest.raises(ModelError, match="what, plain weren't tuned together"):
        save_together(tmp_path / "new", {"what": what, "plain": TextClassifier.fit(TEXTS, LABELS, small)})


def test_the_same_seed_gives_the_same_weights(small: TextEncoder) -> None:
    settings = ClassifierSettings(tune="full", epochs=1, batch=8, rate=1e-3)
    one, other = (TextClassifier.fit(TEXTS, LABELS, small, settings) for _ in "ab")
    assert one.encoder.sha256 == other.encoder.sha256
    np.testing.assert_array_equal(one.head.vector.weights, other.head.vector.weights)


def test_tuning_that_does_not_help_is_undone(small: TextEncoder) -> None:
    settings = ClassifierSettings(tune="full", epochs=2, patience=1, batch=8, rate=1.0)
    fitted = TextClassifier.fit(TEXTS, LABELS, small, settings)
    assert fitted.about["epochs"] == 0
    np.testing.assert_allclose(fitted.encoder.encode(TEXTS), small.encode(TEXTS), atol=1e-6)


def test_which_side_an_encoder_pads_on_does_not_matter(small_bert: Path) -> None:
    texts, truth = [*TEXTS, "and on " * 60], np.eye(3, dtype=bool)[[0, 1, 2] * len(PLACES) + [0]]
    settings = ClassifierSettings(tune="full", epochs=1, batch=4, rate=1e-3)
    found = []
    for side in ("left", "right"):
        encoder = TextEncoder.load(str(small_bert), device="cpu")
        encoder.model.tokenizer.padding_side = side
        head = LinearHead(np.zeros((3, encoder.dimension), np.float32), np.zeros(3, np.float32), True)
        tuned = tune(encoder, [TaskToTune(head, Labelled(texts, truth))], settings).encoder
        assert tuned.model.tokenizer.padding_side == side
        found.append(tuned.sha256)
    assert found[0] == found[1]


def test_the_contrastive_loss_is_that_of_the_paper() -> None:
    torch.manual_seed(0)
    vectors = functional.normalize(torch.randn(6, 4), dim=1)
    classes = [0, 0, 0, 1, 1, 2]
    losses = []
    for i in range(5):  # the last has no other text of its label
        cosines = {a: float(vectors[i] @ vectors[a]) / TEMPERATURE for a in range(6) if a != i}
        below = np.log(sum(np.exp(each) for each in cosines.values()))
        same = [a for a in cosines if classes[a] == classes[i]]
        losses.append(-np.mean([cosines[a] - below for a in same]))
    found = contrastive_loss(vectors, torch.eye(3, dtype=torch.bool)[classes])
    assert float(found) == pytest.approx(np.mean(losses), rel=1e-5)


def test_only_a_transformer_has_layers_to_tune(tiny: TextEncoder) -> None:
    with pytest.raises(EncoderError, match="not a transformer"):
        TextClassifier.fit(TEXTS, LABELS, tiny, ClassifierSettings(tune="full"))
