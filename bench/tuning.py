"""Fine-tune encoders in every way, and measure them as the only signal and in the whole; resumable."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from bench import study
from bench.stored import read
from tailrank.arrays import Doubles
from tailrank.cli.progress import progress_bars
from tailrank.data.cache import cache_root
from tailrank.data.splits import Split, leave_one_out
from tailrank.errors import RequestError
from tailrank.language.encoder import TextEncoder
from tailrank.language.text import item_texts
from tailrank.language.vectors import ItemVectors
from tailrank.machine import machine
from tailrank.ranking.fitting import FittedSignals, fit_both, fuse
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.signals.lexical import Lexical
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.domains import Domain
from tailrank.tuning.finetuning import finetune

SHORT: Final = {"steps": 280, "every": 70}
SLOW: Final = {"steps": 100, "every": 100, "batch": 32, "rate": 5e-5, "head_rate": 1e-5, "dropout": 0.0}
UPPER: Final = {**SLOW, "method": "last-layers", "layers": 1, "every": 50}
WHOLE: Final = "head, distillation"
WAYS: Final[dict[str, dict[str, Any]]] = {
    WHOLE: {},
    "head of 2,048 units, distillation": {"hidden": 2048},
    "linear head, distillation": {"hidden": 0},
    "last-layers 1, distillation": UPPER,
    "last-layers 2, distillation": {**UPPER, "layers": 2},
    "lora, distillation": {**SLOW, "method": "lora", "rate": 2e-4},
    "prompt, distillation": {**SLOW, "method": "prompt", "rank": 8, "rate": 1e-3},
    "full, distillation": {**SLOW, "method": "full"},
    **{f"head, {loss}": {**SHORT, "loss": loss} for loss in ("next-item", "pairs", "bce", "simcse")},
    **{
        f"last-layers 1, {loss}": {**UPPER, "loss": loss, "context": 4, "dropout": 0.1}
        for loss in ("next-item", "pairs", "bce", "simcse")
    },
}
"""Each way as it differs from the default configuration."""

REFERENCES: Final = ("frozen, whitened", "TF-IDF")

EPOCHS: Final = 12
"""Of the sequence model in the whole."""

RANKERS: Final = {
    "whole, with tuned": (),
    "whole": ("tuned",),
    "without sequence model, with tuned": ("sequence",),
    "without sequence model": ("sequence", "tuned"),
}
"""Signals that each ranker leaves out."""


def measure(way: str, seed: int, split: Split, texts: list[str], vectors: ItemVectors, work: Path) -> None:
    """Tune in one way, and keep its vectors, the values of each query, and its costs."""
    config, encoder = FineTuningConfig(**WAYS[way], seed=seed), TextEncoder.load()
    started = time.perf_counter()
    with progress_bars() as progress:
        tuned = finetune(
            [Domain(split, texts, vectors.values)], encoder, config, progress, work / "checkpoint"
        )
    space = tuned.vectors[0]
    about = {
        "minutes": (time.perf_counter() - started) / 60,
        **({"texts_per_second": config.batch * tuned.steps / tuned.seconds} if tuned.steps else {}),
        "parameters": tuned.parameters,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "best_step": tuned.best_step,
        "validation_steps": [next(iter(step.values())) for step in tuned.validation_steps],
    }
    work.mkdir(parents=True, exist_ok=True)
    np.save(work / "vectors.npy", space)
    np.save(work / "alone.npy", study.ndcg(study.attention(space, split, seed), split))
    (work / "about.json").write_text(json.dumps(about))
    (work / "checkpoint").unlink(missing_ok=True)


def fused(seed: int, split: Split, vectors: ItemVectors, folder: Path) -> study.Values:
    """Give ndcg@10 of each test query of four rankers: with the tuned signal, the sequence model, or both."""
    settings, found = Settings(seed=seed, sequence_epochs=EPOCHS), {}
    tuned = ItemVectors(np.load(folder / "vectors.npy"), whiten=False)
    signals = fit_both(split, {"semantic": vectors, "tuned": tuned}, settings)
    for name, left_out in RANKERS.items():
        before, after = (tuple(s for s in each if s.name not in left_out) for each in signals[:2])
        fitted = fuse(split, FittedSignals(before, after, signals.spaces), settings)
        found[name] = study.ndcg(Reranker.from_fitted(fitted), split)
    return found


def row(name: str, found: list[Doubles], split: Split, about: list[study.Json]) -> study.Json:
    """Average one way over queries and seeds."""
    costs = ("minutes", "texts_per_second", "parameters", "peak_mb")
    averages = {c: float(np.mean([each[c] for each in about])) for c in costs if about and c in about[0]}
    return {"way": name, "metrics": study.means(found, split), **averages}


def main(
    data: study.Data,
    name: study.Name,
    seeds: study.Seeds = "0,1,2",
    way: Annotated[
        list[str] | None, typer.Option(help="May be given again; others keep what is stored.")
    ] = None,
    part: Annotated[bool, typer.Option("--part", help="Measure one way with one seed alone.")] = False,
) -> None:
    """Store the table of one data set."""
    ways, all_seeds = way or list(WAYS), study.numbers(seeds)
    if unknown := [each for each in ways if each not in WAYS]:
        raise RequestError(f"no way is called {unknown[0]!r}: choose from {'; '.join(WAYS)}")
    dataset, vectors, about = study.encoded(name, data)
    split, texts = leave_one_out(dataset), item_texts(dataset.items)
    root = cache_root() / "tuning" / f"{name}-{dataset.fingerprint[:12]}"
    folders = {
        each: {n: root / f"seed-{n}" / each.replace(", ", "-").replace(" ", "") for n in all_seeds}
        for each in (*ways, WHOLE)
    }
    if part:
        measure(ways[0], all_seeds[0], split, texts, vectors, folders[ways[0]][all_seeds[0]])
        return
    white = study.whitened(vectors)
    frozen = [study.ndcg(study.attention(white, split, n), split) for n in all_seeds]
    file = study.RESULTS / name / "tuning.json"
    stored: study.Json = read(file) if file.exists() else {"rows": [row(REFERENCES[0], frozen, split, [])]}
    rows = {each["way"]: each for each in stored["rows"]}
    [lexical] = Lexical.fit(study.training_data(split, 0, texts))
    rows.setdefault(REFERENCES[1], row(REFERENCES[1], [study.ndcg(lexical, split)], split, []))
    for each in ways:
        values, costs = measured(each, folders[each], data, name)
        rows[each] = row(each, values, split, costs)
        rows[each]["difference"] = study.differences(values, frozen, split)
        print(each, {metric: f"{x['mean']:.4f}" for metric, x in rows[each]["metrics"].items()}, flush=True)
    said: study.Json = {
        "command": f"python -m bench tuning DATA {name}",
        "dataset": name,
        "protocol": split.protocol,
    }
    said["rows"] = [rows[each] for each in (*REFERENCES, *WAYS) if each in rows]
    said["fused"] = stored.get("fused", [])
    if WHOLE in ways:
        said["fused"] = fused_rows(split, vectors, folders[WHOLE])
    dates = {str(machine()["date"]), *stored.get("date", "").split(" and ")} - {""}
    study.store(f"{name}/tuning.json", {**said, **about, "date": " and ".join(sorted(dates))})


def measured(
    way: str, folders: dict[int, Path], data: Path, name: str
) -> tuple[list[Doubles], list[study.Json]]:
    """Give ndcg@10 of each query and the costs, by seed; what isn't in its folder yet is measured first."""
    for seed, folder in folders.items():
        if not (folder / "about.json").exists():
            again = ["tuning", str(data), name, "--seeds", str(seed), "--way", way, "--part"]
            # A process of its own, so that its peak memory is that of one way.
            subprocess.run([sys.executable, "-m", "bench", *again], check=True)  # noqa: S603
    costs = [json.loads((folder / "about.json").read_text()) for folder in folders.values()]
    return [np.load(folder / "alone.npy") for folder in folders.values()], costs


def fused_rows(split: Split, vectors: ItemVectors, folders: dict[int, Path]) -> list[study.Json]:
    """Give the metrics of each ranker, and how those with the tuned signal differ from those without."""
    found = study.by_name(
        [
            study.remembered(folder / "fused.npz", partial(fused, seed, split, vectors, folder))
            for seed, folder in folders.items()
        ]
    )
    rows = {name: row(name, values, split, []) for name, values in found.items()}
    for tuned, without in zip(list(RANKERS)[::2], list(RANKERS)[1::2], strict=True):
        rows[tuned]["difference"] = study.differences(found[tuned], found[without], split)
    return list(rows.values())
