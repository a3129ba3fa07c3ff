"""Full ranking: every model orders the whole catalogue for every test query."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from tailrank.arrays import Bools
from tailrank.data.splits import Split
from tailrank.errors import RequestError
from tailrank.evaluation.baselines import FittedModel, find_model
from tailrank.evaluation.frontier import MAX_LOSS, Dial, Frontier
from tailrank.evaluation.grounds import measure_grounds
from tailrank.evaluation.results import Evaluation
from tailrank.evaluation.sweep import Sample, trace
from tailrank.files import written_file
from tailrank.folders import check_room_for_report
from tailrank.language.vectors import ItemVectors
from tailrank.policy.registry import described
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.reporting import Progress, silent
from tailrank.running import Run, run_here


def fit(
    names: Sequence[str],
    split: Split,
    spaces: Mapping[str, ItemVectors],
    settings: Settings,
    progress: Progress = silent,
) -> list[FittedModel]:
    """Fit models by name.

    Parameters
    ----------
    names
        As in `--models`.
    split
        What to learn from.
    spaces
        Vector spaces by name; the other models read `semantic`, if there is one.
    settings
        How tailrank is fitted; the other models take from it what they share.
    progress
        Called with the number of models that are fitted.

    Raises
    ------
    RequestError
        On an unknown model, or one that can't be fitted here or to these data.
    """
    models, fits = [], [find_model(name) for name in names]
    for done, (name, fit_model) in enumerate(zip(names, fits, strict=True)):
        progress("fit", done, len(names), name)
        start = time.perf_counter()
        fitted = fit_model(split, spaces, settings, progress)
        if not isinstance(fitted, FittedModel):
            fitted = FittedModel(name, fitted, time.perf_counter() - start)
        models.append(fitted)
    progress("fit", len(names), len(names))
    return models


def evaluate(
    models: Sequence[FittedModel],
    split: Split,
    spaces: Mapping[str, ItemVectors],
    settings: Settings,
    about: Mapping[str, object] | None = None,
    progress: Progress = silent,
    groups: Mapping[str, Bools] | None = None,
    run: Run = run_here,
) -> Evaluation:
    """Rank the test queries with every model, measure, and compare the first with each of the others.

    Parameters
    ----------
    models
        Fitted on the split, the one of interest first.
    split
        Whose test queries to rank.
    spaces
        Vector spaces by name; `semantic` measures the diversity of lists.
    settings
        How tailrank was fitted; its seed is that of the bootstrap.
    about
        Encoder and machine, printed in the report.
    progress
        Called with the number of queries that each model has ranked.
    groups
        Items of each group whose exposure is measured, as `item_groups` gives them.
    run
        Who ranks the queries.

    Raises
    ------
    RequestError
        If there is no test query.
    """
    if not len(split.test):
        raise RequestError(f"{split.full_train.name}: no test query under the protocol {split.protocol}")
    vectors = spaces["semantic"].values if "semantic" in spaces else None
    full, *fair = measure_grounds(models, split, vectors, settings.seed, progress, groups, run)
    fused = next((model.scorer for model in models if isinstance(model.scorer, Reranker)), None)
    return Evaluation(
        dataset=split.full_train.name,
        protocol=split.protocol,
        settings=_settings(models, fused, settings) | dict(about or {}),
        counts=split.full_train.counts,
        full=full,
        fair=fair[0] if fair else None,
        least_count=split.least_count,
        fusion=fused.fusion if fused else None,
    )


def sweep(
    dials: Mapping[str, Dial],
    models: Sequence[FittedModel],
    split: Split,
    spaces: Mapping[str, ItemVectors],
    settings: Settings,
    max_loss: float = MAX_LOSS,
    progress: Progress = silent,
    run: Run = run_here,
) -> Frontier:
    """Turn dials of policies on the first model; its own are left out.

    Where signals were fitted on validation events, too, the model is fitted once more without them, to
    choose by.

    Parameters
    ----------
    dials
        By name.
    models, split, spaces, settings
        As for `evaluate`.
    max_loss
        Share of ndcg@10 that a choice may lose on validation queries.
    progress
        Called with the number of queries that are ranked.
    run
        As for `evaluate`.

    Raises
    ------
    RequestError
        If the first model has no policies, there is no query on fair ground, or a step can't be applied.
    """
    first = models[0]
    earlier = first.scorer
    if split.full_train is not split.train:
        before = replace(split, full_train=split.train)
        earlier = fit([first.name], before, spaces, settings, progress)[0].scorer
    if not isinstance(first.scorer, Reranker) or not isinstance(earlier, Reranker):
        raise RequestError(f"{first.name} has no policies: name tailrank first")
    samples = Sample.of_validation(earlier, split), Sample.of_test(first.scorer, split)
    vectors = spaces["semantic"].values if "semantic" in spaces else None
    return trace(dials, *samples, max_loss, vectors, settings.seed, progress, run)


def write(evaluation: Evaluation, folder: Path | str) -> None:
    """Write `metrics.json` and `report.html` to a folder, made if there is none.

    Each file appears whole or not at all.

    Raises
    ------
    RequestError
        If the folder can't be written to or holds data or a model, or a package that draws the report is
        missing.
    """
    check_room_for_report(Path(folder))
    try:
        with written_file(Path(folder, "metrics.json")) as new:
            new.write_text(evaluation.to_json(), encoding="utf-8")
        from tailrank.evaluation.report import render

        with written_file(Path(folder, "report.html")) as new:
            new.write_text(render(evaluation), encoding="utf-8")
    except OSError as why:
        raise RequestError(f"can't write to {folder} ({why.strerror}): name another folder") from None
    except ModuleNotFoundError as missing:
        raise RequestError(
            f"metrics.json is in {folder}; report.html also needs {missing.name}: "
            "install it with `pip install 'tailrank[report]'`"
        ) from None


def _settings(models: Sequence[FittedModel], fused: Reranker | None, settings: Settings) -> dict[str, object]:
    """Collect how the models were fitted."""
    found: dict[str, object] = {**asdict(settings), "policy": described(fused.steps()) if fused else []}
    if fused:
        weights = fused.fusion
        found |= {"tail_emphasis": weights.tail_emphasis, "new_lift": weights.new_lift}
        found["sequence"] = fused.about["sequence"]
    tuning = {model.name: model.tuning for model in models if model.tuning}
    return found | {"tuning": tuning} if tuning else found
