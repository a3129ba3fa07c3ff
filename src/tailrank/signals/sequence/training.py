"""Training the sequence model: early stopping on validation, checkpoints, exact resumption."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Final

import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor

from tailrank.arrays import Floats
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Queries
from tailrank.errors import ModelError
from tailrank.language.encoder import has_bfloat16
from tailrank.signals.protocol import Candidates
from tailrank.signals.sequence.losses import SequenceLoss, criterion
from tailrank.signals.sequence.model import SequenceModel
from tailrank.signals.sequence.network import Network, Shape
from tailrank.signals.sequence.windows import Batch, Windows

WARM_UP: Final = 100
"""Steps in which the learning rate rises to its full height; it then falls linearly to a twentieth."""

CLIP: Final = 5.0
CHECKED: Final = 4_000
"""Validation queries that decide when to stop, at most."""

KEPT: Final = ("key", "step", "loss", "ndcg", "seconds", "best")
"""What a checkpoint holds beside the network and the optimiser."""

MANY_ITEMS: Final = 50_000
"""Catalogue size from which on the softmax is sampled, unless the recipe says otherwise."""


@dataclass(frozen=True)
class Recipe:
    """How the sequence model is trained.

    Attributes
    ----------
    epochs
        At most; training ends early after `patience` epochs without a better ndcg@10 on validation.
    loss
        See `losses.criterion`; None takes `softmax` up to 50,000 items and `sampled-softmax` above.
    width, heads, blocks
        Of the transformer.
    length
        Events of a history that it sees.
    dropout, rate, events, patience
        Dropout, Adam's learning rate, events in a batch, epochs.
    seed
        Of weights, order and dropout.
    """

    epochs: int = 12
    loss: SequenceLoss | None = None
    width: int = 128
    heads: int = 2
    blocks: int = 2
    length: int = 50
    dropout: float = 0.5
    rate: float = 2e-3
    events: int = 1024
    patience: int = 3
    seed: int = 0


@dataclass(frozen=True)
class Trained:
    """A trained model and how it came about: ndcg@10 on validation, and seconds, of each epoch."""

    model: SequenceModel
    ndcg: list[float]
    seconds: list[float]


def train(
    dataset: Dataset,
    validation: Queries,
    repeats: bool,
    vectors: Floats | None,
    recipe: Recipe,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> Trained:
    """Train on every event of a data set, and keep the epoch that ranks the validation queries best.

    Parameters
    ----------
    dataset
        What to learn from.
    validation
        Queries whose targets aren't among it.
    repeats
        Whether items of the history are candidates.
    vectors
        Whitened item vectors, shape (items, dimensions); None learns items by id alone.
    recipe
        How.
    progress
        Where a bar is shown.
    checkpoint
        File that is written after each epoch and continued from where it belongs to the same training.

    Raises
    ------
    ModelError
        Where the checkpoint belongs to another training or can't be read.
    """
    run = _Run(dataset, vectors, recipe)
    if checkpoint is not None:
        run.resume(checkpoint)
    checked = validation.sample(CHECKED, recipe.seed)
    task = None if progress is None else progress.add_task("sequence model", total=recipe.epochs)
    while run.epoch < recipe.epochs and run.epoch - run.best_epoch < recipe.patience:
        run.learn()
        run.judge(ndcg(run.network.frozen(), checked, dataset.n_items, repeats))
        if checkpoint is not None:
            run.save(checkpoint)
        if progress is not None and task is not None:
            figures = f"sequence model: loss {run.loss:.2f}, ndcg@10 {run.ndcg[-1]:.4f}"
            progress.update(task, completed=run.epoch, description=figures)
    if progress is not None and task is not None:
        progress.update(task, total=run.epoch)
    return run.result()


def ndcg(model: SequenceModel, queries: Queries, n_items: int, repeats: bool) -> float:
    """Measure ndcg@10 of the model on its own, over the whole catalogue."""
    everything, total = Candidates.everything(n_items), 0.0
    for batch in queries.batches(n_items):
        scores = model.score(batch.histories, everything)
        target = scores[np.arange(len(batch)), batch.targets][:, None]
        if not repeats:
            scores[batch.taken.owners, batch.taken.items] = -np.inf
        ranks = 1 + (scores > target).sum(axis=1)
        total += float(np.where(ranks <= 10, 1 / np.log2(1 + ranks), 0).sum())
    return total / max(len(queries), 1)


class _Run:
    """A training under way. Every epoch draws its randomness from the seed and its own number."""

    def __init__(self, dataset: Dataset, vectors: Floats | None, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        size = recipe.length, recipe.width, recipe.heads, recipe.blocks
        shape = Shape(dataset.n_items, len(dataset.event_types), *size)
        self.network, self.recipe = Network(shape, vectors, recipe.dropout), recipe
        self.windows = Windows.of(dataset.histories, recipe.length)
        learned = [weights for weights in self.network.parameters() if weights.requires_grad]
        self.optimiser = torch.optim.AdamW(learned, recipe.rate, betas=(0.9, 0.98), weight_decay=0.0)
        self.half = torch.bfloat16 if has_bfloat16() else torch.float32
        loss = recipe.loss or ("softmax" if dataset.n_items <= MANY_ITEMS else "sampled-softmax")
        self.criterion = criterion(loss, torch.from_numpy(dataset.counts), self.half)
        self.key = f"{dataset.fingerprint} {recipe} {None if vectors is None else _digest(vectors)}"
        self.step, self.loss = 0, 0.0
        self.ndcg: list[float] = []
        self.seconds: list[float] = []
        self.best: dict[str, Tensor] = {}

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.ndcg)

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights are kept, counted from 1."""
        return 1 + int(np.argmax(self.ndcg)) if self.ndcg else 0

    def learn(self) -> None:
        """Go once over all events."""
        started = time.perf_counter()
        torch.manual_seed(self.recipe.seed + 1_000_003 * (self.epoch + 1))
        rng = np.random.default_rng([self.recipe.seed, self.epoch])
        batches = list(self.windows.batches(self.recipe.events, rng))
        total, losses = len(batches) * self.recipe.epochs, []
        self.network.train()
        for batch in batches:
            left = 1 - 0.95 * self.step / total
            for group in self.optimiser.param_groups:
                group["lr"] = self.recipe.rate * min((self.step + 1) / WARM_UP, 1) * left
            losses.append(self._step(batch))
            self.step += 1
        self.loss = float(np.mean(losses))
        self.seconds.append(time.perf_counter() - started)

    def _step(self, batch: Batch) -> float:
        items, types, gaps = (
            torch.from_numpy(part).long() for part in (batch.items, batch.types, batch.gaps)
        )
        real = torch.from_numpy(batch.real)
        table = self.network.table()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half == torch.bfloat16):
            hidden = self.network(table, items[:, :-1], types[:, :-1], gaps[:, :-1])
        loss = self.criterion(hidden.float()[real], table, items[real])
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self.optimiser.step()
        return float(loss.detach())

    def judge(self, ndcg: float) -> None:
        """Note how the epoch ranked, and keep its weights where it is the best."""
        self.ndcg.append(ndcg)
        if self.best_epoch == self.epoch:
            self.best = {name: value.clone() for name, value in self.network.state_dict().items()}

    def result(self) -> Trained:
        """Take the best epoch's model."""
        if self.best:
            self.network.load_state_dict(self.best)
        return Trained(self.network.frozen(), self.ndcg, self.seconds)

    def save(self, file: Path) -> None:
        """Write a checkpoint beside, then rename, so that there is a whole one at any moment."""
        state = {name: getattr(self, name) for name in KEPT}
        state |= {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}
        beside = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            torch.save(state, beside)
            beside.replace(file)
        except (OSError, RuntimeError) as why:
            raise ModelError(f"{file}: the checkpoint can't be written ({why})") from None
        finally:
            beside.unlink(missing_ok=True)

    def resume(self, file: Path) -> None:
        """Go on from a checkpoint, if there is one."""
        if not file.exists():
            return
        try:
            state = torch.load(file, weights_only=True)
        except (OSError, RuntimeError, EOFError, UnpicklingError):
            raise ModelError(
                f"{file}: the checkpoint is damaged: remove it to train from the start"
            ) from None
        if not isinstance(state, dict) or state.get("key") != self.key:
            raise ModelError(f"{file}: the checkpoint of another training: remove it, or use other settings")
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        for name in KEPT:
            setattr(self, name, state[name])


def _digest(vectors: Floats) -> str:
    return hashlib.sha256(np.ascontiguousarray(vectors).tobytes()).hexdigest()
