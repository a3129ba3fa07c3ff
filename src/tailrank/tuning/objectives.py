"""Losses over the vectors of a batch's items: whatever draws the batch, one softmax or one sigmoid.

`pairs` and `next-item` compare an item, or an attention-pooled past, with all items of the batch (as van
den Oord et al. 2018, equation 4), corrected for frequent items being drawn more often (logQ; Yi et al.,
RecSys 2019, equation 3). `bce` asks of each of them whether it was taken. `simcse` is the softmax on texts
alone. `distillation` asks for the vectors that a teacher found for the items; `blend` adds the softmax of
`next-item` to it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.examples import Batch


class Objective(nn.Module):
    """Loss of one batch, given the vectors of its items.

    Parameters
    ----------
    recipe
        Loss, temperature, debiasing and attention.
    teacher
        For `distillation`: the vectors to learn, shape (all items, dimensions).
    """

    def __init__(self, recipe: FineTuningConfig, teacher: Tensor | None = None) -> None:
        super().__init__()
        self.teacher = teacher
        self.recipe = recipe
        self.pointwise = recipe.loss == "bce"
        if self.pointwise:
            self.theta = nn.Parameter(torch.tensor([10.0, -3.0]))

    def forward(self, vectors: Tensor, batch: Batch) -> Tensor:
        """Compute the mean loss.

        Parameters
        ----------
        vectors
            Unit vectors, shape (n, dimensions).
        batch
            Of n items.
        """
        if self.teacher is None:
            return self._ranked(vectors, batch)
        wanted = self.teacher[torch.from_numpy(batch.items).long()].to(vectors.device)
        distilled, blend = (1 - (vectors * wanted).sum(dim=1)).mean(), self.recipe.blend
        return (1 - blend) * distilled + blend * self._ranked(vectors, batch) if blend else distilled

    def _ranked(self, vectors: Tensor, batch: Batch) -> Tensor:
        """Compare what came next with the batch's other items."""
        device = vectors.device
        contexts, targets = (torch.from_numpy(rows).to(device) for rows in (batch.contexts, batch.targets))
        scores = self.scores(vectors, contexts)
        own = functional.one_hot(targets, len(vectors)).bool()
        hidden = torch.from_numpy(batch.taken).to(device) & ~own
        if self.pointwise:
            return self._sigmoid(scores, own, ~(own | hidden))
        frequencies = torch.from_numpy(batch.frequencies).to(device)
        logits = scores / self.recipe.temperature - self.recipe.debias * frequencies
        return functional.cross_entropy(logits.masked_fill(hidden, -torch.inf), targets)

    def scores(self, vectors: Tensor, contexts: Tensor) -> Tensor:
        """Score each item for each past by soft-MaxSim attention; shape (batch, n)."""
        age = torch.arange(contexts.shape[1] - 1, -1, -1, device=vectors.device)
        prior = (-self.recipe.recency_decay * torch.log1p(age.float())).masked_fill(contexts < 0, -torch.inf)
        past = vectors.index_select(0, contexts.clamp(min=0).flatten()).view(*contexts.shape, -1)
        if (
            not self.recipe.inverse_temperature
        ):  # then no weight depends on the item, and a past is one vector
            pooled: Tensor = (prior.softmax(dim=1)[:, :, None] * past).sum(dim=1)
            return pooled @ vectors.T
        similarity = past @ vectors.T  # (batch, context, n)
        attention = (self.recipe.inverse_temperature * similarity + prior[:, :, None]).softmax(dim=1)
        scores: Tensor = (attention * similarity).sum(dim=1)
        return scores

    def _sigmoid(self, scores: Tensor, own: Tensor, others: Tensor) -> Tensor:
        """Ask p = sigmoid(theta . (score, 1)) of the taken item and, together as much, of those not taken."""
        logits = self.theta[0] * scores + self.theta[1]
        taken, left = functional.softplus(-logits[own]), functional.softplus(logits)
        return taken.mean() + ((left * others).sum(dim=1) / others.sum(dim=1).clamp(min=1)).mean()
