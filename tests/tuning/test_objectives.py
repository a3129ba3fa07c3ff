"""Losses: by hand, and falling."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from trainings import SHORT, Listener, domain, shop, tuned_by

from tailrank.data.candidates import Candidates
from tailrank.data.histories import Histories
from tailrank.language.encoder import TextEncoder
from tailrank.signals.appendable import VectorTable
from tailrank.signals.semantic import SemanticAttention
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.examples import Batch, BehaviourExamples
from tailrank.tuning.finetuning import finetune
from tailrank.tuning.objectives import Objective

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.mark.parametrize("loss", ["distillation", "next-item", "pairs", "bce", "simcse"])
def test_each_falls(small_bert: Path, loss: str) -> None:
    listener = Listener()
    encoder = TextEncoder.load(str(small_bert), "cpu")
    config = FineTuningConfig(
        **{**SHORT, "method": "full", "loss": loss, "steps": 60, "every": 60, "batch": 16}
    )
    config = replace(config, dropout=0.1 if loss == "simcse" else 0.0, rate=1e-3)
    finetune([domain(encoder)], encoder, config, trackers=[listener])
    assert np.mean(listener.losses[-10:]) < np.mean(listener.losses[:10])


def test_softmax_by_hand() -> None:
    vectors = functional.normalize(torch.randn(4, 5, generator=torch.manual_seed(1)), dim=1)
    excluded = np.array([[1, 1, 0, 0], [0, 1, 1, 1]], bool)
    frequencies = np.log([1.0, 2.0, 3.0, 4.0]).astype(np.float32)
    batch = Batch(
        np.arange(4, dtype=np.int32), np.array([[-1, 0], [2, 1]]), np.array([1, 3]), excluded, frequencies
    )
    config = FineTuningConfig(
        loss="next-item", temperature=0.5, debias=0.7, recency_decay=0.4, inverse_temperature=2.0
    )
    found = Objective(config)(vectors, batch).item()
    v, total = vectors.numpy().astype(float), 0.0
    for history, target, candidates in (((0,), 1, (1, 2, 3)), ((1, 2), 3, (0, 3))):  # the latest first
        logits = []
        for c in candidates:
            attention = np.array(
                [np.exp(2.0 * v[j] @ v[c] - 0.4 * np.log1p(age)) for age, j in enumerate(history)]
            )
            score = (attention / attention.sum()) @ np.array([v[j] @ v[c] for j in history])
            logits.append(score / 0.5 - 0.7 * frequencies[c])
        total += np.log(np.exp(logits).sum()) - logits[candidates.index(target)]
    assert found == pytest.approx(total / 2, rel=1e-5)


def test_cross_entropy_by_hand() -> None:
    vectors = functional.normalize(torch.randn(4, 5, generator=torch.manual_seed(1)), dim=1)
    batch = Batch(
        np.arange(4, dtype=np.int32),
        np.array([[0], [2]]),
        np.array([1, 3]),
        np.array([[1, 1, 0, 0], [0, 0, 1, 1]], bool),
        np.zeros(4, np.float32),
    )
    objective = Objective(FineTuningConfig(loss="bce"))
    slope, constant = objective.theta.tolist()
    p = 1 / (1 + np.exp(-(slope * vectors.numpy() @ vectors.numpy().T + constant)))
    by_context = [
        -np.log(p[0, 1]) - np.log(1 - p[0, [2, 3]]).mean(),
        -np.log(p[2, 3]) - np.log(1 - p[2, :2]).mean(),
    ]
    assert objective(vectors, batch).item() == pytest.approx(np.mean(by_context), rel=1e-4)


@pytest.mark.parametrize("inverse_temperature", [0.0, 2.0])
def test_histories_are_read_as_by_the_signal(inverse_temperature: float) -> None:
    """Training pools a history as `SemanticAttention` does when it ranks."""
    config = FineTuningConfig(inverse_temperature=inverse_temperature, recency_decay=0.7)
    vectors = functional.normalize(torch.randn(9, 5, generator=torch.manual_seed(1)), dim=1)
    items = np.array([3, 1, 4, 1, 5, 2, 6], np.int32)
    lengths = np.array([4, 1, 2])
    offsets = np.append(0, lengths.cumsum())
    histories = Histories(items, np.zeros(7, np.int32), np.zeros(7), offsets)
    table = VectorTable.from_array(vectors.numpy())
    signal = SemanticAttention(table, np.zeros(1, np.float32), inverse_temperature, config.recency_decay)
    padded = np.full((3, 4), -1)
    padded[histories.owners, 3 - histories.ages] = items
    found = Objective(config).scores(vectors, torch.from_numpy(padded))
    expected = signal.score(histories, Candidates.everything(9))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_two_losses_blend(small_bert: Path) -> None:
    data = shop()
    batch = BehaviourExamples(data, np.ones(data.n_items, bool), FineTuningConfig(**SHORT)).draw(
        np.random.default_rng(0)
    )
    random = torch.manual_seed(1)
    teacher, vectors = (
        functional.normalize(torch.randn(n, 5, generator=random), dim=1)
        for n in (data.n_items, len(batch.items))
    )
    one, other, both = (
        Objective(FineTuningConfig(**SHORT, **loss), wanted)(vectors, batch).item()
        for loss, wanted in (
            ({"loss": "distillation"}, teacher),
            ({"loss": "next-item"}, None),
            ({"loss": "distillation", "blend": 0.25}, teacher),
        )
    )
    assert one == pytest.approx(1 - (vectors * teacher[batch.items]).sum(dim=1).mean().item(), rel=1e-5)
    assert both == pytest.approx(0.75 * one + 0.25 * other, rel=1e-5)
    tuned, _ = tuned_by(small_bert, blend=0.5, steps=200, every=50, hidden=256, batch=16)
    assert tuned.validation_score > tuned.validation_steps[0]["data"]["all"] + 0.2
