"""What freshness is worth: the same queries, ranked by the same models from events that arrive later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import numpy as np
import typer

from bench.study import Data, Json, Name, encoded, store
from tailrank.cli.progress import progress_bars
from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split, temporal
from tailrank.evaluation.baselines import FittedModel
from tailrank.evaluation.runner import fit
from tailrank.language.vectors import ItemVectors
from tailrank.metrics.full_ranking import measure, rank_queries
from tailrank.ranking.settings import Settings
from tailrank.reporting import Progress

DELAYS: Final = {"0s": 0.0, "1m": 60.0, "1h": 3600.0, "1d": 86_400.0, "frozen": None}
MODELS: Final = "tailrank,popularity,item-knn"
METRICS: Final = ("ndcg@10", "recall@10", "ndcg@10/tail80", "ndcg@10/count=1-5")
PER_USER: Final = 30
SETTINGS: Final = Settings(sequence_epochs=12)


def study(
    data: Dataset,
    spaces: Mapping[str, ItemVectors],
    models: Sequence[str],
    queries: int | None,
    progress: Progress,
) -> Json:
    """Fit models once, and measure them at each staleness.

    Parameters
    ----------
    data
        With timestamps.
    spaces
        Vectors of the items by the name of their space.
    models
        Names.
    queries
        Test queries to draw; None for all.
    progress
        Is called with how far it is.
    """
    fresh = _split(data, DELAYS["0s"], queries)
    fitted = fit(models, fresh, spaces, SETTINGS, progress)
    points = []
    for done, (name, delay) in enumerate(DELAYS.items()):
        progress("staleness", done, len(DELAYS), name)
        late = _split(data, delay, queries)
        if not _same_queries(fresh, late):
            raise SystemExit(f"{data.name}: at staleness {name} the queries are not those at 0s")
        metrics = {each.name: _metrics(each, late) for each in fitted}
        empty = float(np.mean(late.test.ends == late.test.starts))
        points.append({"staleness": name, "empty": empty, "models": metrics})
    protocol = fresh.protocol.replace(", staleness 0 s", "")
    return {"dataset": data.name, "protocol": protocol, "queries": len(fresh.test), "points": points}


def _split(data: Dataset, delay: float | None, queries: int | None) -> Split:
    split = temporal(data, PER_USER, delay)
    return split if queries is None else split.sampled(queries, SETTINGS.seed)


def _same_queries(one: Split, other: Split) -> bool:
    a, b = one.test, other.test
    pairs = ((a.users, b.users), (a.full_ends, b.full_ends), (a.targets, b.targets))
    return all(np.array_equal(left, right) for left, right in pairs)


def _metrics(model: FittedModel, split: Split) -> dict[str, float | None]:
    outcome = rank_queries(model.scorer, split.test, split)
    found = measure(outcome, split.test.targets, split.full_train.counts)
    return {metric: found[metric] for metric in METRICS}


def main(
    data: Data,
    name: Name,
    queries: Annotated[int | None, typer.Option(help="Test on a sample of this size.")] = None,
    models: Annotated[str, typer.Option(help="Separated by commas.")] = MODELS,
) -> None:
    """Measure one data set, and store the metrics."""
    dataset, vectors, about = encoded(name, data)
    with progress_bars() as progress:
        found = study(dataset, {"semantic": vectors}, models.split(","), queries, progress)
    store(f"{name}/staleness.json", {"seed": SETTINGS.seed, **found, **about})
