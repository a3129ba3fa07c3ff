"""The sequence model as a signal: it trains itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Self

from tailrank.data.dataset import Dataset
from tailrank.data.histories import Queries
from tailrank.errors import RequestError
from tailrank.signals.sequence.config import SASRecConfig
from tailrank.signals.sequence.model import SPACE, SequenceModel
from tailrank.signals.training_data import TrainingData, checkpoint_files

if TYPE_CHECKING:  # it brings torch
    from tailrank.signals.sequence.training import Trained


@dataclass(frozen=True)
class SequenceSignal(SequenceModel):
    """A sequence model that can be fitted.

    Attributes
    ----------
    rates
        Learning rate of each epoch that led to the model, for `refit`; not stored.
    """

    rates: tuple[float, ...] = ()

    @classmethod
    def fit(cls, data: TrainingData) -> list[Self]:
        """Train as long as that ranks the stopping queries better; see `training.train`.

        Raises
        ------
        RequestError
            If torch is missing.
        ModelError
            If training diverges, or the checkpoint can't be used.
        """
        if not data.sequence_epochs:
            return []
        split, seconds = data.split, data.sequence_seconds
        validation = split.validation if data.stopping is None else data.stopping
        trained = _train(data, split.train, validation, again=False, seconds=seconds)
        return [cls._of(trained, data, split.train, tuple(trained.rates))]

    def refit(self, data: TrainingData) -> Self:
        """Train anew on all events of training, at the learning rates that proved good."""
        everything = data.split.full_train
        trained = _train(data, everything, None, again=True, rates=self.rates)
        return self._of(trained, data, everything, self.rates)

    @classmethod
    def _of(cls, trained: Trained, data: TrainingData, dataset: Dataset, rates: tuple[float, ...]) -> Self:
        """Trust the map with cold items only where fusion judges it by real ones."""
        model = trained.model.unplaced(dataset.counts) if data.split.least_count else trained.model
        return cls(**vars(model), rates=rates)


def _train(
    data: TrainingData,
    dataset: Dataset,
    validation: Queries | None,
    again: bool,
    rates: Sequence[float] | None = None,
    seconds: float = inf,
) -> Trained:
    with _needs_torch():
        from tailrank.signals.sequence.training import train
    checkpoint = None if data.checkpoint is None else checkpoint_files(data.checkpoint)[again]
    vectors, repeats = data.vectors.get(SPACE), data.split.repeats
    return train(
        dataset, validation, repeats, vectors, _config(data), data.progress, checkpoint, rates, seconds
    )


def seconds_per_epoch(data: TrainingData) -> float:
    """Measure by a few steps how long an epoch before validation would take.

    Raises
    ------
    RequestError
        If torch is missing.
    """
    with _needs_torch():
        from tailrank.signals.sequence.training import seconds_per_epoch as measured
    return measured(data.split.train, data.vectors.get(SPACE), _config(data))


def _config(data: TrainingData) -> SASRecConfig:
    length = min(data.max_history, SASRecConfig.length)
    return SASRecConfig(
        epochs=data.sequence_epochs, length=length, debias=data.sequence_debias, seed=data.seed
    )


@contextmanager
def _needs_torch() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as missing:
        raise RequestError(
            f"the sequence model needs {missing.name}: install it with `pip install 'tailrank[language]'`, "
            "or leave sequence_epochs at 0"
        ) from None
