"""The last map of a head in closed form: ridge regression on teacher embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
from scipy.linalg import solve
from torch import Tensor

from tailrank.arrays import Doubles, Offsets
from tailrank.tuning.trainable_encoder import ROWS, TrainableEncoder

PENALTIES: Final = (1.0, 1e-1, 1e-2, 1e-3)
"""Shares of the mean square of a hidden unit."""


@torch.no_grad()
def closed_form_heads(
    encoder: TrainableEncoder, inputs: Tensor, teacher: Tensor, weights: Doubles
) -> Iterator[Tensor]:
    """Find last maps that give the teacher's vectors, one for each penalty, the strongest first.

    The head's hidden units h read random directions, so they are features of a kernel (Rahimi and Recht,
    NIPS 2007; Cho and Saul, NIPS 2009). The last map W learns a change D of least squares: the sum over items
    of w |t - (W h + D h) / |W h||^2, and the penalty times |D|^2.

    Parameters
    ----------
    encoder
        With a head.
    inputs
        `TrainableEncoder.head_inputs`, shape (items, width).
    teacher
        Unit vectors t to learn, shape (items, dimensions).
    weights
        How much each item counts, w, shape (items,); 0 leaves one out.

    Yields
    ------
    Tensor
        W + D, shape (dimensions, hidden units).
    """
    counted = np.flatnonzero(weights)
    last = encoder.head[-1].linear
    start = last.weight.detach().clone()
    size = start.shape[1]

    def equations(rows: Offsets) -> tuple[Tensor, Tensor]:
        units = encoder.hidden_units(inputs[rows])
        given = last(units)
        length = given.norm(dim=1, keepdim=True).clamp(min=1e-12)
        root = torch.from_numpy(np.sqrt(weights[rows])).to(units)[:, None]
        return root * units / length, root * (teacher[rows].to(units) - given / length)

    parts = map(equations, np.array_split(counted, -(-len(counted) // ROWS)))
    few = len(counted) < size
    if few:  # then D is a mixture of the rows that are read, and there are fewer equations (dual form)
        features, residuals = map(torch.cat, zip(*parts, strict=True))
        products, right = features @ features.T, residuals
    else:
        products, right = start.new_zeros(size, size), start.new_zeros(size, len(start))
        for features, residuals in parts:
            products.addmm_(features.T, features)
            right.addmm_(features.T, residuals)
    mean = max(products.trace().item() / size, 1e-12)  # equal texts have nothing to tell them apart
    for penalty in PENALTIES:
        found = _ridge(products, right, penalty * mean).to(start)
        yield start + (features.T @ found if few else found).T


def _ridge(products: Tensor, right: Tensor, penalty: float) -> Tensor:
    """Solve the normal equations, in twice the precision and, as they are symmetric, without another copy."""
    left, wanted = products.double().cpu().numpy().T, right.double().cpu().numpy()
    left.flat[:: len(left) + 1] += penalty
    return torch.from_numpy(solve(left, wanted, assume_a="pos", overwrite_a=True, overwrite_b=True))
