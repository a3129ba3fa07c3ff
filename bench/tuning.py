"""Fine-tune encoders in every way, and measure them as the only signal and in the whole; resumable."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.compared import alone, attention, differences, figures, remembered
from bench.run import RESULTS, keep, path_of
from bench.stored import Json, read
from tailrank.arrays import Doubles, Floats
from tailrank.cli.options import (
    item_vectors,
    load,
)
from tailrank.cli.progress import progress_bars
from tailrank.data.cache import cache_root
from tailrank.data.splits import Split, leave_one_out
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
"""Each way as it differs from the default recipe."""

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
    """Tune in one way, and keep its vectors, the values of each query, and what it took."""
    recipe, encoder, started = (
        FineTuningConfig(**WAYS[way], seed=seed),
        TextEncoder.load(),
        time.perf_counter(),
    )
    with progress_bars() as progress:
        tuned = finetune([Domain(split, texts, vectors)], encoder, recipe, progress, work / "checkpoint")
    table = tuned.vectors[0]
    about = {
        "minutes": (time.perf_counter() - started) / 60,
        **({"texts_per_second": recipe.batch * tuned.steps / tuned.seconds} if tuned.steps else {}),
        "parameters": tuned.parameters,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "best_step": tuned.best_step,
        "validation_steps": [next(iter(step.values())) for step in tuned.validation_steps],
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
    costs = ("minutes", "texts_per_second", "parameters", "peak_mb")
    means = {c: float(np.mean([each[c] for each in about])) for c in costs if about and c in about[0]}
    return {"way": name, "figures": figures(found, split), **means}


def main() -> None:
    """Store the table of one data set."""
    parser = argparse.ArgumentParser(prog="python -m bench.tuning", description=__doc__)
    parser.add_argument("data", type=Path, help="holds the data folders")
    parser.add_argument("name", help="of the data set")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--ways",
        nargs="+",
        choices=WAYS,
        default=list(WAYS),
        metavar="WAY",
        help="others keep what is stored",
    )
    parser.add_argument("--part", action="store_true", help="measure one way with one seed, store nothing")
    given = parser.parse_args()
    dataset = load(path_of(given.name, given.data))
    split, texts = leave_one_out(dataset), item_texts(dataset.items)
    vectors, encoder = item_vectors(dataset, "default", None)
    assert vectors is not None  # noqa: S101 - there is an encoder
    root = cache_root() / "tuning" / f"{given.name}-{dataset.fingerprint[:12]}"

    def place(way: str, seed: int) -> Path:
        return root / f"seed-{seed}" / way.replace(", ", "-").replace(" ", "")

    if given.part:
        measure(given.ways[0], given.seeds[0], split, texts, vectors, place(given.ways[0], given.seeds[0]))
        return
    seeds: list[int] = given.seeds
    frozen = [alone(attention(whitened(vectors, Settings()), split, seed), split) for seed in seeds]
    file = RESULTS / given.name / "tuning.json"
    stored: Json = read(file) if file.exists() else {"rows": [row(REFERENCES[0], frozen, split, [])]}
    rows = {each["way"]: each for each in stored["rows"]}
    rows.setdefault(REFERENCES[1], row(REFERENCES[1], [alone(Lexical.fit(texts), split)], split, []))
    for way in given.ways:
        for seed in seeds:
            if not (place(way, seed) / "about.json").exists():
                again = ["--seeds", str(seed), "--ways", way, "--part"]
                subprocess.run(  # noqa: S603 - this file
                    [sys.executable, "-m", "bench.tuning", given.data, given.name, *again], check=True
                )
        values = [np.load(place(way, seed) / "alone.npy") for seed in seeds]
        about = [json.loads((place(way, seed) / "about.json").read_text()) for seed in seeds]
        rows[way] = row(way, values, split, about) | {"difference": differences(values, frozen, split)}
        print(way, {metric: f"{x['mean']:.4f}" for metric, x in rows[way]["figures"].items()}, flush=True)
    said = {"dataset": given.name, "protocol": split.protocol, "fused": stored.get("fused", [])}
    said["rows"] = [rows[way] for way in (*REFERENCES, *WAYS) if way in rows]
    said["command"] = f"python -m bench.tuning DATA {given.name}"
    if WHOLE in given.ways:
        each = [
            remembered(
                place(WHOLE, seed) / "fused.npz",
                lambda seed=seed: fused(seed, split, vectors, np.load(place(WHOLE, seed) / "vectors.npy")),
            )
            for seed in seeds
        ]
        found = {name: [values[name] for values in each] for name in RANKERS}
        said["fused"] = [row(name, found[name], split, []) for name in RANKERS]
        for one, other in zip(said["fused"][::2], list(RANKERS)[1::2], strict=True):
            one["difference"] = differences(found[one["way"]], found[other], split)
    made = {**said, **encoder, **machine()}
    dates = {str(made["date"]), *stored.get("date", "").split(" and ")} - {""}
    keep(file, made | {"date": " and ".join(sorted(dates))})


if __name__ == "__main__":
    main()
