"""Steps of the optimiser: from batches to gradients to weights."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
import torch
from torch import Tensor

from tailrank.arrays import Codes
from tailrank.errors import ModelError
from tailrank.tuning.domains import Mixture
from tailrank.tuning.examples import Batch
from tailrank.tuning.objectives import Objective
from tailrank.tuning.trainable_encoder import TrainableEncoder

WARM_UP: Final = 0.1
LAST: Final = 0.02
"""Share of the steps in which the learning rate rises, and share of its peak that it ends at."""


class Trainer:
    """Trains an encoder; every step draws its randomness from the seed and its own number.

    Parameters
    ----------
    encoder
        Whose weights learn, by the rates of its config.
    objective
        The loss; its own weights learn as the head's.
    """

    def __init__(self, encoder: TrainableEncoder, objective: Objective) -> None:
        self.encoder, self.objective, self.config = encoder, objective, encoder.config
        model, head = encoder.parameters()
        head = [*head, *objective.parameters()]
        self.weights = [*model, *head]
        c = self.config
        groups = [
            {"params": model, "peak": c.rate, "weight_decay": c.weight_decay},
            {"params": head, "peak": c.head_rate, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW([group for group in groups if group["params"]], lr=c.rate)
        self.steps, self.seconds = 0, 0.0

    def step(self, mixture: Mixture) -> dict[str, float]:
        """Take one step of the optimiser."""
        started, c = time.perf_counter(), self.config
        done = (self.steps + 1) / c.steps
        share = min(done / WARM_UP, max((1 - done) / (1 - WARM_UP), LAST))
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * share
        self.optimiser.zero_grad()
        embeddings = self.encoder.embeddings if c.adversarial else None
        if embeddings is not None:
            embeddings.grad = None
        losses = []
        self.encoder.model.train()
        for part in range(c.accumulation):
            batch = mixture.draw(np.random.default_rng([c.seed, self.steps, part]))
            losses.append(self._backward(batch, part))
            if embeddings is not None:
                with _moved(embeddings, c.adversarial):
                    self._backward(batch, part)
        norm = float(torch.nn.utils.clip_grad_norm_(self.weights, c.clip))
        if not np.isfinite([norm, *losses]).all():
            rates = f"{c.rate:g} and {c.head_rate:g}"
            raise ModelError(f"fine-tuning diverged at step {self.steps + 1}: choose rates below {rates}")
        self.optimiser.step()
        self.steps += 1
        self.seconds += time.perf_counter() - started
        return {"loss": float(np.mean(losses)), "gradient norm": norm, "rate": c.rate * share}

    def _backward(self, batch: Batch, number: int) -> float:
        """Add the gradient of one batch, encoded at once or, if memory is short, in two passes."""
        parts = self.encoder.parts(batch.items)
        back = torch.from_numpy(np.argsort(np.concatenate(parts)))
        cached = len(batch.items) > self.config.memory
        with torch.set_grad_enabled(not cached):
            encoded = [self._encode(batch.items[rows], number, at) for at, rows in enumerate(parts)]
        vectors = torch.cat(encoded)
        if cached:
            vectors.requires_grad_(True)
        loss: Tensor = self.objective(vectors[back.to(vectors.device)], batch) / self.config.accumulation
        loss.backward()  # type: ignore[no-untyped-call]
        if cached:
            assert vectors.grad is not None  # noqa: S101 - every vector is in the loss
            gradients = torch.split(vectors.grad, [len(rows) for rows in parts])
            for at, (rows, gradient) in enumerate(zip(parts, gradients, strict=True)):
                self._encode(batch.items[rows], number, at).backward(gradient)  # type: ignore[no-untyped-call]
        return float(loss.detach()) * self.config.accumulation

    def _encode(self, items: Codes, number: int, part: int) -> Tensor:
        """Encode a part under its own dropout, the same whenever it is encoded in a step."""
        torch.manual_seed(hash((self.config.seed, self.steps, number, part)) & (2**63 - 1))
        return self.encoder.encode(items)

    def load(self, values: Sequence[Tensor]) -> None:
        """Set the weights."""
        with torch.no_grad():
            for weights, value in zip(self.weights, values, strict=True):
                weights.copy_(value)

    def tensors(self) -> dict[str, Tensor]:
        """Give all that the next step depends on, but for its number."""
        parts = {f"weights/{at}": value.detach() for at, value in enumerate(self.weights)}
        for at, state in self.optimiser.state_dict()["state"].items():
            parts |= {f"optimiser/{at}/{name}": value for name, value in state.items()}
        return parts

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `tensors` gave."""
        self.load([tensors[f"weights/{at}"] for at in range(len(self.weights))])
        states: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimiser/"):
                _, at, field = name.split("/")
                states.setdefault(int(at), {})[field] = value
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": states})


@contextmanager
def _moved(embeddings: Tensor, length: float) -> Iterator[None]:
    """Move the word embeddings up their gradient for a while."""
    assert embeddings.grad is not None  # noqa: S101 - a batch went through them
    before = embeddings.detach().clone()
    embeddings.data += length * embeddings.grad / embeddings.grad.norm().clamp(min=1e-12)
    try:
        yield
    finally:
        embeddings.data = before
