"""Fine-tune encoders in every way, and measure them as the only signal and in the whole; resumable."""

from __future__ import annotations

import argparse
import json
import resource
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.run import RESULTS, keep, path_of
from bench.stored import Json
from tailrank.arrays import Bools, Doubles, Floats
from tailrank.cli.options import item_vectors, load, machine, steps
from tailrank.data.cache import cache_root
from tailrank.data.splits import Split, leave_one_out
from tailrank.evaluation.metrics import per_query, target_groups
from tailrank.evaluation.ranking import rank_queries
from tailrank.evaluation.significance import paired_bootstrap
from tailrank.language.encoder import TextEncoder
from tailrank.language.text import item_texts
from tailrank.language.tuning.domains import Domain
from tailrank.language.tuning.recipe import Recipe
from tailrank.language.tuning.training import finetune
from tailrank.ranking.fitting import Settings, Signals, fit_signals, lessons, whitened
from tailrank.ranking.reranker import Reranker
from tailrank.signals.lexical import Lexical
from tailrank.signals.protocol import Scorer
from tailrank.signals.semantic import SemanticAttention

LONG: Final = {"hidden": 4096, "steps": 4000, "every": 250}
SHORT: Final = {"hidden": 2048, "steps": 280, "every": 70, "rate": 2e-4}
WHOLE: Final = "head, distillation, long"
WAYS: Final[dict[str, dict[str, Any]]] = {
    WHOLE: LONG,
    "head, distillation": SHORT,
    "last-layers 2, distillation": {**SHORT, "method": "last-layers"},
    "last-layers 1, distillation": {**SHORT, "method": "last-layers", "layers": 1},
    "lora, distillation": {**SHORT, "method": "lora"},
    "prompt, distillation": {**SHORT, "method": "prompt", "rank": 8},
    "full, distillation": {**SHORT, "method": "full"},
    **{f"head, {loss}": {**SHORT, "loss": loss} for loss in ("next-item", "pairs", "bce", "simcse")},
    "last-layers 1, next-item": {
        **SHORT,
        "method": "last-layers",
        "layers": 1,
        "loss": "next-item",
        "batch": 32,
        "context": 4,
    },
    "last-layers 1, simcse": {**SHORT, "method": "last-layers", "layers": 1, "loss": "simcse", "batch": 64},
}
"""Each way as it differs from the default recipe; the short ones see the same number of texts."""

SLOW: Final = tuple(name for name in WAYS if not name.startswith("head"))
"""Ways that run the model in every step: measured with the first seed alone."""

EPOCHS: Final = 12
"""Of the sequence model in the whole."""

RANKERS: Final = {
    "whole, with tuned": (),
    "whole": ("tuned",),
    "without sequence model, with tuned": ("sequence",),
    "without sequence model": ("sequence", "tuned"),
}
"""Signals that each ranker leaves out."""

GROUPS: Final = ("", "tail80", "count=0", "count=1-5")


def masks(split: Split) -> dict[str, Bools]:
    """Name the groups of test queries."""
    groups = target_groups(split.past.counts) | {"": np.ones(split.past.n_items, bool)}
    return {f"ndcg@10/{name}".rstrip("/"): groups[name][split.test.targets] for name in GROUPS}


def alone(scorer: Scorer, split: Split) -> Doubles:
    """Give ndcg@10 of each test query under one signal."""
    return per_query(rank_queries(scorer, split.test, split))


def attention(vectors: Floats, split: Split, seed: int) -> Scorer:
    """Fit the attention over vectors."""
    asked = lessons(split, Settings(seed=seed))
    return SemanticAttention.fit(vectors, len(split.train.event_types), asked, seed)


def measure(way: str, seed: int, split: Split, texts: list[str], vectors: Floats, work: Path) -> None:
    """Tune in one way, and keep its vectors, the values of each query, and what it took."""
    recipe, encoder, started = Recipe(**WAYS[way], seed=seed), TextEncoder.load(), time.perf_counter()
    with steps() as progress:
        tuned = finetune([Domain(split, texts, vectors)], encoder, recipe, progress, work / "checkpoint")
    table = tuned.tables[0]
    about = {
        "minutes": (time.perf_counter() - started) / 60,
        "texts_per_second": recipe.batch * tuned.steps / tuned.seconds,
        "parameters": tuned.parameters,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "best_look": tuned.best,
        "looks": [next(iter(look.values())) for look in tuned.looks],
    }
    work.mkdir(parents=True, exist_ok=True)
    np.save(work / "vectors.npy", table)
    np.save(work / "alone.npy", alone(attention(table, split, seed), split))
    (work / "about.json").write_text(json.dumps(about))
    (work / "checkpoint").unlink(missing_ok=True)


