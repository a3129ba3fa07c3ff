"""Turn the dials of policies on one data set, and store what each gives for what it takes; resumes."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from bench.study import Data, Json, Name, encoded, kept_file, store
from tailrank.cli.progress import progress_bars
from tailrank.data.cold_items import natural_protocol
from tailrank.data.splits import Split, leave_one_out, temporal
from tailrank.evaluation.frontier import MAX_LOSS, Frontier, find_dials
from tailrank.evaluation.sweep import Sample, trace
from tailrank.files import written_file
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings

DIALS: Final = ("exposure", "tail", "xquad", "mmr", "dpp")
PER_USER: Final = 30
READ: Final = ("aplt@10", "ndcg@10/tail80", "coverage@10", "gini@10", "ild@10")
"""Metrics that are read where each dial has lost as much as may be lost."""


def model(split: Split, vectors: ItemVectors, folder: Path) -> Reranker:
    """Fit without the sequence model, once."""
    if not folder.exists():
        with progress_bars() as progress:
            Reranker.fit(split, vectors, Settings(), progress).save(folder)
    return Reranker.load(folder)


def told(frontier: Frontier) -> Json:
    """Say where a dial leads, and what it gives at the loss that is allowed."""
    [curve] = frontier.curves
    read = {metric: curve.at_loss(metric, frontier.max_loss, frontier.plain) for metric in READ}
    return {**asdict(curve), "at_loss": read}


def main(
    data: Data,
    name: Name,
    seed: Annotated[int, typer.Option()] = 0,
    queries: Annotated[
        int, typer.Option(help="Rank at most as many of each kind, drawn by the seed.")
    ] = 10_000,
) -> None:
    """Store the frontier of one data set."""
    dataset, vectors, about = encoded(name, data)
    by_time = natural_protocol(dataset) == "temporal"
    split = temporal(dataset, PER_USER) if by_time else leave_one_out(dataset)

    def kept(part: str) -> Path:
        return kept_file("frontier", dataset, seed, part).with_suffix("")

    fitted = model(split, vectors, kept("model"))
    earlier = model(replace(split, full_train=split.train), vectors, kept("earlier")) if by_time else fitted
    validation, test = (
        replace(sample, queries=sample.queries.sample(queries, seed))
        for sample in (Sample.of_validation(earlier, split), Sample.of_test(fitted, split))
    )
    curves, frontier = [], None
    for dial, turned in find_dials(DIALS).items():
        file = kept(dial).with_suffix(".json")
        if not file.exists():
            with progress_bars() as progress:
                found = trace({dial: turned}, validation, test, MAX_LOSS, vectors.values, seed, progress)
            with written_file(file) as new:
                new.write_bytes(msgspec.json.encode(found))
        frontier = msgspec.json.decode(file.read_bytes(), type=Frontier)
        curves.append(told(frontier))
        print(dial, curves[-1]["changes"], curves[-1]["at_loss"], flush=True)
    assert frontier is not None  # noqa: S101 - there are dials
    whole = {**asdict(frontier), "curves": curves}
    store(f"{name}/frontier.json", about | {"protocol": split.protocol, "seed": seed, **whole})
