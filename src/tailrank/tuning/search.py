"""Search for a config: trials in a database, so that a search goes on after an interruption."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tailrank.errors import EncoderError, ModelError, RequestError, needs
from tailrank.tuning.config import FineTuningConfig, Method, TuningLoss
from tailrank.tuning.finetuning import Tuned

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

START: Final = "start"
"""Where a study keeps the validation score of the encoder given."""

WARM_UP: Final = 2
"""Validation steps before a trial may be pruned, and finished trials before any is."""


@dataclass(frozen=True)
class Search:
    """What a search found.

    Attributes
    ----------
    trials
        All trials so far, the best first. `value` is the `validation_score` of the best validation step, None
        if there was none; `params` is what differs from the settings that aren't searched for; the state is
        `PRUNED` if the trial was given up, as it ranked worse than the median of others at the same
        validation step.
    start
        Validation score of the encoder given; NaN if no trial has finished.
    """

    trials: list[FrozenTrial]
    start: float

    @property
    def gain(self) -> float:
        """By how much the best trial beats the encoder given."""
        return max((t.value for t in self.trials if t.value is not None), default=-np.inf) - self.start

    @property
    def learned(self) -> bool:
        """Whether a trial beats the encoder given."""
        return self.gain > 0


def search(
    storage: Path,
    name: str,
    start: FineTuningConfig,
    methods: Sequence[Method],
    losses: Sequence[TuningLoss],
    minutes: float,
    run: Callable[[FineTuningConfig, Callable[[int, float], bool]], Tuned],
    keep: Callable[[Tuned], None],
    report: Callable[[int, Tuned, float], None],
) -> Search:
    """Try configs until the time is up: first the one given, then others near those that did well (TPE).

    Parameters
    ----------
    storage
        SQLite file of the trials; those of the same name that it holds count too.
    name
        Of the study: trials of other data need another one.
    start
        Settings of the first trial, and of whatever isn't searched for.
    methods, losses
        To choose from.
    minutes
        To start trials in; a trial that runs longer ends at its next validation step.
    run
        Tunes by a config; the second argument is `on_validation` of `finetune`.
    keep
        Is given every tuned encoder that ranks better than the encoder given and all trials before.
    report
        Is told the number of each trial, its tuned encoder and the score of the encoder given.

    Raises
    ------
    RequestError
        If optuna is missing, or there is no time.
    EncoderError
        If the database can't be used.
    """
    with needs("tune", "tuning"):
        import optuna
        from sqlalchemy.exc import SQLAlchemyError
    if not minutes > 0:
        raise RequestError(f"minutes must be above 0, not {minutes}")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        storage.parent.mkdir(parents=True, exist_ok=True)
        study = optuna.create_study(
            storage=f"sqlite:///{storage.resolve()}",
            study_name=name,
            load_if_exists=True,
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(WARM_UP, WARM_UP),
        )
        end = time.monotonic() + 60 * minutes
        for old in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
            study.tell(old.number, state=optuna.trial.TrialState.FAIL)  # its process has gone
        if not any(old.state.is_finished() and old.value is not None for old in study.trials):
            study.enqueue_trial(asdict(start) | {"method": methods[0], "loss": losses[0]})
        # A sampler starts anew with each process: its seed must not draw the same trials again.
        study.sampler = optuna.samplers.TPESampler(seed=start.seed + len(study.trials), multivariate=True)

        def objective(trial: Any) -> float:
            pruned, validation_steps = False, 0

            def on_validation(_: int, score: float) -> bool:
                nonlocal pruned, validation_steps
                validation_steps += 1
                trial.report(score, validation_steps)
                pruned = trial.should_prune()
                return not pruned and time.monotonic() < end

            tuned = run(_suggest(trial, start, methods, losses), on_validation)
            start_score = study.user_attrs.get(START, tuned.starting_score)
            study.set_user_attr(START, start_score)
            report(trial.number, tuned, start_score)
            if pruned and tuned.steps < tuned.encoder.config.steps:
                raise optuna.TrialPruned
            score = tuned.validation_score
            if score > max([start_score, *(t.value for t in study.get_trials() if t.value is not None)]):
                keep(tuned)
            return score

        study.optimize(objective, timeout=60 * minutes, catch=(ModelError,))
        trials, start_score = study.trials, study.user_attrs.get(START, np.nan)
    except (OSError, SQLAlchemyError, optuna.exceptions.StorageInternalError) as why:
        reason = str(why).splitlines()[0]
        raise EncoderError(f"{storage}: trials can't be kept there ({reason}): name another place") from None
    return Search(
        sorted(trials, key=lambda t: -1.0 if t.value is None else t.value, reverse=True), start_score
    )


def _suggest(
    trial: Any, start: FineTuningConfig, methods: Sequence[Method], losses: Sequence[TuningLoss]
) -> FineTuningConfig:
    """Draw a config; what a method or loss doesn't use stays as it is."""

    def one_of(name: str, *choices: object) -> Any:
        return trial.suggest_categorical(name, list(dict.fromkeys([*choices, getattr(start, name)])))

    def between(name: str, low: float, high: float, log: bool = False) -> float:
        given: float = getattr(start, name)
        value: float = trial.suggest_float(name, min(low, given), max(high, given), log=log)
        return value

    method, loss = trial.suggest_categorical("method", methods), trial.suggest_categorical("loss", losses)
    drawn: dict[str, Any] = {
        "hidden": one_of("hidden", 0, 2048, 4096, 8192),
        "dimensions": one_of("dimensions", 128, 256, 384),
        "power": between("power", 0.2, 0.5),
    }
    if method != "head":
        drawn["rate"] = between("rate", 2e-5, 1e-3, log=True)
    if method == "last-layers":
        drawn["layers"] = one_of("layers", 1, 2, 3)
    if method in ("lora", "prompt"):
        drawn["rank"] = one_of("rank", 4, 8, 16, 32)
    if loss == "distillation":
        drawn["blend"] = one_of("blend", 0.0, 0.2, 0.5, 0.8)
    if loss != "simcse":
        drawn["inverse_temperature"] = one_of("inverse_temperature", 0.0, 1.0, 2.0, 4.0)
        drawn["temperature"] = between("temperature", 0.03, 0.3, log=True)
        drawn["debias"] = between("debias", 0.0, 1.0)
    config = replace(start, method=method, loss=loss, **drawn)
    if not config.complete().steps:
        return config
    return replace(config, head_rate=between("head_rate", 1e-5, 1e-3, log=True))
