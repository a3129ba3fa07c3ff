"""Whether a sequence model is trained, how long that may take, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import NamedTuple

from tailrank.errors import RequestError
from tailrank.ranking.settings import Settings
from tailrank.ranking.trial import Comparison, Trial
from tailrank.ranking.weighing import TAIL_QUERIES
from tailrank.signals.base import Signal
from tailrank.signals.sequence.config import SASRecConfig
from tailrank.signals.sequence.signal import SequenceSignal, seconds_per_epoch
from tailrank.signals.training_data import TrainingData


class SequencePlan(NamedTuple):
    """What is planned.

    Attributes
    ----------
    epochs
        At most; 0 trains none.
    seconds
        That both trainings may take together, that before validation and that on all events.
    on_trial
        Whether the model is kept only if it ranks validation better.
    why_not
        Why none is trained, if one was wanted.
    """

    epochs: int
    seconds: float = inf
    on_trial: bool = False
    why_not: str = ""


def plan_sequence(data: TrainingData, settings: Settings) -> SequencePlan:
    """Do as the settings say; if they leave it open, try a sequence model if there is time and evidence.

    Whether there is time is measured by a few steps of training, unless that was begun before.

    Parameters
    ----------
    data
        What it would be trained on.
    settings
        How to fit.
    """
    if settings.sequence_epochs is not None:
        return SequencePlan(settings.sequence_epochs)
    if len(data.validation) < TAIL_QUERIES:
        return SequencePlan(0, why_not=f"{len(data.validation)} validation queries can't tell if it pays")
    seconds = 60 * settings.minutes
    if data.checkpoint is None or not data.checkpoint.exists():
        try:
            epoch = seconds_per_epoch(replace(data, sequence_epochs=SASRecConfig.epochs))
        except RequestError as missing:
            return SequencePlan(0, why_not=str(missing))
        if 2 * epoch > seconds:
            needed = f"two trainings of {epoch / 60:.1f} min an epoch don't fit into {settings.minutes:g} min"
            return SequencePlan(0, why_not=needed)
        data.progress("sequence model", 0, SASRecConfig.epochs, f"about {epoch:.0f} s an epoch")
    return SequencePlan(SASRecConfig.epochs, seconds, on_trial=True)


def outcome(plan: SequencePlan, trial: Trial | None, signals: Sequence[Signal]) -> dict[str, object]:
    """Describe what came of the plan, for people and model folders.

    Parameters
    ----------
    plan
        What was planned.
    trial
        How it was decided, if the model was on trial.
    signals
        All that were fitted before validation.

    Returns
    -------
    dict
        `kept`, whether there is a sequence model; `epochs`, how many it was trained for; and `why`.
    """
    epochs = sum(len(signal.rates) for signal in signals if isinstance(signal, SequenceSignal))
    if trial is None:
        return {"kept": epochs > 0, "epochs": epochs, "why": plan.why_not or "as the settings ask"}
    why = (
        f"ndcg@10 of {trial.queries:,} validation queries {_words(trial.overall)}; "
        f"of those in the tail {_words(trial.in_tail)}"
    )
    return {"kept": trial.kept, "epochs": epochs, "why": why}


def _words(found: Comparison) -> str:
    return f"{found.without:.4f} without it, {found.whole:.4f} with it, standard error {found.error:.4f}"
