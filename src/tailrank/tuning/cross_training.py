"""Teaching a cross-encoder from behaviour: which items go together, told from both their texts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tailrank import checkpoint as checkpoints
from tailrank.reporting import Progress, silent
from tailrank.tuning.cross_encoder import CrossEncoder
from tailrank.tuning.pairs import ChosenPairs

STEPS: Final = 2_000
GROUPS: Final = 16
"""Pairs that were chosen, each beside its others, a step."""

EVERY: Final = 25
"""Steps between two validations, at each of which a checkpoint is written."""

VALIDATED: Final = 128
"""Pairs of held-out items that validate."""

RATE, HEAD_RATE = 5e-5, 3e-3
WARM_UP: Final = 10
PATIENCE: Final = 6
"""Validations without a better one, after which training ends."""


class CrossTraining:
    """A training of a cross-encoder, which can be written down and gone on with.

    Parameters
    ----------
    model
        Is changed.
    pairs
        What users chose.
    seed
        Of batches, of what is compared, and of dropout.
    """

    def __init__(self, model: CrossEncoder, pairs: ChosenPairs, seed: int) -> None:
        self.model, self.pairs, self.seed, self.steps = model, pairs, seed, 0
        head = [model.sides, *model.head.parameters()]
        groups = [
            {"params": list(model.upper.parameters()), "peak": RATE},
            {"params": head, "peak": HEAD_RATE},
        ]
        self.optimiser = torch.optim.AdamW(groups, RATE, weight_decay=0.01)
        rng = np.random.default_rng([seed, 1])
        held = rng.permutation(np.flatnonzero(pairs.validates))[:VALIDATED]
        self.validation = pairs.groups(held, rng)
        self.learned_from = np.flatnonzero(~pairs.validates)
        self.scores: list[float] = []
        self.best: dict[str, Tensor] = {}
        self.ended = False

    def run(
        self,
        seconds: float,
        progress: Progress = silent,
        save: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take steps until time or patience is up, or validation is at its best.

        Parameters
        ----------
        seconds
            Budget.
        progress
            Is told of every step.
        save
            Is called after each validation.
        clock
            Tells the time in seconds.
        """
        started = clock()
        if not self.scores:
            self.validate()
            save()
        while self.goes_on and clock() - started < seconds:
            loss = self.step()
            note = f"loss {loss:.3f}, validation {max(self.scores):.4f}"
            progress("training the teacher", self.steps, STEPS, note)
            if self.steps % EVERY == 0:
                self.validate()
                save()
        progress("training the teacher", self.steps, self.steps)

    def finish(self) -> None:
        """Give the model the weights that ranked held-out items best."""
        self.model.load_state_dict(self.best)

    @property
    def goes_on(self) -> bool:
        """Whether steps and patience are left."""
        return (
            not self.ended
            and self.steps < STEPS
            and len(self.scores) - int(np.argmax(self.scores)) <= PATIENCE
        )

    def validate(self) -> None:
        """Rank the chosen item of each held-out pair among its others: the mean ndcg."""
        anchors, others = self.validation
        scores = self.model.score(np.repeat(anchors, others.shape[1]), others.ravel()).reshape(others.shape)
        chosen, rest = scores[:, :1], scores[:, 1:]
        above = (rest > chosen).sum(axis=1) + (rest == chosen).sum(axis=1) / 2
        self.scores.append(float((1 / np.log2(2 + above)).mean()))
        if self.scores[-1] == max(self.scores) and self.scores.index(self.scores[-1]) == len(self.scores) - 1:
            self.best = {name: weights.clone() for name, weights in self.model.state_dict().items()}

    def step(self) -> float:
        """Raise the share of what was chosen in a softmax over it and its others; returns the loss."""
        rng = np.random.default_rng([self.seed, 2, self.steps])
        torch.manual_seed(int(rng.integers(2**31)))
        anchors, others = self.pairs.groups(rng.choice(self.learned_from, GROUPS), rng)
        scores = self.model.train()(np.repeat(anchors, others.shape[1]), others.ravel()).view(others.shape)
        loss = functional.cross_entropy(
            scores, torch.zeros(len(anchors), dtype=torch.long, device=scores.device)
        )
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * min((self.steps + 1) / WARM_UP, 1)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.steps += 1
        return loss.item()

    def save(self, file: Path, name: str) -> None:
        """Write a checkpoint; see `tailrank.checkpoint.write`."""
        parts = {"now": self.model.state_dict(), "best": self.best}
        tensors = {
            f"{part}/{key}": value.contiguous() for part, held in parts.items() for key, value in held.items()
        }
        for at, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{at}/{key}": value for key, value in state.items()}
        checkpoints.write(
            file, name, tensors, {"steps": self.steps, "scores": self.scores, "ended": self.ended}
        )

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Go on from what `tailrank.checkpoint.read` gave."""
        self.steps, self.scores, self.ended = values["steps"], values["scores"], values["ended"]
        parts: dict[str, dict[str, Tensor]] = {"now": {}, "best": {}}
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            part, _, key = name.partition("/")
            if part == "optimiser":
                at, _, key = key.partition("/")
                state.setdefault(int(at), {})[key] = tensor
            else:
                parts[part][key] = tensor
        self.model.load_state_dict(parts["now"])
        self.best = parts["best"]
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": state})
