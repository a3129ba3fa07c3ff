"""Search for a recipe: trials in a database, so that a search goes on where it was interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from tailrank.errors import EncoderError, ModelError, RequestError
from tailrank.tuning.config import FineTuningConfig, Method, TuningLoss
from tailrank.tuning.finetuning import Tuned

WARM_LOOKS: Final = 2
"""Looks before a trial may be given up, and finished trials before any is."""

State = Literal["complete", "pruned", "running", "fail"]


@dataclass(frozen=True)
class Trial:
    """What became of one recipe.

    Attributes
    ----------
    number
        Counts from 0.
    state
        `pruned` where it was given up, as it ranked worse than most others had at the same look.
    worth
        Best look: mean of ndcg@10 on all validation targets and on those of the tail.
    settings
        What differs from the recipe that the search started from.
    """

    number: int
    state: State
    worth: float | None
    settings: dict[str, Any]


def search(
    storage: Path,
    name: str,
    start: FineTuningConfig,
    methods: Sequence[Method],
    losses: Sequence[TuningLoss],
    minutes: float,
    run: Callable[[FineTuningConfig, Callable[[int, float], bool]], Tuned],
    keep: Callable[[Tuned], None],
) -> list[Trial]:
    """Try recipes until the time is up; the next ones are drawn where earlier ones did well (TPE).

    Parameters
    ----------
    storage
        SQLite file of the trials; those of the same name that it holds count too.
    name
        Of what is searched for: trials of other data belong elsewhere.
    start
        Gives what isn't searched for.
    methods, losses
        To choose from.
    minutes
        To start trials in; a trial that is under way then ends at its next look.
    run
        Tunes by a recipe; the second argument is that of `finetune`.
    keep
        Is given what ranks better than every trial before.

    Returns
    -------
    list of Trial
        All trials so far, the best first.

    Raises
    ------
    RequestError
        Where optuna is missing, or there is no time.
    EncoderError
        Where the database can't be used.
    """
    try:
        import optuna
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError:
        raise RequestError('tune needs optuna: pip install "tailrank[tuning]"') from None
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
            pruner=optuna.pruners.MedianPruner(WARM_LOOKS, WARM_LOOKS),
        )
        end = time.monotonic() + 60 * minutes
        for old in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
            study.tell(old.number, state=optuna.trial.TrialState.FAIL)  # its process has gone
        # A sampler starts anew with each process: its seed must not draw the same trials again.
        study.sampler = optuna.samplers.TPESampler(seed=start.seed + len(study.trials), multivariate=True)

        def objective(trial: Any) -> float:
            given_up, looks = False, 0

            def go_on(_: int, worth: float) -> bool:
                nonlocal given_up, looks
                looks += 1
                trial.report(worth, looks)
                given_up = trial.should_prune()
                return not given_up and time.monotonic() < end

            tuned = run(_suggest(trial, start, methods, losses), go_on)
            if given_up and tuned.steps < tuned.learner.recipe.steps:
                raise optuna.TrialPruned
            if tuned.worth > max((t.value for t in study.get_trials() if t.value is not None), default=-1.0):
                keep(tuned)
            return tuned.worth

        while time.monotonic() < end:
            study.optimize(objective, n_trials=1, catch=(ModelError,))
        trials = [Trial(t.number, t.state.name.lower(), t.value, t.params) for t in study.trials]
    except (OSError, SQLAlchemyError, optuna.exceptions.StorageInternalError) as why:
        reason = str(why).splitlines()[0]
        raise EncoderError(f"{storage}: trials can't be kept there ({reason}): name another place") from None
    return sorted(trials, key=lambda trial: -1.0 if trial.worth is None else trial.worth, reverse=True)


def _suggest(
    trial: Any, start: FineTuningConfig, methods: Sequence[Method], losses: Sequence[TuningLoss]
) -> FineTuningConfig:
    """Draw a recipe; what a method or loss doesn't use stays as it is."""
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
        drawn["sharpness"] = trial.suggest_categorical("sharpness", (0.0, 1.0, 2.0, 4.0))
        drawn["temperature"] = trial.suggest_float("temperature", 0.03, 0.3, log=True)
        drawn["debias"] = trial.suggest_float("debias", 0.0, 1.0)
    recipe = replace(start, method=method, loss=loss, **drawn)
    if not recipe.complete().steps:
        return recipe
    return replace(recipe, head_rate=trial.suggest_float("head_rate", 1e-5, 1e-3, log=True))
