"""Losses of the sequence model. Only real positions enter; no tensor of batch x length x items exists.

The two softmaxes compute their gradients with the loss, so that logits are visited as rarely as can be.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tailrank.arrays import Floats
from tailrank.data.dataset import Dataset
from tailrank.metrics.propensity import PopularityPropensity
from tailrank.signals.sequence.config import SequenceLoss

Loss: TypeAlias = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
"""From hidden vectors (rows, d), those of the targets (rows, d) and of drawn items (n, d), the codes of
targets (rows,) and drawn items (n,), and the targets' weights (rows,) to a weighted mean loss."""

CHUNK: Final = 256
"""Rows whose logits are computed at once."""

CELLS: Final = 1 << 24
"""Chances of rows times items that are in memory at once, if that is more than a chunk's."""

SMALLEST: Final = 1e-30
"""A chance whose logarithm is still a number."""

SAMPLED: Final = 4096
GBCE_NEGATIVES: Final = 256
CALIBRATION: Final = 0.75


class Sampled(NamedTuple):
    """A loss that compares targets with drawn items.

    Attributes
    ----------
    draw
        From how many targets there are to the codes of items, shape (n,).
    loss
        What it compares them by.
    """

    draw: Callable[[int], Tensor]
    loss: Loss


def sampled(loss: SequenceLoss, counts: Tensor, half: torch.dtype) -> Sampled | None:
    """Choose a loss; None for `softmax`, which compares a target with all items.

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
    n_items, device = len(counts), counts.device
    if loss == "softmax":
        return None
    if loss == "sampled-softmax":
        mass = (counts + 1) ** 0.75
        odds = mass / mass.sum()
        log_odds = (SAMPLED * odds).log()
        return Sampled(
            lambda _: torch.multinomial(odds, SAMPLED, replacement=True),
            lambda *given: _SampledSoftmax.apply(*given, log_odds, half),  # type: ignore[no-untyped-call]
        )
    n = min(GBCE_NEGATIVES, n_items - 1)
    if loss == "gbce":
        return Sampled(lambda _: torch.randint(n_items, (n,), device=device), partial(_gbce, n_items=n_items))
    return Sampled(lambda rows: torch.randint(n_items, (rows,), device=device), _bce)


def target_weights(dataset: Dataset, power: float) -> Floats:
    """Give what each item counts as a target, 1 on average over all events; shape (items,)."""
    items, weights = dataset.histories.items, np.ones(dataset.n_items, np.float32)
    weights[items] = PopularityPropensity.from_counts(dataset.counts, power).weights(items)
    return weights


def softmax(hidden: Tensor, table: Tensor, targets: Tensor, weights: Tensor, half: torch.dtype) -> Tensor:
    """Cross-entropy over all items, whose vectors have shape (items, d), with a weight for each target."""
    return _Softmax.apply(hidden, table, targets, weights, half)  # type: ignore[no-untyped-call, no-any-return]


class _Softmax(torch.autograd.Function):
    """Cross-entropy whose gradient is computed together with it, some rows at a time."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, table: Tensor, targets: Tensor, weights: Tensor, half: torch.dtype
    ) -> Tensor:
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
            weight = weights[start : start + block]
            loss -= (hit.float().clamp(min=SMALLEST).log() * weight).sum()
            slope.put_(cells, hit - 1)  # scatter_ would copy all of it
            # What weights multiply is as wide as a vector: slopes are as wide as the catalogue.
            rows_gradient[start : start + block] = (slope @ items) * weight[:, None]
            # Products of a turned matrix are slow if that is the larger one.
            across_gradient += ((some * weight[:, None]).to(half).T.contiguous() @ slope).to(table.dtype)
        ctx.save_for_backward(rows_gradient.div_(n), across_gradient.T.contiguous().div_(n))
        return loss / n

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        rows, items = ctx.saved_tensors
        return rows * slopes[0], items * slopes[0], None, None, None


class _SampledSoftmax(torch.autograd.Function):
    """An estimate of the softmax from a sample (Bengio and Senecal, 2008, section 3), with its gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        wanted: Tensor,
        others: Tensor,
        targets: Tensor,
        drawn: Tensor,
        weights: Tensor,
        log_odds: Tensor,
        half: torch.dtype,
    ) -> Tensor:
        rows, items, corrections = hidden.detach().to(half), others.detach().to(half), log_odds[drawn]
        across, hit = items.T.contiguous(), (hidden * wanted).sum(dim=1, keepdim=True)
        slope, hit_slope = rows.new_empty(len(rows), len(items)), torch.empty_like(hit)
        loss, weight = hidden.new_zeros(()), weights[:, None]
        for start in range(0, len(rows), CHUNK):
            at = slice(start, start + CHUNK)
            logits = (rows[at] @ across).float().sub_(corrections)
            logits.masked_fill_(drawn == targets[at, None], -torch.inf)
            total = torch.logaddexp(logits.logsumexp(dim=1, keepdim=True), hit[at])
            slope[at] = logits.sub_(total).exp_()
            hit_slope[at] = (hit[at] - total).exp() - 1
            loss += ((total - hit[at]) * weight[at]).sum()
        n = len(rows)
        ctx.save_for_backward(
            (slope @ items).to(hidden.dtype).addcmul_(hit_slope, wanted).mul_(weight).div_(n),
            (hit_slope * weight / n) * hidden,
            (slope.T @ (rows * weight).to(half)).to(others.dtype).div_(n),
        )
        return loss / n

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        return *(gradient * slopes[0] for gradient in ctx.saved_tensors), *[None] * 5


def _gbce(
    hidden: Tensor,
    wanted: Tensor,
    others: Tensor,
    targets: Tensor,
    drawn: Tensor,
    weights: Tensor,
    n_items: int,
) -> Tensor:
    alpha = len(drawn) / (n_items - 1)
    beta = alpha * (CALIBRATION * (1 - 1 / alpha) + 1 / alpha)
    hit = (hidden * wanted).sum(dim=1)
    missed = (hidden @ others.T).masked_fill(drawn == targets[:, None], -torch.inf)
    return ((functional.softplus(missed).sum(dim=1) + beta * functional.softplus(-hit)) * weights).mean()


def _bce(
    hidden: Tensor, wanted: Tensor, others: Tensor, targets: Tensor, drawn: Tensor, weights: Tensor
) -> Tensor:
    hit, missed = ((hidden * vectors).sum(dim=1) for vectors in (wanted, others))
    return ((functional.softplus(missed) + functional.softplus(-hit)) * weights).mean()
