"""What behaviour says of items: vectors that are free to move away from their texts."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tailrank.arrays import Floats
from tailrank.reporting import Progress, silent
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.examples import Examples
from tailrank.tuning.objectives import Objective
from tailrank.tuning.validator import Validator, validation_score

BATCH: Final = 256
"""Events a step."""

EPOCHS: Final = 20
"""Passes over the events, within `FEWEST` and `MOST` steps."""

FEWEST: Final = 400
MOST: Final = 4_000
VALIDATION_STEPS: Final = 16
WARM_UP: Final = 50
PATIENCE: Final = 3
REACH: Final = 1.2
"""How far a number could move if its rate stayed at its peak: more steps are smaller ones."""

WEIGHT_DECAY: Final = 0.01


def fit_teacher_embeddings(
    start: Floats,
    examples: Examples,
    config: FineTuningConfig,
    validator: Validator,
    progress: Progress = silent,
) -> Tensor:
    """Move item vectors by next items, as long as they rank validation better.

    An encoder that learns these vectors needs no gradient through a history, and sees each text as often as
    any other. With few steps, an item moves only as far as its own events push it.

    Parameters
    ----------
    start
        Unit vectors, shape (items, dimensions).
    examples
        Histories and their next items.
    config
        Attention, temperature, debiasing and seed of the softmax.
    validator
        Of the same data.
    progress
        Is told of every step.

    Returns
    -------
    Tensor
        Unit vectors of the best validation step, shape (items, dimensions).
    """
    objective, base = Objective(config), torch.from_numpy(start)
    change = nn.Parameter(torch.zeros_like(base))
    steps = min(max(EPOCHS * len(examples) // BATCH, FEWEST), MOST)
    rate = REACH / steps
    optimiser = torch.optim.AdamW([change], rate, weight_decay=WEIGHT_DECAY)
    best, best_vectors, without_gain, step = validation_score(validator(start)), base, 0, 0
    while step < steps and without_gain < PATIENCE:
        for group in optimiser.param_groups:
            group["lr"] = rate * min((step + 1) / WARM_UP, 1 - step / steps)
        batch = examples.draw(np.random.default_rng([config.seed, step]))
        items = torch.from_numpy(batch.items).long()
        loss = objective(functional.normalize(base[items] + change[items], dim=1), batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
        progress("teacher embeddings", step, steps, f"ndcg@10 {best:.4f}")
        if step % (steps // VALIDATION_STEPS) == 0:
            with torch.no_grad():
                vectors = functional.normalize(base + change, dim=1)
            found, without_gain = validation_score(validator(vectors.numpy())), without_gain + 1
            if found > best:
                best, best_vectors, without_gain = found, vectors, 0
    progress("teacher embeddings", step, step, f"ndcg@10 {best:.4f}")
    return best_vectors
