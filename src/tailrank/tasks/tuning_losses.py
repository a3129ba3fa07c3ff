"""Losses of tuning on labels."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

TEMPERATURE: Final = 0.1
"""Of similarities in the contrastive loss, as in Khosla et al."""


def label_loss(log_odds: Tensor, truth: Tensor, exclusive: bool) -> Tensor:
    """Average the negative log-likelihood of labels per text.

    Parameters
    ----------
    log_odds, truth
        Shape (n, labels); which text has which label.
    exclusive
        Whether each has one.
    """
    if exclusive:
        return functional.cross_entropy(log_odds, truth.int().argmax(dim=1))
    return functional.binary_cross_entropy_with_logits(log_odds, truth.float()) * truth.shape[1]


def contrastive_loss(vectors: Tensor, truth: Tensor) -> Tensor:
    """Pull texts that share a label together, and others apart.

    The supervised contrastive loss of Khosla et al. (NeurIPS 2020, eq. 2).

    Parameters
    ----------
    vectors
        Unit vectors, shape (n, d).
    truth
        Which text has which label, shape (n, labels).
    """
    itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    same = ((truth.float() @ truth.float().T) > 0) & ~itself
    similar = (vectors @ vectors.T / TEMPERATURE).masked_fill(itself, -torch.inf)
    log_share = (similar - similar.logsumexp(dim=1, keepdim=True)).masked_fill(itself, 0)
    counts = same.sum(dim=1)
    each = -(log_share * same).sum(dim=1) / counts.clamp(min=1)
    return each.sum() / (counts > 0).sum().clamp(min=1)
