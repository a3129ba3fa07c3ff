"""Search for a config: trials in a database, so that a search goes on after an interruption."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tailrank.errors import EncoderError, ModelError, RequestError, needs
from tailrank.tuning.config import FineTuningConfig, Method, TuningLoss
from tailrank.tuning.finetuning import Tuned

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

WARM_UP: Final = 2
"""Validation steps before a trial may be pruned, and finished trials before any is."""


def search(
    storage: Path,
    name: str,
    start: FineTuningConfig,
    methods: Sequence[Method],
    losses: Sequence[TuningLoss],
    minutes: float,
    run: Callable[[FineTuningConfig, Callable[[int, float], bool]], Tuned],
    keep: Callable[[Tuned], None],
) -> list[FrozenTrial]:
    """Try configs until the time is up; the next ones are drawn near those that did well (TPE).

    Parameters
    ----------
    storage
        SQLite file of the trials; those of the same name that it holds count too.
    name
        Of the study: trials of other data need another one.
    start
        Settings that aren't searched for.
    methods, losses
        To choose from.
    minutes
        To start trials in; a trial that runs longer ends at its next validation step.
    run
        Tunes by a config; the second argument is `on_validation` of `finetune`.
    keep
        Is given every tuned encoder that ranks better than all trials before.

    Returns
    -------
    list of optuna.trial.FrozenTrial
        All trials so far, the best first. `value` is the `validation_score` of the best validation step, None
        if there was none; `params` is what differs from `start`; the state is `PRUNED` if the trial was given
        up, as it ranked worse than the median of others at the same validation step.

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
            if pruned and tuned.steps < tuned.encoder.config.steps:
                raise optuna.TrialPruned
            score = tuned.validation_score
            if score > max((t.value for t in study.get_trials() if t.value is not None), default=-1.0):
                keep(tuned)
            return score

        study.optimize(objective, timeout=60 * minutes, catch=(ModelError,))
        trials = study.trials
    except (OSError, SQLAlchemyError, optuna.exceptions.StorageInternalError) as why:
        reason = str(why).splitlines()[0]
        raise EncoderError(f"{storage}: trials can't be kept there ({reason}): name another place") from None
    return sorted(trials, key=lambda t: -1.0 if t.value is None else t.value, reverse=True)


def _suggest(
    trial: Any, start: FineTuningConfig, methods: Sequence[Method], losses: Sequence[TuningLoss]
) -> FineTuningConfig:
    """Draw a config; what a method or loss doesn't use stays as it is."""
    method, loss = trial.suggest_categorical("method", methods), trial.suggest_categorical("loss", losses)
    drawn: dict[str, Any] = {
        "hidden": trial.suggest_categorical("hidden", (0, 2048, 4096, 8192)),
        "dimensions": trial.suggest_categorical("dimensions", (128, 256, 384)),
        "power": trial.suggest_float("power", 0.2, 0.5),
    }
    if method != "head":
        drawn["rate"] = trial.suggest_float("rate", 2e-5, 1e-3, log=True)
    if method == "last-layers":
        drawn["layers"] = trial.suggest_int("layers", 1, 3)
    if method in ("lora", "prompt"):
        drawn["rank"] = trial.suggest_categorical("rank", (4, 8, 16, 32))
    if loss == "distillation":
        drawn["blend"] = trial.suggest_categorical("blend", (0.0, 0.2, 0.5, 0.8))
    if loss != "simcse":
        drawn["inverse_temperature"] = trial.suggest_categorical("inverse_temperature", (0.0, 1.0, 2.0, 4.0))
        drawn["temperature"] = trial.suggest_float("temperature", 0.03, 0.3, log=True)
        drawn["debias"] = trial.suggest_float("debias", 0.0, 1.0)
    config = replace(start, method=method, loss=loss, **drawn)
    if not config.complete().steps:
        return config
    return replace(config, head_rate=trial.suggest_float("head_rate", 1e-5, 1e-3, log=True))
