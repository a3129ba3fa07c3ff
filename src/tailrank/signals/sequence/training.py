"""Training the sequence model: early stopping on validation, checkpoints, exact resumption."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor

from tailrank.arrays import Codes, Floats
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Queries
from tailrank.data.ranks import mask_taken, ndcg, target_ranks
from tailrank.errors import ModelError
from tailrank.language.encoder import has_bfloat16
from tailrank.signals.protocol import Candidates
from tailrank.signals.sequence import checkpoint as checkpoints
from tailrank.signals.sequence.losses import criterion
from tailrank.signals.sequence.model import SequenceModel
from tailrank.signals.sequence.network import Network
from tailrank.signals.sequence.recipe import Recipe
from tailrank.signals.sequence.windows import Batch, Windows

WARM_UP: Final = 100
"""Steps in which the learning rate rises to its full height; it then falls linearly to a twentieth."""

CLIP: Final = 5.0
"""Largest norm of a gradient."""

CHECKED: Final = 4_000
"""Validation queries that decide when to stop, at most."""

MANY_ITEMS: Final = 50_000
"""Catalogue size above which the softmax is sampled, unless the recipe says otherwise."""


@dataclass(frozen=True)
class Trained:
    """A trained model and how it came about.

    Attributes
    ----------
    model
        That of the best epoch.
    ndcg
        ndcg@10 on validation after each epoch; empty where there was no validation.
    seconds
        Time that the training of each epoch took.
    epoch
        The epoch whose model is kept, counted from 1.
    """

    model: SequenceModel
    ndcg: list[float]
    seconds: list[float]
    epoch: int


def train(
    dataset: Dataset,
    validation: Queries | None,
    repeats: bool,
    vectors: Floats | None,
    recipe: Recipe,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    stop: int | None = None,
) -> Trained:
    """Train on every event of a data set, and keep the epoch that ranks the validation queries best.

    Parameters
    ----------
    dataset
        What to learn from.
    validation
        Queries whose targets aren't among it; None trains to the end and keeps the last epoch.
    repeats
        Whether items of the history are candidates.
    vectors
        Whitened item vectors, shape (items, dimensions); None learns items by id alone.
    recipe
        How.
    progress
        Where a bar is shown.
    checkpoint
        File that is written after each epoch, and continued from where it is there already.
    stop
        Epochs after which to stop, with the learning rate where it then is: as many as were best before,
        where training is repeated on more events. By default all of the recipe's.

    Raises
    ------
    ModelError
        Where training diverges, or the checkpoint is damaged, of another training, or can't be written.
    """
    checked = None if validation is None else validation.sample(CHECKED, recipe.seed)
    run, last = _Run(dataset, vectors, recipe), stop or recipe.epochs
    name = "" if checkpoint is None else checkpoints.key(dataset, checked, repeats, vectors, recipe, last)
    found = None if checkpoint is None else checkpoints.read(checkpoint, name)
    if found is not None:
        run.restore(*found)
    bar = None if progress is None else progress.add_task("sequence model", total=last)
    while run.epochs < last and run.epochs - run.best_epoch < recipe.patience:
        text = f"sequence model: loss {run.learn():.2f}"
        model = run.network.frozen()
        ndcg = None if checked is None else _ndcg(model, checked, dataset.n_items, repeats)
        run.judge(model, ndcg)
        text += "" if ndcg is None else f", ndcg@10 {ndcg:.4f}"
        if checkpoint is not None:
            checkpoints.write(checkpoint, name, run.tensors(), {"ndcg": run.ndcg, "seconds": run.seconds})
        if progress is not None and bar is not None:
            progress.update(bar, completed=run.epochs, description=text)
    if progress is not None and bar is not None:
        progress.update(bar, total=run.epochs, completed=run.epochs)
    return Trained(run.best, run.ndcg, run.seconds, run.best_epoch)


def _ndcg(model: SequenceModel, queries: Queries, n_items: int, repeats: bool) -> float:
    """Measure ndcg@10 of the model on its own, over the whole catalogue."""
    everything, gains = Candidates.everything(n_items), [np.zeros(0)]
    for batch in queries.batches(n_items):
        scores = model.score(batch.histories, everything)
        if not repeats:
            mask_taken(scores, batch)
        gains.append(ndcg(target_ranks(scores, batch.targets)))
    return float(np.concatenate(gains).sum()) / max(len(queries), 1)


class _Run:
    """A training under way. Every epoch draws its randomness from the seed and its own number."""

    def __init__(self, dataset: Dataset, vectors: Floats | None, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = Network(dataset.n_items, len(dataset.event_types), vectors, recipe).to(self.device)
        # The start token takes a place too, so a window whose last event is a target has one more event.
        self.windows = Windows.of(dataset.histories, recipe.length + 1)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), recipe.rate, betas=(0.9, 0.98), weight_decay=0.0
        )
        native = self.device.type == "cuda" or has_bfloat16()
        self.half = torch.bfloat16 if native else torch.float32
        loss = recipe.loss or ("softmax" if dataset.n_items <= MANY_ITEMS else "sampled-softmax")
        self.criterion = criterion(loss, torch.from_numpy(dataset.counts).to(self.device), self.half)
        self.ndcg: list[float] = []
        self.seconds: list[float] = []
        self.best = self.network.frozen()

    @property
    def epochs(self) -> int:
        """How many are done."""
        return len(self.seconds)

    @property
    def best_epoch(self) -> int:
        """The epoch whose model is kept, counted from 1; 0 before the first."""
        return 1 + int(np.argmax(self.ndcg)) if self.ndcg else self.epochs

    def learn(self) -> float:
        """Go once over all events; give the mean loss of its batches."""
        started, epoch = time.perf_counter(), self.epochs
        torch.manual_seed(self.recipe.seed + 1_000_003 * (epoch + 1))
        rng = np.random.default_rng([self.recipe.seed, epoch])
        batches = list(self.windows.batches(self.recipe.events, rng))
        losses = []
        self.network.train()
        for at, batch in enumerate(batches):
            step = epoch * len(batches) + at
            fall = 1 - 0.95 * step / (len(batches) * self.recipe.epochs)
            for group in self.optimiser.param_groups:
                group["lr"] = self.recipe.rate * min((step + 1) / WARM_UP, 1) * fall
            losses.append(self._step(batch))
        self.seconds.append(time.perf_counter() - started)
        if not all(bool(weights.isfinite().all()) for weights in self.network.parameters()):
            raise ModelError(
                f"the sequence model diverged in epoch {epoch + 1}: give it a rate below "
                f"{self.recipe.rate:g}, or leave it out"
            )
        return float(np.mean(losses))

    def _step(self, batch: Batch) -> float:
        items, types, gaps = map(self._codes, (batch.items, batch.types, batch.gaps))
        real = torch.from_numpy(batch.real.ravel().nonzero()[0]).to(self.device)
        table = self.network.table()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half == torch.bfloat16):
            hidden = self.network(table, items[:, :-1], types[:, :-1], gaps[:, :-1])
        rows, targets = hidden.float().flatten(0, 1).index_select(0, real), items.flatten()[real]
        loss = self.criterion(rows, table, targets)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self.optimiser.step()
        return float(loss.detach())

    def _codes(self, codes: Codes) -> Tensor:
        return torch.from_numpy(codes).long().to(self.device)

    def judge(self, model: SequenceModel, ndcg: float | None) -> None:
        """Note how the epoch ranked, if that is known, and keep its model where it is the best so far."""
        self.ndcg += [] if ndcg is None else [ndcg]
        if self.best_epoch == self.epochs:
            self.best = model

    def tensors(self) -> dict[str, Tensor]:
        """Give all that the next epoch depends on, for a checkpoint."""
        parts = {f"network/{name}": value for name, value in self.network.state_dict().items()}
        for at, state in self.optimiser.state_dict()["state"].items():
            parts |= {f"optimiser/{at}/{name}": value for name, value in state.items()}
        return parts | {f"best/{name}": torch.from_numpy(v) for name, v in self.best.arrays().items()}

    def restore(self, tensors: dict[str, Tensor], figures: dict[str, list[float]]) -> None:
        """Take back what a checkpoint holds."""
        self.ndcg, self.seconds = figures["ndcg"], figures["seconds"]
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "optimiser": {}, "best": {}}
        for name, value in tensors.items():
            part, _, inner = name.partition("/")
            parts[part][inner] = value
        self.network.load_state_dict(parts["network"])
        self.best = SequenceModel.from_arrays({name: v.numpy() for name, v in parts["best"].items()})
        states: dict[int, dict[str, Tensor]] = {}
        for name, value in parts["optimiser"].items():
            at, _, inner = name.partition("/")
            states.setdefault(int(at), {})[inner] = value
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": states})
