"""Fine-tuning an encoder: the loop, its checkpoints, and when it stops."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor

from tailrank import checkpoint as checkpoints
from tailrank.arrays import Floats
from tailrank.data.cache import cache_root
from tailrank.language.encoder import TextEncoder
from tailrank.tuning.closed_form_head import PENALTIES, solutions
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.domains import Domain, Mixture
from tailrank.tuning.objectives import Objective
from tailrank.tuning.tracking import Tracker
from tailrank.tuning.trainable_encoder import TrainableEncoder
from tailrank.tuning.trainer import Trainer
from tailrank.tuning.validator import overall


@dataclass(frozen=True)
class Tuned:
    """A tuned encoder and how it came about.

    Attributes
    ----------
    learner
        With the weights of the best look.
    tables
        Vectors of each domain's items, shape (items, dimensions).
    looks
        ndcg@10 on validation at each look, by domain and group: the first one before any step.
    best
        Number of the look that was kept.
    steps
        How many were taken.
    seconds
        Time in steps, without looks.
    parameters
        Number of weights that learned.
    """

    learner: TrainableEncoder
    tables: list[Floats]
    looks: list[dict[str, dict[str, float]]]
    best: int
    steps: int
    seconds: float
    parameters: int

    @property
    def worth(self) -> float:
        """What the kept look is judged by, the mean over domains."""
        return overall(self.looks[self.best])


def finetune(
    domains: Sequence[Domain],
    encoder: TextEncoder,
    recipe: FineTuningConfig,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    trackers: Sequence[Tracker] = (),
    report: Callable[[int, float], bool] | None = None,
) -> Tuned:
    """Tune an encoder as long as that ranks the validation queries better.

    What is judged is the mean, over domains, of ndcg@10 on all targets and on those of the tail. The same
    call again goes on from the checkpoint, and ends with the weights of an undisturbed run.

    Parameters
    ----------
    domains
        Batches come from one of them each, drawn by their size to the power of `recipe.temper`.
    encoder
        Is changed; load another one to compare with.
    recipe
        How.
    progress
        Where a bar is shown.
    checkpoint
        File that is written every few minutes and after each look.
    trackers
        Where figures are kept.
    report
        Is told the steps taken and the figure judged by after each look; training ends where it gives False.

    Raises
    ------
    DataError
        Where a domain has nothing to learn from, or no validation query.
    EncoderError
        Where texts, vectors or the method don't fit the encoder.
    ModelError
        Where training diverges, or the checkpoint is damaged, of another training, or can't be written.
    TrackingError
        Where figures can't be kept.
    """
    recipe = recipe.complete()
    run = _Run(domains, encoder, recipe, progress)
    # Names of settings that change nothing but when and where things are written stay out of the key.
    said = {k: v for k, v in asdict(recipe).items() if k not in ("minutes", "memory")}
    data = [(d.split.train.fingerprint, d.split.protocol, len(d.split.validation), d.since) for d in domains]
    texts = checkpoints.key(*(list(d.texts) for d in domains))
    name = checkpoints.key(encoder.fingerprint, said, data, texts)
    found = None if checkpoint is None else checkpoints.read(checkpoint, name)
    if found is not None:
        run.restore(*found)
    succeeded = False
    for tracker in trackers:
        tracker.start(
            {**said, "encoder": encoder.name, "data": ", ".join(d.split.train.name for d in domains)}
        )
    try:
        run.go(lambda: _keep(checkpoint, name, run), trackers, progress, report)
        succeeded = True
    finally:
        for tracker in trackers:
            tracker.finish(succeeded)
    return run.tuned()


def _keep(checkpoint: Path | None, name: str, run: _Run) -> None:
    if checkpoint is not None:
        checkpoints.write(checkpoint, name, run.tensors(), run.figures())


class _Run:
    """A training under way."""

    def __init__(
        self,
        domains: Sequence[Domain],
        encoder: TextEncoder,
        recipe: FineTuningConfig,
        progress: Progress | None,
    ) -> None:
        self.recipe, self.mixture = recipe, Mixture(domains, recipe)
        torch.manual_seed(recipe.seed)
        self.learner = TrainableEncoder(
            encoder, self.mixture.texts, self.mixture.vectors, recipe, cache_root(), progress
        )
        self.descent = Trainer(self.learner, Objective(recipe).to(encoder.model.device))
        self.looks: list[dict[str, dict[str, float]]] = []
        self.kept: list[Tensor] = []
        """Weights of the best look; `table` has its vectors."""

    @property
    def judged(self) -> list[float]:
        """What each look is judged by, the mean over domains."""
        return [overall(look) for look in self.looks]

    @property
    def best(self) -> int:
        """Number of the best look, the earliest of equals."""
        return int(np.argmax(self.judged))

    def go(
        self,
        keep: Callable[[], None],
        trackers: Sequence[Tracker],
        progress: Progress | None,
        report: Callable[[int, float], bool] | None,
    ) -> None:
        """Take steps and look at what they are worth, until they are worth nothing any more."""
        r, d, kept_at = self.recipe, self.descent, time.monotonic()
        if not self.looks:
            self._begin(trackers, progress)
            keep()
        bar = None if progress is None or not r.steps else progress.add_task("fine-tuning", total=r.steps)
        going = True
        while going and d.steps < r.steps and len(self.looks) - 1 - self.best < r.patience:
            figures = d.step(self.mixture)
            for tracker in trackers:
                tracker.log(d.steps, figures)
            looked = d.steps % r.every == 0 or d.steps == r.steps
            if looked:
                self._look(trackers, self.learner.below_head())
            if looked or time.monotonic() - kept_at > 60 * r.minutes:
                keep()
                kept_at = time.monotonic()
            if progress is not None and bar is not None:
                said = ", ".join(f"{name} {value:.3g}" for name, value in figures.items())
                text = f"{said}, ndcg@10 {self.judged[-1]:.4f}"
                progress.update(bar, completed=d.steps, description=text)
            going = not looked or report is None or report(d.steps, self.judged[-1])
        if progress is not None and bar is not None:
            progress.update(bar, total=d.steps, completed=d.steps)
        d.load(self.kept)

    def _begin(self, trackers: Sequence[Tracker], progress: Progress | None) -> None:
        """Look at the encoder as it is and, where there is a teacher, once more with its head solved."""
        pooled = self.learner.below_head(progress)
        self._look(trackers, pooled)
        self.descent.objective.teacher = teacher = self.mixture.teacher(self.learner.table(pooled), progress)
        if teacher is None:
            return
        last, best, weights = self.learner.head[-1].linear.weight, -1.0, self.mixture.weights()
        bar = None if progress is None else progress.add_task("head", total=len(PENALTIES))
        for found in solutions(self.learner, pooled, teacher, weights):
            before, last.data = last.data, found
            worth = overall(self.mixture.look(self.learner.table(pooled)))
            last.data, best = (found, worth) if worth > best else (before, best)
            if progress is not None and bar is not None:
                progress.update(bar, advance=1, description=f"head, ndcg@10 {best:.4f}")
        self._look(trackers, pooled)

    def _look(self, trackers: Sequence[Tracker], pooled: Tensor) -> None:
        """Judge the vectors as they are, and keep the weights where they are the best so far."""
        table = self.learner.table(pooled)
        look = self.mixture.look(table)
        self.looks.append(look)
        figures = {f"{name}/ndcg@10/{group}": x for name, each in look.items() for group, x in each.items()}
        for tracker in trackers:
            tracker.log(self.descent.steps, figures)
        if self.best == len(self.looks) - 1:
            self.table, self.kept = table, self.descent.copy()

    def tuned(self) -> Tuned:
        """Give what came of it."""
        d, tables = self.descent, self.mixture.tables(self.table)
        learned = d.weights if self.recipe.steps else [self.learner.head[-1].linear.weight]
        size = sum(weights.numel() for weights in learned)
        return Tuned(self.learner, tables, self.looks, self.best, d.steps, d.seconds, size)

    def tensors(self) -> dict[str, Tensor]:
        """Give all that the next step depends on, and the best weights."""
        teacher = self.descent.objective.teacher
        kept = {f"kept/{at}": value for at, value in enumerate(self.kept)}
        return self.descent.tensors() | kept | ({} if teacher is None else {"teacher": teacher})

    def figures(self) -> dict[str, Any]:
        """Give what was measured, for a checkpoint."""
        return {"steps": self.descent.steps, "seconds": self.descent.seconds, "looks": self.looks}

    def restore(self, tensors: Mapping[str, Tensor], figures: Mapping[str, Any]) -> None:
        """Take back what a checkpoint holds."""
        d, self.looks = self.descent, figures["looks"]
        self.kept = [tensors[f"kept/{at}"] for at in range(len(d.weights))]
        d.load(self.kept)
        self.table = self.learner.table(self.learner.below_head())
        d.objective.teacher = tensors.get("teacher")
        d.restore(tensors)
        d.steps, d.seconds = figures["steps"], figures["seconds"]
