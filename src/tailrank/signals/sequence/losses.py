"""Losses of the sequence model. Only real positions enter; no tensor of batch x length x items exists."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from tailrank.signals.sequence.config import SequenceLoss

LookUp: TypeAlias = Callable[[Tensor | None], Tensor]
"""From item codes of any shape to their vectors, with d as the last axis; None looks all items up."""

Criterion: TypeAlias = Callable[[Tensor, LookUp, Tensor], Tensor]
"""From hidden vectors (rows, d), a look-up of items and targets (rows,) to a mean loss."""

CHUNK: Final = 256
"""Rows whose logits are computed at once."""

CELLS: Final = 1 << 24
"""Chances of rows times items that are in memory at once, if that is more than a chunk's."""

SMALLEST: Final = 1e-30
"""A chance whose logarithm is still a number."""

SAMPLED: Final = 4096
GBCE_NEGATIVES: Final = 256
CALIBRATION: Final = 0.75


def criterion(loss: SequenceLoss, counts: Tensor, half: torch.dtype) -> Criterion:
    """Choose a loss.

    Parameters
    ----------
    loss
        `softmax`: cross-entropy over the whole catalogue. `sampled-softmax`: over 4,096 items drawn by
        popularity ** 0.75, corrected by their odds (logQ). `gbce`: 256 uniform negatives shared by the
        batch, the positive calibrated with t = 0.75 (gSASRec; Petrov and Macdonald, RecSys 2023).
        `bce`: one uniform negative a position (SASRec; Kang and McAuley, ICDM 2018).
    counts
        Interactions of each item, shape (items,).
    half
        Type of the large products, such as bfloat16.
    """
    if loss == "softmax":
        return lambda hidden, items, targets: _Softmax.apply(hidden, items(None), targets, half)  # type: ignore[no-untyped-call]
    if loss == "sampled-softmax":
        return _sampled_softmax((counts + 1) ** 0.75, half)
    return partial(_gbce if loss == "gbce" else _bce, n_items=len(counts))


class _Softmax(torch.autograd.Function):
    """Cross-entropy whose gradient is computed together with it, some rows at a time."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, table: Tensor, targets: Tensor, half: torch.dtype) -> Tensor:
        rows, items = hidden.detach().to(half), table.detach().to(half)
        across, n = items.T.contiguous(), len(rows)
        rows_gradient, across_gradient = torch.empty_like(hidden), torch.zeros_like(across, dtype=table.dtype)
        loss = hidden.new_zeros(())
        block = max(CHUNK, CELLS // len(items))
        for start in range(0, n, block):
            some, wanted = rows[start : start + block], targets[start : start + block]
            slope = some.new_empty(len(some), len(items))
            for at in range(0, len(some), CHUNK):  # as many logits as a cache holds
                torch.softmax(some[at : at + CHUNK] @ across, dim=1, out=slope[at : at + CHUNK])
            cells = torch.arange(len(some), device=some.device) * len(items) + wanted
            hit = slope.take(cells)
            loss -= hit.float().clamp(min=SMALLEST).log().sum()
            slope.put_(cells, hit - 1)  # scatter_ would copy all of it
            rows_gradient[start : start + block] = slope @ items
            # Products of a turned matrix are slow if that is the larger one.
            across_gradient += (some.T.contiguous() @ slope).to(table.dtype)
        ctx.save_for_backward(rows_gradient.div_(n), across_gradient.T.contiguous().div_(n))
        return loss / n

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, Tensor, None, None]:
        rows, items = ctx.saved_tensors
        return rows * slopes[0], items * slopes[0], None, None


def _sampled_softmax(mass: Tensor, half: torch.dtype) -> Criterion:
    """Estimate the softmax from a sample (Bengio and Senecal, 2008, section 3)."""
    odds = mass / mass.sum()

    def loss(hidden: Tensor, items: LookUp, targets: Tensor) -> Tensor:
        drawn = torch.multinomial(odds, SAMPLED, replacement=True)
        wanted, others = _look_up(items, targets, drawn)
        logits = (hidden.to(half) @ others.to(half).T).float() - (SAMPLED * odds[drawn]).log()
        logits = logits.masked_fill(drawn == targets[:, None], -torch.inf)
        hit = (hidden * wanted).sum(dim=1, keepdim=True)
        return functional.cross_entropy(torch.cat([hit, logits], dim=1), torch.zeros_like(targets))

    return loss


def _gbce(hidden: Tensor, items: LookUp, targets: Tensor, n_items: int) -> Tensor:
    n = min(GBCE_NEGATIVES, n_items - 1)
    drawn = torch.randint(n_items, (n,), device=targets.device)
    wanted, others = _look_up(items, targets, drawn)
    alpha = n / (n_items - 1)
    beta = alpha * (CALIBRATION * (1 - 1 / alpha) + 1 / alpha)
    hit = (hidden * wanted).sum(dim=1)
    missed = (hidden @ others.T).masked_fill(drawn == targets[:, None], -torch.inf)
    return (functional.softplus(missed).sum(dim=1) + beta * functional.softplus(-hit)).mean()


def _bce(hidden: Tensor, items: LookUp, targets: Tensor, n_items: int) -> Tensor:
    drawn = torch.randint(n_items, targets.shape, device=targets.device)
    hit, missed = ((hidden * vectors).sum(dim=1) for vectors in _look_up(items, targets, drawn))
    return (functional.softplus(missed) + functional.softplus(-hit)).mean()


def _look_up(items: LookUp, *codes: Tensor) -> tuple[Tensor, ...]:
    """Look several lists of codes up at once: each look-up costs a gradient as large as the catalogue."""
    return torch.split(items(torch.cat(codes)), [len(each) for each in codes])