def fused(seed: int, split: Split, vectors: Floats, table: Floats) -> dict[str, Doubles]:
    """Give ndcg@10 of each test query of four rankers: with the tuned signal, the sequence model, or both."""
    settings = Settings(seed=seed, sequence_epochs=EPOCHS)
    signals = fit_signals(split, vectors, settings, tuned=table)
    found = {}
    for name, left_out in RANKERS.items():
        chosen = Signals(*(tuple(s for s in each if s.name not in left_out) for each in signals[:2]))
        found[name] = alone(Reranker.of(split, chosen, settings), split)
    return found


def row(name: str, found: list[Doubles], split: Split, about: list[Json]) -> Json:
    """Average one way over queries and seeds."""
    figures = {
        metric: {"mean": float(np.mean(seeds)), "seeds": seeds}
        for metric, mask in masks(split).items()
        if (seeds := [float(each[mask].mean()) for each in found]) and mask.any()
    }
    costs = ("minutes", "texts_per_second", "parameters", "peak_mb")
    means = {cost: float(np.mean([each[cost] for each in about])) for cost in costs if about}
    return {"way": name, "figures": figures, **means}


def differences(a: list[Doubles], b: list[Doubles], split: Split) -> Json:
    """Bound what the mean of one has over the mean of the other."""
    found = {}
    for metric, mask in masks(split).items():
        one = paired_bootstrap(np.mean(a, axis=0), np.mean(b, axis=0), split.test.users, mask)
        if one:
            found[metric] = {"mean": one.mean, "ci95": [one.low, one.high]}
    return found


def main() -> None:
    """Store the table of one data set."""
    parser = argparse.ArgumentParser(prog="python -m bench.tuning", description=__doc__)
    parser.add_argument("data", type=Path, help="holds the data folders")
    parser.add_argument("name", help="of the data set")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY")
    parser.add_argument("--part", action="store_true", help="measure one way with one seed, store nothing")
    given = parser.parse_args()
    dataset = load(path_of(given.name, given.data))
    split, texts = leave_one_out(dataset), item_texts(dataset.items)
    vectors, about = item_vectors(dataset, "default", None)
    assert vectors is not None  # noqa: S101 - there is an encoder
    root = cache_root() / "tuning" / f"{given.name}-{dataset.fingerprint[:12]}"

    def place(way: str, seed: int) -> Path:
        return root / f"seed-{seed}" / way.replace(", ", "-").replace(" ", "")

    if given.part:
        measure(given.ways[0], given.seeds[0], split, texts, vectors, place(given.ways[0], given.seeds[0]))
        return
    frozen = [alone(attention(whitened(vectors, Settings()), split, seed), split) for seed in given.seeds]
    rows = [
        row("frozen, whitened", frozen, split, []),
        row("TF-IDF", [alone(Lexical.fit(texts), split)], split, []),
    ]
    for way in given.ways:
        done = []
        for seed in given.seeds[:1] if way in SLOW else given.seeds:
            work = place(way, seed)
            if not (work / "about.json").exists():
                again = ["--seeds", str(seed), "--ways", way, "--part"]
                subprocess.run(  # noqa: S603 - this file
                    [sys.executable, "-m", "bench.tuning", given.data, given.name, *again], check=True
                )
            done.append(work)
        values = [np.load(work / "alone.npy") for work in done]
        found = row(way, values, split, [json.loads((work / "about.json").read_text()) for work in done])
        rows.append(found | {"difference": differences(values, frozen[: len(values)], split)})
        print(way, {metric: f"{x['mean']:.4f}" for metric, x in found["figures"].items()}, flush=True)
    said = {"dataset": given.name, "protocol": split.protocol, "seeds": given.seeds, "rows": rows}
    said["command"] = f"python -m bench.tuning DATA {given.name}"
    if given.ways != list(WAYS):
        said["command"] += f" --ways {shlex.join(given.ways)}"
    if WHOLE in given.ways:
        each = [_fused(place(WHOLE, seed), seed, split, vectors) for seed in given.seeds]
        values = {name: [found[name] for found in each] for name in RANKERS}
        said["fused"] = [row(name, values[name], split, []) for name in RANKERS]
        for one, other in zip(said["fused"][::2], list(RANKERS)[1::2], strict=True):
            one["difference"] = differences(values[one["way"]], values[other], split)
    keep(RESULTS / given.name / "tuning.json", {**said, **about, **machine()})


def _fused(work: Path, seed: int, split: Split, vectors: Floats) -> dict[str, Doubles]:
    file = work / "fused.npz"
    if not file.exists():
        found = fused(seed, split, vectors, np.load(work / "vectors.npy"))
        np.savez(file, **found)  # type: ignore[arg-type]
        print(f"seed {seed}:", {name: f"{values.mean():.4f}" for name, values in found.items()}, flush=True)
    with np.load(file) as kept:
        return dict(kept)


if __name__ == "__main__":
    main()
