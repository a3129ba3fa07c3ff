"""Let other recommenders find candidates, re-rank them, and store what that is worth."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from bench.study import Data, Json, Name, encoded, store
from tailrank.cli.progress import progress_bars
from tailrank.data.splits import Split, leave_one_out
from tailrank.evaluation.list_reranking import VALIDATION_LISTS, reordered, retrieve
from tailrank.evaluation.runner import fit
from tailrank.language.vectors import ItemVectors
from tailrank.metrics.full_ranking import measure
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings

RETRIEVERS: Final = (("als",), ("ncf",), ("als", "item-knn", "ncf"))
METRICS: Final = ("ndcg@10", "recall@10", "ndcg@10/tail80", "ndcg@10/count=1-5", "aplt@10")


def study(split: Split, vectors: ItemVectors, seed: int) -> list[Json]:
    """Fit everything once, and order what each group of retrievers finds."""
    names = ["tailrank", *sorted({each for group in RETRIEVERS for each in group})]
    with progress_bars() as progress:
        models = fit(names, split, {"semantic": vectors}, Settings(seed=seed, sequence_epochs=12), progress)
    fitted = {each.name: each.scorer for each in models}
    reranker = fitted["tailrank"]
    assert isinstance(reranker, Reranker)  # noqa: S101 - what `fit` gives for that name
    lists = []
    for group in RETRIEVERS:
        retrievers = {each: fitted[each] for each in group}
        learned_from = retrieve(retrievers, split.validation.sample(VALIDATION_LISTS, seed), split)
        found = retrieve(retrievers, split.test, split)
        orders = {}
        for order, outcome in reordered(reranker, learned_from, found, split.full_train).items():
            metrics = measure(outcome, split.test.targets, split.full_train.counts, None)
            orders[order] = {metric: metrics[metric] for metric in METRICS}
        lists.append({"retriever": " + ".join(group), "ceiling": found.ceiling, "models": orders})
    return lists


def main(data: Data, name: Name, seed: Annotated[int, typer.Option()] = 0) -> None:
    """Store the study of one data set."""
    dataset, vectors, about = encoded(name, data)
    split = leave_one_out(dataset)
    about |= {"protocol": split.protocol, "seed": seed, "lists": study(split, vectors, seed)}
    store(f"{name}/reranking.json", about)
