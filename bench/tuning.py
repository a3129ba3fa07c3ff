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

from bench.stored import read
from bench.study import (
    RESULTS,
    Data,
    Json,
    Name,
    Seeds,
    Values,
    attention,
    by_name,
    differences,
    encoded,
    means,
    ndcg,
    numbers,
    remembered,
    store,
)
from tailrank.arrays import Doubles, Floats
from tailrank.cli.progress import progress_bars
from tailrank.data.cache import cache_root
from tailrank.data.splits import Split, leave_one_out
from tailrank.errors import RequestError
from tailrank.language.encoder import TextEncoder
from tailrank.language.text import item_texts
from tailrank.machine import machine
from tailrank.ranking.fitting import Settings, Signals, fit_signals, whitened
from tailrank.ranking.reranker import Reranker
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


def measure(way: str, seed: int, split: Split, texts: list[str], vectors: Floats, work: Path) -> None:
    """Tune in one way, and keep its vectors, the values of each query, and its costs."""
    config, encoder = FineTuningConfig(**WAYS[way], seed=seed), TextEncoder.load()
    started = time.perf_counter()
    with progress_bars() as progress:
        tuned = finetune([Domain(split, texts, vectors)], encoder, config, progress, work / "checkpoint")
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
    np.save(work / "alone.npy", ndcg(attention(space, split, seed), split))
    (work / "about.json").write_text(json.dumps(about))
    (work / "checkpoint").unlink(missing_ok=True)


def fused(seed: int, split: Split, vectors: Floats, space: Floats) -> Values:
    """Give ndcg@10 of each test query of four rankers: with the tuned signal, the sequence model, or both."""
    settings = Settings(seed=seed, sequence_epochs=EPOCHS)
    signals = fit_signals(split, vectors, settings, tuned=space)
    found = {}
    for name, left_out in RANKERS.items():
        before, after = (
            tuple(signal for signal in each if signal.name not in left_out) for each in signals[:2]
        )
        chosen = Signals(before, after)
        found[name] = ndcg(Reranker.of(split, chosen, settings), split)
    return found


def row(name: str, found: list[Doubles], split: Split, about: list[Json]) -> Json:
    """Average one way over queries and seeds."""
    costs = ("minutes", "texts_per_second", "parameters", "peak_mb")
    averages = {c: float(np.mean([each[c] for each in about])) for c in costs if about and c in about[0]}
    return {"way": name, "metrics": means(found, split), **averages}


def main(
    data: Data,
    name: Name,
    seeds: Seeds = "0,1,2",
    way: Annotated[
        list[str] | None, typer.Option(help="May be given again; others keep what is stored.")
    ] = None,
    part: Annotated[bool, typer.Option(help="Measure one way with one seed, store nothing.")] = False,
) -> None:
    """Store the table of one data set."""
    ways = way or list(WAYS)
    if unknown := [each for each in ways if each not in WAYS]:
        raise RequestError(f"no way is called {unknown[0]!r}: choose from {'; '.join(WAYS)}")
    dataset, vectors, about = encoded(name, data)
    split, texts = leave_one_out(dataset), item_texts(dataset.items)
    root = cache_root() / "tuning" / f"{name}-{dataset.fingerprint[:12]}"

    def folder_of(way: str, seed: int) -> Path:
        return root / f"seed-{seed}" / way.replace(", ", "-").replace(" ", "")

    if part:
        seed = numbers(seeds)[0]
        measure(ways[0], seed, split, texts, vectors, folder_of(ways[0], seed))
        return
    frozen = [ndcg(attention(whitened(vectors, Settings()), split, seed), split) for seed in numbers(seeds)]
    file = RESULTS / name / "tuning.json"
    stored: Json = read(file) if file.exists() else {"rows": [row(REFERENCES[0], frozen, split, [])]}
    rows = {each["way"]: each for each in stored["rows"]}
    rows.setdefault(REFERENCES[1], row(REFERENCES[1], [ndcg(Lexical.fit(texts), split)], split, []))
    for each in ways:
        folders = {seed: folder_of(each, seed) for seed in numbers(seeds)}
        for seed, folder in folders.items():
            if not (folder / "about.json").exists():
                again = ["tuning", str(data), name, "--seeds", str(seed), "--way", each, "--part"]
                # A process of its own, so that its peak memory is that of one way.
                subprocess.run([sys.executable, "-m", "bench", *again], check=True)  # noqa: S603
        values = [np.load(folder / "alone.npy") for folder in folders.values()]
        costs = [json.loads((folder / "about.json").read_text()) for folder in folders.values()]
        rows[each] = row(each, values, split, costs) | {"difference": differences(values, frozen, split)}
        print(each, {metric: f"{x['mean']:.4f}" for metric, x in rows[each]["metrics"].items()}, flush=True)
    said = {"dataset": name, "protocol": split.protocol, "fused": stored.get("fused", [])}
    if WHOLE in ways:
        folders = {seed: folder_of(WHOLE, seed) for seed in numbers(seeds)}
        said["fused"] = fused_rows(split, vectors, folders)
    dates = {str(machine()["date"]), *stored.get("date", "").split(" and ")} - {""}
    said["rows"] = [rows[each] for each in (*REFERENCES, *WAYS) if each in rows]
    store(f"{name}/tuning.json", {**said, **about, "date": " and ".join(sorted(dates))})


def fused_rows(split: Split, vectors: Floats, folders: dict[int, Path]) -> list[Json]:
    """Give the metrics of each ranker, and how those with the tuned signal differ from those without."""
    values = [
        remembered(folder / "fused.npz", partial(_fused, seed, split, vectors, folder))
        for seed, folder in folders.items()
    ]
    found, rows = by_name(values), []
    for with_tuned, without in zip(list(RANKERS)[::2], list(RANKERS)[1::2], strict=True):
        pair = differences(found[with_tuned], found[without], split)
        rows.append(row(with_tuned, found[with_tuned], split, []) | {"difference": pair})
        rows.append(row(without, found[without], split, []))
    return rows


def _fused(seed: int, split: Split, vectors: Floats, folder: Path) -> Values:
    return fused(seed, split, vectors, np.load(folder / "vectors.npy"))
