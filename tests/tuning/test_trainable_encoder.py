"""Which weights learn, and what a head starts as."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trainings import METHODS, SHORT, WORDS, domain, tuned_by

from tailrank.errors import TailrankError
from tailrank.language.encoder import TextEncoder
from tailrank.language.whitening import Whitening
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.finetuning import finetune
from tailrank.tuning.trainable_encoder import TrainableEncoder

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.mark.parametrize("method", METHODS)
def test_only_what_should_learn_does(small_bert: Path, method: str) -> None:
    tuned, _ = tuned_by(small_bert, method=method)
    learned = {id(weights) for part in tuned.encoder.parameters() for weights in part}
    with tuned.encoder.full_model() as model:
        names = {name for name, value in model.named_parameters() if id(value) in learned}
    layers = {name for name in names if "encoder.layer" in name and "lora_" not in name}
    whole = {name.split("encoder.layer.")[1][0] for name in layers}
    assert whole == ({"0", "1"} if method in ("full", "last-layers") else set())
    assert any("word_embeddings" in name for name in names) == (method == "full")
    assert any("lora_" in name for name in names) == (method == "lora")
    assert any("prompt_encoder" in name for name in names) == (method == "prompt")
    assert any("linear" in name for name in names)


def test_the_upper_layers_alone(small_bert: Path) -> None:
    tuned, _ = tuned_by(small_bert, method="last-layers", layers=1)
    names = {name for name, v in tuned.encoder.model.named_parameters() if v.requires_grad}
    assert names
    assert not any("layer.1" in name for name in names)  # one layer is left in the model, as layer 0
    with tuned.encoder.full_model() as model:
        transformer: Any = model[0].model
        assert len(transformer.encoder.layer) == 2


@pytest.mark.parametrize("hidden", [0, 16])
def test_the_head_starts_as_a_whitening(small_bert: Path, hidden: int) -> None:
    encoder = TextEncoder.load(str(small_bert), "cpu")
    vectors, config = encoder.encode(WORDS), FineTuningConfig(hidden=hidden, power=0.2)
    white = Whitening.fit(vectors, power=0.2).transform(vectors)
    whitened = TrainableEncoder(encoder, WORDS, vectors, config)
    np.testing.assert_allclose(whitened.vectors(whitened.head_inputs()), white, atol=1e-4)


def test_a_model_without_layers(tiny: TextEncoder) -> None:
    with pytest.raises(TailrankError):
        finetune([domain(tiny)], tiny, FineTuningConfig(**SHORT, method="last-layers"))
