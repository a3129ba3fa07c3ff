"""Full ranking: every model orders the whole catalogue for every test query."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import numpy as np

from tailrank.arrays import Bools, Floats
from tailrank.data.histories import Queries
from tailrank.data.splits import Split
from tailrank.errors import RequestError
from tailrank.evaluation.baselines import FittedModel, find_model
from tailrank.evaluation.results import Comparison, Evaluation, TradeoffPoint
from tailrank.files import written_file
from tailrank.language.vectors import ItemVectors
from tailrank.metrics.beyond_accuracy import exposure
from tailrank.metrics.full_ranking import Outcome, measure, per_query, rank_queries, scored
from tailrank.metrics.popularity import target_groups
from tailrank.metrics.significance import paired_bootstrap
from tailrank.policy.base import Scored
from tailrank.policy.registry import described
from tailrank.policy.tail import TailBoost, rarity
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.reporting import Progress, silent

STRENGTHS: Final = (0.0, 0.0625, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0)
SWEPT: Final = 2_000
"""Queries on which the strength of the tail policy is swept."""


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

    Raises
    ------
    RequestError
        If there is no test query.
    """
    test, counts = split.test, split.full_train.counts
    vectors = spaces["semantic"].values if "semantic" in spaces else None
    if not len(test):
        raise RequestError(f"{split.full_train.name}: no test query under the protocol {split.protocol}")
    metrics: dict[str, dict[str, float | None]] = {}
    outcomes: dict[str, Outcome] = {}
    for model in models:
        start = time.perf_counter()
        outcome = rank_queries(model.scorer, test, split, progress, f"rank with {model.name}")
        seconds = time.perf_counter() - start
        outcomes[model.name] = outcome
        metrics[model.name] = measure(outcome, test.targets, counts, vectors) | {
            "fit_seconds": model.fit_seconds,
            "rank_ms_per_user": 1000 * seconds / len(test),
        }
    fused = next((model.scorer for model in models if isinstance(model.scorer, Reranker)), None)
    return Evaluation(
        dataset=split.full_train.name,
        protocol=split.protocol,
        users=len(np.unique(test.users)),
        queries=len(test),
        settings=_settings(models, fused, settings) | dict(about or {}),
        models=metrics,
        counts=counts,
        exposure={name: exposure(outcome.top, len(counts)) for name, outcome in outcomes.items()},
        comparisons=_compare(outcomes, test, target_groups(counts)["tail80"][test.targets], settings.seed),
        tradeoff=_sweep(fused, split, vectors, settings.seed) if fused else [],
        fusion=fused.fusion if fused else None,
    )


def write(evaluation: Evaluation, folder: Path | str) -> None:
    """Write `metrics.json` and `report.html` to a folder, made if there is none.

    Each file appears whole or not at all.

    Raises
    ------
    RequestError
        If the folder can't be written to, or a package that draws the report is missing.
    """
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
    found = {**asdict(settings), "policy": described(fused.policy) if fused else []}
    tuning = {model.name: model.tuning for model in models if model.tuning}
    return found | {"tuning": tuning} if tuning else found


def _compare(outcomes: Mapping[str, Outcome], test: Queries, tail: Bools, seed: int) -> list[Comparison]:
    """Compare the first model with each other one, on all targets and on those in the tail."""
    first, *others = outcomes
    comparisons = []
    for other in others:
        for metric, rows in (("ndcg@10", None), ("ndcg@10/tail80", tail)):
            a, b = per_query(outcomes[first]), per_query(outcomes[other])
            found = paired_bootstrap(a, b, test.users, rows, seed=seed)
            if found:
                comparisons.append(Comparison(first, other, metric, found.mean, (found.low, found.high)))
    return comparisons


def _sweep(reranker: Reranker, split: Split, vectors: Floats | None, seed: int) -> list[TradeoffPoint]:
    """Measure the tail policy at a rising strength on a sample of the test queries."""
    queries, counts = split.test.sample(SWEPT, seed), split.full_train.counts
    rare = rarity(counts)
    outcomes: dict[float, list[Outcome]] = {strength: [] for strength in STRENGTHS}
    for batch, scores in scored(replace(reranker, policy=()), queries, split):
        for strength, found in outcomes.items():
            boosted = TailBoost(strength).apply(Scored(scores, rare)).scores
            found.append(Outcome.from_scores(boosted, batch.targets))
    return [
        TradeoffPoint(strength, measure(Outcome.from_batches(found), queries.targets, counts, vectors))
        for strength, found in outcomes.items()
    ]
