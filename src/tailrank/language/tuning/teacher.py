"""What behaviour says of items: vectors that are free to move from where their texts put them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tailrank.arrays import Bools, Floats
from tailrank.data.dataset import Dataset
from tailrank.language.tuning.examples import Behaviour
from tailrank.language.tuning.objectives import Objective
from tailrank.language.tuning.recipe import Recipe

BATCH: Final = 512
STEPS: Final = 400
EVERY: Final = 25
PATIENCE: Final = 3
RATE: Final = 3e-3
DECAY: Final = 0.01


def teach(
    start: Floats,
    dataset: Dataset,
    told: Bools,
    recipe: Recipe,
    judge: Callable[[Floats], float],
    since: float | None,
) -> Tensor:
    """Move item vectors by what people took next, as long as they rank validation better.

    An encoder that learns these vectors needs no gradient through a history, and sees each text as often as
    any other. With few steps, an item moves only as far as its own events push it.

    Parameters
    ----------
    start
        Unit vectors, shape (items, dimensions).
    dataset, told, since
        As for `Behaviour`.
    recipe
        Context, attention, temperature, debiasing and seed of the softmax.
    judge
        What vectors are worth.

    Returns
    -------
    Tensor
        Unit vectors of the best look, shape (items, dimensions).
    """
    asked = replace(recipe, loss="next-item", batch=BATCH)
    examples, objective = Behaviour(dataset, told, asked, since), Objective(asked)
    base = torch.from_numpy(start)
    moved = nn.Parameter(torch.zeros_like(base))
    optimiser = torch.optim.AdamW([moved], RATE, weight_decay=DECAY)
    best, found, behind = judge(start), base, 0
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min((step + 1) / EVERY, 1 - step / STEPS)
        batch = examples.draw(np.random.default_rng([recipe.seed, step]))
        items = torch.from_numpy(batch.items).long()
        loss = objective(functional.normalize(base[items] + moved[items], dim=1), batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if (step + 1) % EVERY == 0:
            with torch.no_grad():
                vectors = functional.normalize(base + moved, dim=1)
            worth = judge(vectors.numpy())
            best, found, behind = (worth, vectors, 0) if worth > best else (best, found, behind + 1)
            if behind == PATIENCE:
                break
    return found
