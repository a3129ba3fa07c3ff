"""Let other recommenders find candidates, re-rank them, and store what that is worth."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from bench.run import RESULTS, keep, path_of
from tailrank.cli.options import (
    item_vectors,
    load,
)
from tailrank.cli.progress import progress_bars
from tailrank.data.splits import leave_one_out
from tailrank.evaluation import runner as protocol
from tailrank.evaluation.list_reranking import LESSONS, reordered, retrieve
from tailrank.machine import machine
from tailrank.metrics.full_ranking import measure
from tailrank.ranking.fitting import Settings
from tailrank.ranking.reranker import Reranker

RETRIEVERS: Final = (("als",), ("ncf",), ("als", "item-knn", "ncf"))
METRICS: Final = ("ndcg@10", "recall@10", "ndcg@10/tail80", "ndcg@10/count=1-5", "aplt@10")


def study(root: Path, name: str, seed: int) -> dict[str, object]:
    """Fit everything once, and order what each group of retrievers finds."""
    dataset = load(path_of(name, root))
    split = leave_one_out(dataset)
    vectors, about = item_vectors(dataset, "default", None)
    settings = Settings(seed=seed, sequence_epochs=12)
    with progress_bars() as progress:
        names = ["tailrank", *sorted({each for group in RETRIEVERS for each in group})]
        fitted = {one.name: one.scorer for one in protocol.fit(names, split, vectors, settings, progress)}
    reranker = fitted["tailrank"]
    assert isinstance(reranker, Reranker)  # noqa: S101 - what `protocol.fit` gives for that name
    lists = []
    for group in RETRIEVERS:
        models = {each: fitted[each] for each in group}
        validation_sample = retrieve(models, split.validation.sample(LESSONS, seed), split)
        asked = retrieve(models, split.test, split)
        counts, figures = split.full_train.counts, {}
        for order, outcome in reordered(reranker, validation_sample, asked, split.full_train).items():
            found = measure(outcome, split.test.targets, counts, None)
            figures[order] = {metric: found[metric] for metric in METRICS}
        lists.append({"retriever": " + ".join(group), "ceiling": asked.ceiling, "models": figures})
    return {"protocol": split.protocol, "seed": seed, "lists": lists, **about, **machine()}


def main() -> None:
    """Store the study of one data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="holds the data folders")
    parser.add_argument("name", help="of the data set")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    command = f"python -m bench.reranking DATA {given.name} --seed {given.seed}"
    found = study(given.data, given.name, given.seed)
    keep(RESULTS / given.name / "reranking.json", {"dataset": given.name, "command": command, **found})


if __name__ == "__main__":
    main()
