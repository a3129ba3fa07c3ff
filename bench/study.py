"""What studies share: options, values of queries that are kept, metrics with intervals, stored results."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import resource
import shlex
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Final, ParamSpec, TypeAlias, TypeVar

import numpy as np
import typer

from tailrank.arrays import Bools, Doubles, Floats
from tailrank.cli.options import load
from tailrank.cli.spaces import encoders, vector_spaces
from tailrank.data.cache import cache_root
from tailrank.data.candidates import Scorer
from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split
from tailrank.errors import RequestError
from tailrank.files import written_file
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

Found: TypeAlias = dict[str, list[Doubles]]
"""The values of each seed, by name."""

Data: TypeAlias = Annotated[
    Path, typer.Argument(metavar="DATA", help="Holds the data folders; fetches public sets that it lacks.")
]
Name: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="Of the data set.")]
HELD: Final = {"MODEL": "manifest.json", "RECOGNIZER": "model.bin", "WRITER": "config.json"}
"""What a folder holds, by a file in it."""

Seeds: TypeAlias = Annotated[str, typer.Option(help="Separated by commas.")]
Model: TypeAlias = Annotated[Path, typer.Argument(metavar="MODEL", help="Model folder to serve.")]
Keep: TypeAlias = Annotated[bool, typer.Option("--keep", help="Keep what is printed in bench/results.")]
T = TypeVar("T")
P = ParamSpec("P")


def numbers(seeds: str) -> list[int]:
    """Read seeds that are separated by commas."""
    return [int(seed) for seed in seeds.split(",")]


def chosen(names: Sequence[str] | None, known: Iterable[str]) -> list[str]:
    """Give what was chosen by name, by default all; refuses names that aren't known."""
    listed = list(known)
    for name in names or []:
        if name not in listed:
            raise RequestError(f"{name}: choose from {'; '.join(listed)}")
    return list(names or listed)


def path_of(name: str, data: Path) -> str:
    """Name the folder of a data set, or the set itself if `data` lacks it."""
    return str(data / name) if (data / name).exists() else name


def encoded(name: str, data: Path) -> tuple[Dataset, ItemVectors, Json]:
    """Read a data set; gives it, the default encoder's vectors, and what reports say of both."""
    dataset = load(path_of(name, data))
    spaces = vector_spaces(dataset, "default", None)
    return dataset, spaces["semantic"], {"dataset": name, "encoders": encoders(spaces)}


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


def training_data(split: Split, seed: int, **given: Any) -> TrainingData:
    """Prepare what a single signal is fitted on: `texts` or `vectors`."""
    sample = validation_sample(split, Settings(seed=seed))
    return TrainingData(split, sample, seed=seed, **{"texts": (), **given})


def collect(
    study: str,
    dataset: Dataset,
    seeds: Sequence[int],
    parts: Callable[[int], Mapping[str, Callable[[], Values]]],
) -> Found:
    """Give the values of each seed by name, from every part of a study.

    `parts` gives what computes them for a seed. What a part gave is kept, so that a study resumes.
    """
    found: Found = defaultdict(list)
    for seed in seeds:
        for part, compute in parts(seed).items():
            for name, values in remembered(kept_file(study, dataset, seed, part), compute).items():
                found[name].append(values)
    return found


def kept_file(study: str, dataset: Dataset, seed: int, part: str) -> Path:
    """Name the file that keeps a part's values: remove it to measure anew."""
    folder = cache_root() / study / f"{dataset.name}-{dataset.fingerprint[:12]}" / f"seed-{seed}"
    return folder / (re.sub(r"[^\w.]+", "-", part) + ".npz")


def remembered(file: Path, compute: Callable[[], Values]) -> Values:
    """Read what a file keeps, and compute it first if it isn't there."""
    if not file.exists():
        computed = compute()
        with written_file(file) as new:
            np.savez(new, **computed)  # type: ignore[arg-type]
        means = {name: f"{values.mean():.4f}" for name, values in computed.items() if values.ndim == 1}
        print(file.stem, means, flush=True)
    with np.load(file) as kept:
        return dict(kept)


def masks(split: Split, groups: Sequence[str]) -> dict[str, Bools]:
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


def row(
    values: Sequence[Doubles],
    split: Split,
    against: Sequence[Doubles] | None = None,
    groups: Sequence[str] = GROUPS,
) -> Json:
    """Give metrics and, if there is something to compare with, how they differ from its."""
    difference = {} if against is None else {"difference": differences(values, against, split, groups)}
    return {"metrics": means(values, split, groups), **difference}


def compared(found: Found, against: str, split: Split) -> list[Json]:
    """Give a row for each way; all but one of them are compared with that one."""
    return [
        {"way": name, **row(values, split, None if name == against else found[against])}
        for name, values in found.items()
    ]


def timed(call: Callable[[], T]) -> tuple[T, float]:
    """Give what a call returns, and the seconds that it took."""
    start = time.perf_counter()
    returned = call()
    return returned, time.perf_counter() - start


def alone(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a process of its own, so that its memory is its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        return fresh.submit(call, *args, **kwargs).result()


def peak_mb() -> float:
    """Give the memory that this process had at its peak."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def tailrank(*arguments: str, **how: Any) -> subprocess.CompletedProcess[bytes]:
    """Run the command line, with threads that don't spin while they wait."""
    program = Path(sys.executable).with_name("tailrank")
    passive = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    return subprocess.run([program, *arguments], env=passive, check=False, **how)  # noqa: S603 - our own


def store(file: str, contents: Mapping[str, Any]) -> None:
    """Keep results in a file of `bench/results`, with the command that made them, and with the machine."""
    about = {"command": command(), **machine(), **contents}
    with written_file(RESULTS / file) as new:
        new.write_text(json.dumps(about, indent=1, default=str), encoding="utf-8")


def report(file: str, contents: Mapping[str, Any], kept: bool) -> None:
    """Print results as one JSON object and, if asked to, keep them in a file of `bench/results`."""
    print(json.dumps({**contents, **machine()}), flush=True)
    if kept:
        store(file, contents)


def _held(word: str) -> str:
    """Name a folder by what it holds; another word stays as it is."""
    folder = Path(word)
    if not folder.is_dir():
        return word
    held = (name for name, file in HELD.items() if (folder / file).exists())
    return next(held, "DATA")


def command() -> str:
    """Write the command that runs, for anyone to repeat."""
    words = [word for word in sys.argv[1:] if word != "--keep"]
    return f"python -m bench {shlex.join([*words[:1], *map(_held, words[1:])])}"
