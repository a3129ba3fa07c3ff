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
from tailrank.errors import ModelError, RequestError
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

    Raises
    ------
    RequestError
        If `adversarial` is set for several processes.
    """

    def __init__(self, encoder: TrainableEncoder, objective: Objective) -> None:
        self.encoder, self.objective, self.config = encoder, objective, encoder.config
        if self.config.adversarial and encoder.processes.size > 1:
            raise RequestError("adversarial training runs in one process: leave torchrun or adversarial out")
        model, head = encoder.parameters()
        self.encoded_by = [*model, *head]
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
        self.encoder.processes.add_gradients(self.encoded_by)
        norm = float(torch.nn.utils.clip_grad_norm_(self.weights, c.clip))
        if not np.isfinite([norm, *losses]).all():
            rates = f"{c.rate:g} and {c.head_rate:g}"
            raise ModelError(f"fine-tuning diverged at step {self.steps + 1}: choose rates below {rates}")
        self.optimiser.step()
        self.steps += 1
        self.seconds += time.perf_counter() - started
        return {"loss": float(np.mean(losses)), "gradient norm": norm, "rate": c.rate * share}

    def _backward(self, batch: Batch, number: int) -> float:
        """Add the gradient of one batch, encoded at once or, if memory is short, in two passes.

        Each process encodes its share, computes the loss of the whole batch, and takes its share back.
        """
        parts, encoder = self.encoder.processes.own(self.encoder.parts(batch.items)), self.encoder
        cached = sum(len(rows) for _, rows in parts) > self.config.memory
        with torch.set_grad_enabled(not cached):
            encoded = [self._encode(batch.items[rows], number, at) for at, rows in parts]
        vectors = torch.zeros(len(batch.items), encoder.dimensions, device=encoder.model.device)
        for (_, rows), found in zip(parts, encoded, strict=True):
            vectors[torch.from_numpy(rows).long()] = found.detach()
        encoder.processes.add_up(vectors)
        vectors.requires_grad_(True)
        loss: Tensor = self.objective(vectors, batch) / self.config.accumulation
        loss.backward()  # type: ignore[no-untyped-call]
        assert vectors.grad is not None  # noqa: S101 - every vector is in the loss
        for (at, rows), found in zip(parts, encoded, strict=True):
            again = self._encode(batch.items[rows], number, at) if cached else found
            again.backward(vectors.grad[torch.from_numpy(rows).long()])  # type: ignore[no-untyped-call]
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
