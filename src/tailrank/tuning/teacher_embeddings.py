"""What behaviour says of items: vectors that are free to move from where their texts put them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor, nn
from torch.nn import functional

from tailrank.arrays import Bools, Floats
from tailrank.data.dataset import Dataset
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.examples import Behaviour
from tailrank.tuning.objectives import Objective

BATCH: Final = 256
"""Events a step."""

PASSES: Final = 20
"""Over the events, where that is neither fewer steps than `FEWEST` nor more than `MOST`."""

FEWEST: Final = 400
MOST: Final = 4_000
LOOKS: Final = 16
WARM: Final = 50
PATIENCE: Final = 3
REACH: Final = 1.2
"""How far a number could move if its rate stayed at its height: more steps are smaller ones."""

DECAY: Final = 0.01


def fit_teacher_embeddings(
    start: Floats,
    dataset: Dataset,
    told: Bools,
    recipe: FineTuningConfig,
    judge: Callable[[Floats], float],
    since: float | None,
    progress: Progress | None = None,
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
    progress
        Where a bar is shown.

    Returns
    -------
    Tensor
        Unit vectors of the best look, shape (items, dimensions).
    """
    asked = replace(recipe, loss="next-item", batch=BATCH)
    examples, objective = Behaviour(dataset, told, asked, since), Objective(asked)
    base = torch.from_numpy(start)
    moved = nn.Parameter(torch.zeros_like(base))
    steps = min(max(PASSES * examples.size // BATCH, FEWEST), MOST)
    rate = REACH / steps
    optimiser = torch.optim.AdamW([moved], rate, weight_decay=DECAY)
    best, found, behind = judge(start), base, 0
    bar = None if progress is None else progress.add_task("item vectors", total=steps)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * min((step + 1) / WARM, 1 - step / steps)
        batch = examples.draw(np.random.default_rng([recipe.seed, step]))
        items = torch.from_numpy(batch.items).long()
        loss = objective(functional.normalize(base[items] + moved[items], dim=1), batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if progress is not None and bar is not None:
            progress.update(bar, completed=step + 1, description=f"item vectors, ndcg@10 {best:.4f}")
        if (step + 1) % (steps // LOOKS) == 0:
            with torch.no_grad():
                vectors = functional.normalize(base + moved, dim=1)
            worth = judge(vectors.numpy())
            best, found, behind = (worth, vectors, 0) if worth > best else (best, found, behind + 1)
            if behind == PATIENCE:
                break
    if progress is not None and bar is not None:
        progress.update(bar, total=step + 1)
    return found
