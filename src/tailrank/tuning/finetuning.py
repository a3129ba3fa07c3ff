"""Fine-tuning an encoder: the loop, its checkpoints, and when it stops."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tailrank import checkpoint as checkpoints
from tailrank.arrays import Floats
from tailrank.language.encoder import TextEncoder
from tailrank.processes import joined
from tailrank.reporting import Progress, silent
from tailrank.tuning.closed_form_head import PENALTIES, closed_form_heads
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.domains import Domain, Mixture
from tailrank.tuning.objectives import Objective
from tailrank.tuning.tracking import Tracker, tracked
from tailrank.tuning.trainable_encoder import TrainableEncoder
from tailrank.tuning.trainer import Trainer
from tailrank.tuning.validator import mean_validation_score

ValidationStep = dict[str, dict[str, float]]
"""ndcg@10 on validation, by domain and group."""


@dataclass(frozen=True)
class Tuned:
    """A tuned encoder and how it came about.

    Attributes
    ----------
    encoder
        With the weights of the best validation step.
    vectors
        Of each domain's items, shape (items, dimensions).
    validation_steps
        The first one is before any step of the optimiser.
    best_step
        Number of the validation step whose weights were kept.
    steps
        Of the optimiser.
    seconds
        Time in steps, without validation.
    parameters
        Number of weights that learned.
    """

    encoder: TrainableEncoder
    vectors: list[Floats]
    validation_steps: list[ValidationStep]
    best_step: int
    steps: int
    seconds: float
    parameters: int

    @property
    def validation_score(self) -> float:
        """Validation score of the best step, the mean over domains."""
        return mean_validation_score(self.validation_steps[self.best_step])

    @property
    def starting_score(self) -> float:
        """Validation score of the encoder as it was given, whitened."""
        return mean_validation_score(self.validation_steps[0])


def finetune(
    domains: Sequence[Domain],
    encoder: TextEncoder,
    config: FineTuningConfig,
    progress: Progress = silent,
    checkpoint: Path | None = None,
    trackers: Sequence[Tracker] = (),
    on_validation: Callable[[int, float], bool] | None = None,
) -> Tuned:
    """Tune an encoder as long as that ranks the validation queries better.

    Weights are compared by the mean, over domains, of `validator.validation_score`. The same call again goes
    on from the checkpoint, and ends with the weights of an undisturbed run. Inside of
    `tailrank.processes.started_processes`, several processes that make the same call share the texts of each
    batch. The loss is that of the whole batch, so that they learn what one process does but for rounding, and
    the first one writes the checkpoint.

    Parameters
    ----------
    domains
        Each batch comes from one of them, drawn by their size to the power of `config.temper`.
    encoder
        Is changed; load another one to compare with.
    config
        What learns, from what, and how.
    progress
        Is told how far each part is.
    checkpoint
        File that is written every few minutes and after each validation step.
    trackers
        Log losses and metrics.
    on_validation
        Is told the optimiser's steps and the score after each validation step; False ends the training.

    Raises
    ------
    DataError
        If a domain has nothing to learn from, or no validation query.
    EncoderError
        If texts, vectors or the method don't fit the encoder.
    ModelError
        If training diverges, or the checkpoint is damaged, of another training, or can't be written.
    RequestError
        If training is adversarial, and there are several processes.
    TrackingError
        If a tracker can't log.
    """
    config = config.complete()
    training = _Training(domains, encoder, config, progress, trackers)
    # Settings that change nothing but when and where things are written stay out of the key.
    settings = {k: v for k, v in asdict(config).items() if k not in ("minutes", "memory")}
    data = [(d.split.train.fingerprint, d.split.protocol, len(d.split.validation), d.since) for d in domains]
    texts = checkpoints.key(*(list(d.texts) for d in domains))
    name = checkpoints.key(encoder.fingerprint, settings, data, texts)
    found = None if checkpoint is None else checkpoints.read(checkpoint, name)
    if found is not None:
        training.restore(*found)

    def save() -> None:
        if checkpoint is not None and not joined().rank:
            checkpoints.write(checkpoint, name, training.tensors(), training.state())

    names = ", ".join(d.split.train.name for d in domains)
    with tracked(trackers, {**settings, "encoder": encoder.name, "data": names}):
        training.run(save, on_validation)
    return training.tuned()


class _Training:
    """A training under way."""

    def __init__(
        self,
        domains: Sequence[Domain],
        encoder: TextEncoder,
        config: FineTuningConfig,
        progress: Progress,
        trackers: Sequence[Tracker],
    ) -> None:
        self.config, self.progress, self.trackers = config, progress, trackers
        self.mixture = Mixture(domains, config)
        torch.manual_seed(config.seed)
        given = self.mixture.texts, self.mixture.vectors, config, progress
        self.encoder = TrainableEncoder(encoder, *given)
        self.trainer = Trainer(self.encoder, Objective(config).to(encoder.model.device))
        self.validation_steps: list[ValidationStep] = []
        self.best_weights: list[Tensor] = []
        """Weights of the best validation step; `best_vectors` has its vectors."""

    @property
    def scores(self) -> list[float]:
        """Score of each validation step, the mean over domains."""
        return [mean_validation_score(step) for step in self.validation_steps]

    @property
    def best_step(self) -> int:
        """Number of the best validation step, the earliest of equals."""
        return int(np.argmax(self.scores))

    def run(self, save: Callable[[], None], on_validation: Callable[[int, float], bool] | None) -> None:
        """Take steps and validate, until `patience` runs out."""
        c, trainer, saved_at = self.config, self.trainer, time.monotonic()
        if not self.validation_steps:
            self._start()
            save()
        goes_on = True
        while goes_on and trainer.steps < c.steps and len(self.scores) <= self.best_step + c.patience:
            metrics = trainer.step(self.mixture)
            self._log(metrics)
            validates = trainer.steps % c.every == 0 or trainer.steps == c.steps
            if validates:
                self._validate(self.encoder.head_inputs())
            if validates or time.monotonic() - saved_at > 60 * c.minutes:
                save()
                saved_at = time.monotonic()
            note = ", ".join(f"{name} {value:.3g}" for name, value in metrics.items())
            self.progress("fine-tuning", trainer.steps, c.steps, f"{note}, ndcg@10 {self.scores[-1]:.4f}")
            goes_on = not validates or on_validation is None or on_validation(trainer.steps, self.scores[-1])
        if trainer.steps:
            self.progress("fine-tuning", trainer.steps, trainer.steps)
        trainer.load(self.best_weights)

    def _log(self, metrics: Mapping[str, float]) -> None:
        for tracker in self.trackers:
            tracker.log(self.trainer.steps, metrics)

    def _start(self) -> None:
        """Validate the encoder as it is and, if there is a teacher, once more with its closed-form head."""
        inputs = self.encoder.head_inputs(self.progress)
        self._validate(inputs)
        teacher = self.mixture.teacher_embeddings(self.encoder.vectors(inputs), self.progress)
        self.trainer.objective.teacher = teacher
        if teacher is None:
            return
        last, best = self.encoder.head[-1].linear.weight, -1.0
        heads = closed_form_heads(self.encoder, inputs, teacher, self.mixture.weights())
        for done, head in enumerate(heads, 1):
            before, last.data = last.data, head
            score = mean_validation_score(self.mixture.validate(self.encoder.vectors(inputs)))
            last.data, best = (head, score) if score > best else (before, best)
            self.progress("head", done, len(PENALTIES), f"ndcg@10 {best:.4f}")
        self._validate(inputs)

    def _validate(self, inputs: Tensor) -> None:
        """Measure the vectors as they are, and keep the weights if they are the best so far."""
        vectors = self.encoder.vectors(inputs)
        step = self.mixture.validate(vectors)
        self.validation_steps.append(step)
        self._log({f"{name}/ndcg@10/{group}": x for name, each in step.items() for group, x in each.items()})
        if self.best_step == len(self.validation_steps) - 1:
            self.best_vectors = vectors
            self.best_weights = [weights.detach().clone() for weights in self.trainer.weights]

    def tuned(self) -> Tuned:
        """Give the outcome."""
        trainer = self.trainer
        learned = trainer.weights if self.config.steps else [self.encoder.head[-1].linear.weight]
        return Tuned(
            encoder=self.encoder,
            vectors=self.mixture.by_domain(self.best_vectors),
            validation_steps=self.validation_steps,
            best_step=self.best_step,
            steps=trainer.steps,
            seconds=trainer.seconds,
            parameters=sum(weights.numel() for weights in learned),
        )

    def tensors(self) -> dict[str, Tensor]:
        """Give all that the next step depends on, and the best weights."""
        teacher = self.trainer.objective.teacher
        best = {f"best/{at}": value for at, value in enumerate(self.best_weights)}
        return self.trainer.tensors() | best | ({} if teacher is None else {"teacher": teacher})

    def state(self) -> dict[str, Any]:
        """Give numbers of steps, time and validation, for a checkpoint."""
        t = self.trainer
        return {"steps": t.steps, "seconds": t.seconds, "validation_steps": self.validation_steps}

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Go on from what `tensors` and `state` gave."""
        trainer, self.validation_steps = self.trainer, state["validation_steps"]
        self.best_weights = [tensors[f"best/{at}"] for at in range(len(trainer.weights))]
        trainer.load(self.best_weights)
        self.best_vectors = self.encoder.vectors(self.encoder.head_inputs())
        trainer.objective.teacher = tensors.get("teacher")
        trainer.restore(tensors)
        trainer.steps, trainer.seconds = state["steps"], state["seconds"]
