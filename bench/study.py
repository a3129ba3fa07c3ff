"""What studies share: options, data, values of queries, metrics with their intervals, and stored results."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import numpy as np
import typer

from tailrank.arrays import Bools, Doubles, Floats
from tailrank.cli.options import encoders, load, vector_spaces
from tailrank.data.candidates import Scorer
from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split
from tailrank.language.vectors import ItemVectors
from tailrank.machine import machine
from tailrank.metrics.full_ranking import per_query, rank_queries
from tailrank.metrics.popularity import target_groups
from tailrank.metrics.significance import paired_bootstrap
from tailrank.ranking.fitting import validation_sample
from tailrank.ranking.settings import Settings
from tailrank.signals.semantic import SemanticAttention
from tailrank.signals.training_data import TrainingData

RESULTS: Final = Path(__file__).with_name("results")
GROUPS: Final = ("", "tail80", "count=0", "count=1-5")
"""Of test queries, by their target; the first is all of them."""

Json: TypeAlias = dict[str, Any]
Values: TypeAlias = dict[str, Doubles]
"""ndcg@10 of each test query, by the name of what ranked them."""

Data: TypeAlias = Annotated[
    Path, typer.Argument(metavar="DATA", help="Holds the data folders; fetches public sets that it lacks.")
]
Name: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="Of the data set.")]
Seeds: TypeAlias = Annotated[str, typer.Option(help="Separated by commas.")]
Model: TypeAlias = Annotated[Path, typer.Argument(metavar="MODEL", help="Model folder to serve.")]
Keep: TypeAlias = Annotated[bool, typer.Option("--keep", help="Keep what is printed in bench/results.")]


def numbers(seeds: str) -> list[int]:
    """Read seeds that are separated by commas."""
    return [int(seed) for seed in seeds.split(",")]


def path_of(name: str, data: Path) -> str:
    """Name the folder of a data set, or the set itself if `data` lacks it."""
    return str(data / name) if (data / name).exists() else name


def encoded(name: str, data: Path) -> tuple[Dataset, ItemVectors, Json]:
    """Read a data set; gives it, the default encoder's vectors, and what reports say of the encoder."""
    dataset = load(path_of(name, data))
    spaces = vector_spaces(dataset, "default", None)
    return dataset, spaces["semantic"], {"encoders": encoders(spaces)}


def whitened(vectors: ItemVectors | Floats) -> Floats:
    """Give vectors, shape (items, d), in the space that signals compare them in."""
    given = vectors if isinstance(vectors, ItemVectors) else ItemVectors(vectors)
    return given.space(Settings().dimensions).transform(given.values)


def ndcg(scorer: Scorer, split: Split) -> Doubles:
    """Give ndcg@10 of each test query under one signal, or under a whole ranker."""
    return per_query(rank_queries(scorer, split.test, split))


def attention(vectors: Floats, split: Split, seed: int) -> SemanticAttention:
    """Fit the attention over vectors of shape (items, d), as they are."""
    [fitted] = SemanticAttention.fit(training_data(split, seed, vectors={"semantic": vectors}))
    return fitted


def training_data(
    split: Split, seed: int, texts: Sequence[str] = (), vectors: Mapping[str, Floats] | None = None
) -> TrainingData:
    """Prepare what a single signal is fitted on."""
    sample = validation_sample(split, Settings(seed=seed))
    return TrainingData(split, sample, texts, vectors or {}, seed=seed)


def remembered(file: Path, make: Callable[[], Values]) -> Values:
    """Read the values of queries that a file keeps, and make them first if it isn't there."""
    if not file.exists():
        made = make()
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_name(f"{os.getpid()}-{file.name}")
        np.savez(beside, **made)  # type: ignore[arg-type]
        beside.replace(file)  # so that what is kept is whole
        print(file.stem, {name: f"{values.mean():.4f}" for name, values in made.items()}, flush=True)
    with np.load(file) as kept:
        return dict(kept)


def by_name(found: Sequence[Values]) -> dict[str, list[Doubles]]:
    """Turn values by seed into those of each seed by name."""
    return {name: [values[name] for values in found] for name in found[0]}


def masks(split: Split, groups: Sequence[str] = GROUPS) -> dict[str, Bools]:
    """Mark the test queries of each group, by the metric's name."""
    found = target_groups(split.full_train.counts) | {"": np.ones(split.full_train.n_items, bool)}
    return {f"ndcg@10/{name}".rstrip("/"): found[name][split.test.targets] for name in groups}


def means(found: Sequence[Doubles], split: Split, groups: Sequence[str] = GROUPS) -> Json:
    """Average the values of each seed over queries, and over seeds."""
    return {
        metric: {"mean": float(np.mean(seeds)), "seeds": seeds}
        for metric, mask in masks(split, groups).items()
        if mask.any() and (seeds := [float(each[mask].mean()) for each in found])
    }


def differences(
    a: Sequence[Doubles], b: Sequence[Doubles], split: Split, groups: Sequence[str] = GROUPS
) -> Json:
    """Bound the mean of one minus the mean of the other, by resampling users."""
    found = {}
    for metric, mask in masks(split, groups).items():
        one = paired_bootstrap(np.mean(a, axis=0), np.mean(b, axis=0), split.test.users, mask)
        if one:
            found[metric] = {"mean": one.mean, "ci95": [one.low, one.high]}
    return found


def compared(found: Mapping[str, Sequence[Doubles]], against: str, split: Split) -> list[Json]:
    """Give the metrics of each way, and how it differs from one of them."""
    return [
        {"way": name, "metrics": means(values, split)}
        | ({} if name == against else {"difference": differences(values, found[against], split)})
        for name, values in found.items()
    ]


def store(file: str, contents: Mapping[str, Any]) -> None:
    """Keep results in a file of `bench/results`, with the command that made them, and with the machine."""
    keep(RESULTS / file, {"command": command(), **machine(), **contents})


def keep(file: Path, contents: Mapping[str, Any]) -> None:
    """Write JSON beside, then rename, so that what is stored is whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".part")
    beside.write_text(json.dumps(contents, indent=1, default=str), encoding="utf-8")
    beside.rename(file)


def report(file: str, contents: Mapping[str, Any], kept: bool) -> None:
    """Print results as one JSON object and, if asked to, keep them in a file of `bench/results`."""
    print(json.dumps({**contents, **machine()}), flush=True)
    if kept:
        store(file, contents)


def command() -> str:
    """Write the command that runs, for anyone to repeat: a folder by what it holds."""
    words = [word for word in sys.argv[1:] if word != "--keep"]
    at = 2 if words[0] == "resilience" else 1
    if len(words) > at and Path(words[at]).is_dir():
        words[at] = "MODEL" if Path(words[at], "manifest.json").exists() else "DATA"
    return f"python -m bench {shlex.join(words)}"
