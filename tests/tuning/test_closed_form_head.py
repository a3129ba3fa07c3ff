"""The closed form of a head's last map."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch.nn import functional
from trainings import WORDS

from tailrank.language.encoder import TextEncoder
from tailrank.tuning.closed_form_head import PENALTIES, closed_form_heads
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.trainable_encoder import TrainableEncoder


@pytest.mark.parametrize("texts", [WORDS, [f"{a} {b}" for a in WORDS for b in WORDS]])
def test_the_last_map_is_ridge_regression(small_bert: Path, texts: list[str]) -> None:
    encoder, rng = TextEncoder.load(str(small_bert), "cpu"), np.random.default_rng(0)
    tuned = TrainableEncoder(encoder, texts, encoder.encode(texts), FineTuningConfig(hidden=64))
    inputs, weights = tuned.head_inputs(), rng.integers(0, 4, len(texts)).astype(float)
    teacher = functional.normalize(torch.from_numpy(rng.normal(size=(len(texts), 32))), dim=1).float()
    last, units = tuned.head[-1].linear, tuned.hidden_units(inputs)
    given = last(units).detach().numpy()
    length = np.linalg.norm(given, axis=1, keepdims=True)
    read, before = units.detach().numpy() / length, last.weight.detach().numpy().copy()
    mean = np.average(read**2, axis=0, weights=weights).mean() * weights.sum()
    for penalty, found in zip(PENALTIES, closed_form_heads(tuned, inputs, teacher, weights), strict=True):
        oracle = Ridge(alpha=penalty * mean, fit_intercept=False, solver="svd")
        oracle.fit(read, teacher.numpy() - given / length, sample_weight=weights)
        np.testing.assert_allclose(found.numpy() - before, oracle.coef_, rtol=1e-2, atol=1e-3)
