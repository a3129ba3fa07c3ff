"""Losses over the vectors of a batch's items: one softmax or one sigmoid, whatever draws the batch.

`pairs` and `next-item` compare the target of an item, or of an attention-pooled history, with all items of
the batch (as van den Oord et al. 2018, equation 4), corrected for frequent items being drawn more often
(logQ; Yi et al., RecSys 2019, equation 3). `bce` is the binary cross-entropy of each of them. `simcse` is the
softmax on texts alone. `distillation` learns teacher embeddings; `blend` adds the softmax of `next-item`.
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
    config
        Loss, temperature, debiasing and attention.
    teacher
        For `distillation`: the vectors to learn, shape (all items, dimensions).
    """

    def __init__(self, config: FineTuningConfig, teacher: Tensor | None = None) -> None:
        super().__init__()
        self.teacher, self.config = teacher, config
        if config.loss == "bce":
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
            return self._ranking(vectors, batch)
        wanted = self.teacher[torch.from_numpy(batch.items).long()].to(vectors.device)
        distilled, blend = (1 - (vectors * wanted).sum(dim=1)).mean(), self.config.blend
        return (1 - blend) * distilled + blend * self._ranking(vectors, batch) if blend else distilled

    def _ranking(self, vectors: Tensor, batch: Batch) -> Tensor:
        """Compare each target with the batch's other items."""
        device = vectors.device
        contexts, targets = (torch.from_numpy(rows).to(device) for rows in (batch.contexts, batch.targets))
        scores = self.scores(vectors, contexts)
        target = functional.one_hot(targets, len(vectors)).bool()
        excluded = torch.from_numpy(batch.excluded).to(device) & ~target
        if self.config.loss == "bce":
            return self._cross_entropy(scores, target, ~(target | excluded))
        frequencies = torch.from_numpy(batch.frequencies).to(device)
        logits = scores / self.config.temperature - self.config.debias * frequencies
        return functional.cross_entropy(logits.masked_fill(excluded, -torch.inf), targets)

    def scores(self, vectors: Tensor, contexts: Tensor) -> Tensor:
        """Score each item for each context as `SemanticAttention` does, with a gradient; shape (batch, n)."""
        age = torch.arange(contexts.shape[1] - 1, -1, -1, device=vectors.device)
        prior = (-self.config.recency_decay * torch.log1p(age.float())).masked_fill(contexts < 0, -torch.inf)
        events = vectors.index_select(0, contexts.clamp(min=0).flatten()).view(*contexts.shape, -1)
        if not self.config.inverse_temperature:  # no weight depends on the item: a context is one vector
            pooled: Tensor = (prior.softmax(dim=1)[:, :, None] * events).sum(dim=1)
            return pooled @ vectors.T
        similarity = events @ vectors.T  # (batch, context, n)
        attention = (self.config.inverse_temperature * similarity + prior[:, :, None]).softmax(dim=1)
        scores: Tensor = (attention * similarity).sum(dim=1)
        return scores

    def _cross_entropy(self, scores: Tensor, target: Tensor, negatives: Tensor) -> Tensor:
        """Compute the loss of p = sigmoid(theta . (score, 1)): targets and negatives weigh the same."""
        logits = self.theta[0] * scores + self.theta[1]
        positive, negative = functional.softplus(-logits[target]), functional.softplus(logits)
        share = (negative * negatives).sum(dim=1) / negatives.sum(dim=1).clamp(min=1)
        return positive.mean() + share.mean()
