"""Training the sequence model: early stopping on validation, checkpoints, exact resumption."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tailrank import checkpoint as checkpoints
from tailrank.arrays import Codes, Floats
from tailrank.data.candidates import Candidates
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Queries
from tailrank.devices import chosen_device, has_bfloat16
from tailrank.errors import ModelError
from tailrank.metrics.full_ranking import full_ranks
from tailrank.metrics.ranking import ndcg
from tailrank.processes import joined
from tailrank.reporting import Progress, silent
from tailrank.signals.sequence.config import SASRecConfig
from tailrank.signals.sequence.losses import sampled, softmax, target_weights
from tailrank.signals.sequence.model import SequenceModel
from tailrank.signals.sequence.network import Network
from tailrank.signals.sequence.windows import Batch, Windows

WARM_UP: Final = 100
"""Steps in which the learning rate rises to its full height."""

RATE_DECAY: Final = 0.3
"""Factor of the learning rate if an epoch ranked validation no better than the best before."""

RATE_DECAYS: Final = 2
"""Times that the rate falls before training stops."""

CLIP: Final = 5.0
"""Largest norm of a gradient."""

TIMED: Final = 10
"""Steps that say how long an epoch takes."""

CHECKED: Final = 4_000
"""Validation queries that decide when to stop, at most."""

MANY_ITEMS: Final = 50_000
"""Catalogue size above which the softmax is sampled, unless the config says otherwise."""


@dataclass(frozen=True)
class Trained:
    """A trained model and how it came about.

    Attributes
    ----------
    model
        That of the best epoch.
    ndcg
        ndcg@10 on validation after each epoch tried; empty if there was no validation.
    seconds
        Time that each epoch took, without validation.
    rates
        Learning rate of each epoch that led to the model: those that ranked no better aren't among them.
    """

    model: SequenceModel
    ndcg: list[float]
    seconds: list[float]
    rates: list[float]


def train(
    dataset: Dataset,
    validation: Queries | None,
    repeats: bool,
    vectors: Floats | None,
    config: SASRecConfig,
    progress: Progress = silent,
    checkpoint: Path | None = None,
    rates: Sequence[float] | None = None,
    seconds: float = inf,
) -> Trained:
    """Train on every event of a data set, as long as that ranks the validation queries better.

    An epoch that ranks them no better is undone, and the learning rate falls.

    Inside of `tailrank.processes.started_processes`, several processes that make the same call share the
    windows of each batch. The loss is that of the whole batch, but each draws its own dropout and its own
    items to compare with. The first one says what time is left, and writes the checkpoint.

    Parameters
    ----------
    dataset
        What to learn from.
    validation
        Queries whose targets aren't among it; None trains for a given number of epochs.
    repeats
        Whether items of the history are candidates.
    vectors
        Whitened item vectors, shape (items, dimensions); None learns items by id alone.
    config
        How.
    progress
        Is told the epochs done, with loss and ndcg@10.
    checkpoint
        File that is written after each epoch, and continued from if it exists already.
    rates
        Without validation, the learning rate of each epoch: `Trained.rates`, if training is repeated on
        more events. By default the config's in every epoch.
    seconds
        Time for this and for a second training by the epochs that are kept. The first epoch is always tried.

    Raises
    ------
    ModelError
        If training diverges, or the checkpoint is damaged, of another training, or can't be written.
    """
    checked = None if validation is None else validation.sample(CHECKED, config.seed)
    planned = None if checked is not None else list(rates or [config.rate] * config.epochs)
    run, last = _Run(dataset, vectors, config), len(planned or range(config.epochs))
    asked = () if checked is None else (checked.starts, checked.ends, checked.full_ends, checked.targets)
    name = checkpoints.key(dataset.fingerprint, repeats, config, planned, vectors, *asked)
    found = None if checkpoint is None else checkpoints.read(checkpoint, name)
    if found is not None:
        run.restore(*found)
    while run.epochs < last and run.rate_decays <= RATE_DECAYS and run.another_fits(seconds):
        note = f"loss {run.learn(planned[run.epochs] if planned else run.rate, progress):.2f}"
        if checked is not None:
            started = time.perf_counter()
            ndcg = run.processes.agreed(_ndcg(run.network.frozen(), checked, dataset.n_items, repeats))
            run.checking += time.perf_counter() - started
            run.keep_or_undo(ndcg)
            note += f", ndcg@10 {ndcg:.4f}"
        if checkpoint is not None and not run.processes.rank:
            checkpoints.write(checkpoint, name, run.tensors(), run.figures())
        progress("sequence model", run.epochs, last, note)
    progress("sequence model", run.epochs, run.epochs)
    return Trained(run.network.frozen(dataset.counts), run.ndcg, run.seconds, run.rates)


def seconds_per_epoch(dataset: Dataset, vectors: Floats | None, config: SASRecConfig) -> float:
    """Measure a few steps of training, after one to warm up; gives the seconds that an epoch would take."""
    run = _Run(dataset, vectors, config)
    batches = list(run.windows.batches(config.events, np.random.default_rng(config.seed)))
    first, *some = batches[: 1 + TIMED]
    run.network.train()
    run._step(first)
    started = time.perf_counter()
    for batch in some:
        run._step(batch)
    return run.processes.agreed((time.perf_counter() - started) / max(len(some), 1) * len(batches))


def _ndcg(model: SequenceModel, queries: Queries, n_items: int, repeats: bool) -> float:
    """Measure ndcg@10 of the model on its own, over the whole catalogue."""
    everything = Candidates.everything(n_items)
    ranks = full_ranks(lambda batch: model.score(batch.histories, everything), queries, n_items, repeats)
    return float(ndcg(ranks).sum()) / max(len(queries), 1)


class _Run:
    """A training under way. Every epoch draws its randomness from the seed and its own number."""

    def __init__(self, dataset: Dataset, vectors: Floats | None, config: SASRecConfig) -> None:
        torch.manual_seed(config.seed)
        self.config, self.processes = config, joined()
        self.device = torch.device(chosen_device() or ("cuda" if torch.cuda.is_available() else "cpu"))
        shares = dataset.histories.type_shares(len(dataset.event_types))
        native = self.device.type == "cuda" or has_bfloat16()
        self.half = torch.bfloat16 if native else torch.float32
        self.network = Network(dataset.n_items, shares, vectors, config, self.half).to(self.device)
        # The start token takes a place too, so a window whose last event is a target has one more event.
        self.windows = Windows.of(dataset.histories, config.length + 1)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(),
            config.rate,
            betas=(0.9, 0.98),
            weight_decay=0.0,
            fused=self.device.type in ("cpu", "cuda"),
        )
        loss = config.loss or ("softmax" if dataset.n_items <= MANY_ITEMS else "sampled-softmax")
        self.sampled = sampled(loss, torch.from_numpy(dataset.counts).to(self.device), self.half)
        self.weights = torch.from_numpy(target_weights(dataset, config.debias)).to(self.device)
        self.ndcg: list[float] = []
        self.seconds: list[float] = []
        self.rates: list[float] = []
        self.checking = 0.0  # seconds spent on validation, but for those before a restart
        self.kept: dict[str, Tensor] = {}

    @property
    def epochs(self) -> int:
        """How many were tried."""
        return len(self.seconds)

    def another_fits(self, seconds: float) -> bool:
        """Tell if another epoch, and then all that are kept again, end within that time."""
        if not self.epochs:
            return True
        spent = self.checking + sum(self.seconds)
        return self.processes.agreed(spent + spent / self.epochs * (2 + len(self.rates))) <= seconds

    @property
    def rate_decays(self) -> int:
        """How often the learning rate fell: once for each epoch that was undone."""
        return self.epochs - len(self.rates)

    @property
    def rate(self) -> float:
        """The learning rate of the next epoch."""
        return self.config.rate * RATE_DECAY**self.rate_decays

    def learn(self, rate: float, progress: Progress = silent) -> float:
        """Go once over all events; gives the mean loss of the batches."""
        started, epoch = time.perf_counter(), len(self.rates)
        torch.manual_seed(self.config.seed + 1_000_003 * (epoch + 1) + 7_919 * self.processes.rank)
        rng = np.random.default_rng([self.config.seed, epoch])
        batches = list(self.windows.batches(self.config.events, rng))
        losses = []
        self.network.train()
        for at, batch in enumerate(batches):
            for group in self.optimiser.param_groups:
                group["lr"] = rate * min((epoch * len(batches) + at + 1) / WARM_UP, 1)
            losses.append(self._step(batch))
            progress("epoch", at + 1, len(batches), str(self.epochs + 1))
        self.seconds.append(time.perf_counter() - started)
        self.rates.append(rate)
        if not all(bool(weights.isfinite().all()) for weights in self.network.parameters()):
            raise ModelError(
                f"the sequence model diverged in epoch {epoch + 1}: give it a rate below "
                f"{self.config.rate:g}, or leave it out"
            )
        mean = torch.tensor(np.mean(losses))
        self.processes.add_up(mean)
        return float(mean)

    def _step(self, batch: Batch) -> float:
        """Take a step of the optimiser; gives what this process adds to the loss of the batch."""
        own = batch.part(self.processes.rank, self.processes.size)
        self.optimiser.zero_grad()
        loss = 0.0
        if n := int(own.real.sum()):
            part = self._loss(own) * (n / int(batch.real.sum()))
            part.backward()  # type: ignore[no-untyped-call]
            loss = float(part.detach())
        self.processes.add_gradients(self.network.parameters())
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self.optimiser.step()
        return loss

    def _loss(self, batch: Batch) -> Tensor:
        items, types, gaps = map(self._codes, (batch.items, batch.types, batch.gaps))
        real = torch.from_numpy(batch.real.ravel().nonzero()[0]).to(self.device)
        before, targets = items[:, :-1], items.flatten()[real]
        # One look-up for everything: each costs a gradient as large as the catalogue.
        if self.sampled is None:
            table = self.network.vectors()
            seen = functional.embedding(before, table)
        else:
            drawn = self.sampled.draw(len(targets))
            found = self.network.vectors(torch.cat([before.flatten(), targets, drawn]))
            seen, wanted, others = torch.split(found, [before.numel(), len(targets), len(drawn)])
            seen = seen.view(*before.shape, -1)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half == torch.bfloat16):
            hidden = self.network(seen, types[:, :-1], gaps[:, :-1])
        rows = hidden.float().flatten(0, 1).index_select(0, real)
        if self.sampled is None:
            return softmax(rows, table, targets, self.weights[targets], self.half)
        return self.sampled.loss(rows, wanted, others, targets, drawn, self.weights[targets])

    def _codes(self, codes: Codes) -> Tensor:
        return torch.from_numpy(codes).long().to(self.device)

    def keep_or_undo(self, ndcg: float) -> None:
        """Keep the epoch if it ranks better than any before, else undo it."""
        better = ndcg > max(self.ndcg, default=-1.0)
        self.ndcg.append(ndcg)
        if better:
            self.kept = {name: value.clone() for name, value in self.tensors().items()}
        else:
            self.rates.pop()
            self._load(self.kept)

    def tensors(self) -> dict[str, Tensor]:
        """Give all that the next epoch depends on, but for the figures."""
        parts = {f"network/{name}": value for name, value in self.network.state_dict().items()}
        for at, state in self.optimiser.state_dict()["state"].items():
            parts |= {f"optimiser/{at}/{name}": value for name, value in state.items()}
        return parts

    def figures(self) -> dict[str, list[float]]:
        """Give what was measured, for a checkpoint."""
        return {"ndcg": self.ndcg, "seconds": self.seconds, "rates": self.rates}

    def restore(self, tensors: dict[str, Tensor], figures: dict[str, list[float]]) -> None:
        """Take back what a checkpoint holds."""
        self.ndcg, self.seconds, self.rates = (figures[name] for name in ("ndcg", "seconds", "rates"))
        self.kept = tensors
        self._load(tensors)

    def _load(self, tensors: dict[str, Tensor]) -> None:
        network: dict[str, Tensor] = {}
        states: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            part, _, inner = name.partition("/")
            at, _, field = inner.partition("/")
            (network if part == "network" else states.setdefault(int(at), {}))[field or inner] = value.clone()
        self.network.load_state_dict(network)
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": states})
