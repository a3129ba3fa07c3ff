"""Steps of the optimiser: batches to gradients to weights."""

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
"""Share of the steps in which the rate rises, and share of its height that it ends at."""


class Trainer:
    """What learns, and how far it is. Every step draws its randomness from the seed and its own number.

    Parameters
    ----------
    learner
        Whose weights move, by the rates of its recipe.
    objective
        What they descend; its own weights move as the head's.
    """

    def __init__(self, learner: TrainableEncoder, objective: Objective) -> None:
        self.learner, self.objective, self.recipe = learner, objective, learner.recipe
        model, head = learner.parameters()
        head = [*head, *objective.parameters()]
        self.weights = [*model, *head]
        r = self.recipe
        groups = [
            {"params": model, "height": r.rate, "weight_decay": r.weight_decay},
            {"params": head, "height": r.head_rate, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW([group for group in groups if group["params"]], lr=r.rate)
        self.steps, self.seconds = 0, 0.0

    def step(self, mixture: Mixture) -> dict[str, float]:
        """Take one step of the optimiser."""
        started, r = time.perf_counter(), self.recipe
        done = (self.steps + 1) / r.steps
        share = min(done / WARM_UP, max((1 - done) / (1 - WARM_UP), LAST))
        for group in self.optimiser.param_groups:
            group["lr"] = group["height"] * share
        self.optimiser.zero_grad()
        words = self.learner.embeddings if r.adversarial else None
        if words is not None:
            words.grad = None
        losses = []
        self.learner.model.train()
        for part in range(r.accumulation):
            rng = np.random.default_rng([r.seed, self.steps, part])
            batch = mixture.draw(rng)
            losses.append(self._learn(batch, part))
            if words is not None:
                with _moved(words, r.adversarial):
                    self._learn(batch, part)
        norm = float(torch.nn.utils.clip_grad_norm_(self.weights, r.clip))
        if not np.isfinite([norm, *losses]).all():
            rates = f"{r.rate:g} and {r.head_rate:g}"
            raise ModelError(f"fine-tuning diverged at step {self.steps + 1}: take rates below {rates}")
        self.optimiser.step()
        self.steps += 1
        self.seconds += time.perf_counter() - started
        return {"loss": float(np.mean(losses)), "gradient norm": norm, "rate": r.rate * share}

    def _learn(self, batch: Batch, number: int) -> float:
        """Add the gradient of one batch, encoded at once or, where memory is short, in two passes."""
        parts = self.learner.parts(batch.items)
        back = torch.from_numpy(np.argsort(np.concatenate(parts)))
        cached = len(batch.items) > self.recipe.memory
        with torch.set_grad_enabled(not cached):
            encoded = [self._encode(batch.items[rows], number, at) for at, rows in enumerate(parts)]
        vectors = torch.cat(encoded)
        if cached:
            vectors.requires_grad_(True)
        loss: Tensor = self.objective(vectors[back.to(vectors.device)], batch) / self.recipe.accumulation
        loss.backward()  # type: ignore[no-untyped-call]
        if cached:
            assert vectors.grad is not None  # noqa: S101 - every vector is compared with
            slopes = torch.split(vectors.grad, [len(rows) for rows in parts])
            for at, (rows, slope) in enumerate(zip(parts, slopes, strict=True)):
                self._encode(batch.items[rows], number, at).backward(slope)  # type: ignore[no-untyped-call]
        return float(loss.detach()) * self.recipe.accumulation

    def _encode(self, items: Codes, number: int, part: int) -> Tensor:
        """Encode a part under its own dropout, the same whenever it is encoded in a step."""
        torch.manual_seed(hash((self.recipe.seed, self.steps, number, part)) & (2**63 - 1))
        return self.learner.encode(items)

    def copy(self) -> list[Tensor]:
        """Copy the weights as they are."""
        return [weights.detach().clone() for weights in self.weights]

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
        """Take back what `tensors` gave."""
        self.load([tensors[f"weights/{at}"] for at in range(len(self.weights))])
        states: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimiser/"):
                _, at, field = name.split("/")
                states.setdefault(int(at), {})[field] = value
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": states})


@contextmanager
def _moved(words: Tensor, length: float) -> Iterator[None]:
    """Move the word embeddings up their gradient for a while."""
    assert words.grad is not None  # noqa: S101 - a batch went through them
    before = words.detach().clone()
    words.data += length * words.grad / words.grad.norm().clamp(min=1e-12)
    try:
        yield
    finally:
        words.data = before
