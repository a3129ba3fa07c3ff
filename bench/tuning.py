"""Fine-tune encoders in every way, and measure them as the only signal and in the whole; resumable."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from bench import study
from bench.stored import read
from tailrank.arrays import Floats
from tailrank.cli.progress import progress_bars
from tailrank.data.splits import Split, leave_one_out
from tailrank.language.encoder import TextEncoder
from tailrank.language.text import item_texts
from tailrank.language.vectors import ItemVectors
from tailrank.machine import machine
from tailrank.ranking.fitting import fit_before, fuse
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

FROZEN, LEXICAL = "frozen, whitened", "TF-IDF"
COSTS: Final = ("minutes", "texts_per_second", "parameters", "peak_mb")
EPOCHS: Final = 12
"""Of the sequence model in the whole."""

RANKERS: Final = {
    "whole, with tuned": (),
    "whole": ("tuned",),
    "without sequence model, with tuned": ("sequence",),
    "without sequence model": ("sequence", "tuned"),
}
"""Signals that each ranker leaves out."""

WITHOUT: Final = {name: name.removesuffix(", with tuned") for name in RANKERS if name.endswith("tuned")}
"""What rankers with the tuned signal are compared with."""


def tune(way: str, seed: int, name: str, data: Path) -> study.Values:
    """Tune in one way; gives ndcg@10 of each test query, the vectors, and the costs."""
    dataset, vectors, _ = study.encoded(name, data)
    split, texts = leave_one_out(dataset), item_texts(dataset.items)
    checkpoint = study.kept_file("tuning", dataset, seed, way).with_suffix(".checkpoint")
    config, encoder = FineTuningConfig(**WAYS[way], seed=seed), TextEncoder.load()
    started = time.perf_counter()
    with progress_bars() as progress:
        tuned = finetune([Domain(split, texts, vectors.values)], encoder, config, progress, checkpoint)
    costs = {
        "minutes": (time.perf_counter() - started) / 60,
        **({"texts_per_second": config.batch * tuned.steps / tuned.seconds} if tuned.steps else {}),
        "parameters": tuned.parameters,
        "peak_mb": study.peak_mb(),
    }
    alone = study.ndcg(study.attention(tuned.vectors[0], split, seed), split)
    checkpoint.unlink(missing_ok=True)
    vectors_of_items = tuned.vectors[0].astype(np.float64)
    return {"alone": alone, "vectors": vectors_of_items} | {k: np.array(cost) for k, cost in costs.items()}


def fused(seed: int, split: Split, vectors: ItemVectors, tuned: Floats) -> study.Values:
    """Give ndcg@10 of each test query of four rankers: with the tuned signal, the sequence model, or both."""
    settings, found = Settings(seed=seed, sequence_epochs=EPOCHS), {}
    signals = fit_before(split, {"semantic": vectors, "tuned": ItemVectors(tuned, whiten=False)}, settings)
    for name, left_out in RANKERS.items():
        before = tuple(signal for signal in signals.before if signal.name not in left_out)
        fitted = fuse(replace(signals, before=before), settings)
        found[name] = study.ndcg(Reranker.from_fitted(fitted), split)
    return found


def main(
    data: study.Data,
    name: study.Name,
    seeds: study.Seeds = "0,1,2",
    way: Annotated[
        list[str] | None, typer.Option(help="May be given again; others keep what is stored.")
    ] = None,
) -> None:
    """Store the table of one data set."""
    ways, all_seeds = study.chosen(way, WAYS), study.numbers(seeds)
    dataset, vectors, about = study.encoded(name, data)
    split = leave_one_out(dataset)
    file = study.RESULTS / name / "tuning.json"
    stored: study.Json = read(file) if file.exists() else {"rows": []}
    rows: dict[str, study.Json] = {each["way"]: each for each in stored["rows"]}
    white = study.whitened(vectors)
    frozen = [study.ndcg(study.attention(white, split, seed), split) for seed in all_seeds]
    [lexical] = Lexical.fit(study.training_data(split, 0, texts=item_texts(dataset.items)))
    for reference, values in {FROZEN: frozen, LEXICAL: [study.ndcg(lexical, split)]}.items():
        rows.setdefault(reference, {"way": reference, **study.row(values, split)})
    for each in ways:
        found = study.collect("tuning", dataset, all_seeds, partial(_parts, each, name, data))
        rows[each] = {"way": each, **study.row(found["alone"], split, frozen)}
        rows[each] |= {cost: float(np.mean(found[cost])) for cost in COSTS if cost in found}
    about |= {"command": f"python -m bench tuning DATA {name}", "protocol": split.protocol}
    about |= {"rows": [rows[each] for each in (FROZEN, LEXICAL, *WAYS) if each in rows]}
    about |= {"fused": stored.get("fused", [])}
    if WHOLE in ways:
        found = study.collect("tuning", dataset, all_seeds, partial(_parts, WHOLE, name, data))
        tuned = {seed: v.astype(np.float32) for seed, v in zip(all_seeds, found["vectors"], strict=True)}
        found = study.collect(
            "tuning", dataset, all_seeds, lambda n: {"fused": partial(fused, n, split, vectors, tuned[n])}
        )
        about["fused"] = [
            {"way": each, **study.row(values, split, found.get(WITHOUT.get(each, "")))}
            for each, values in found.items()
        ]
    dates = {str(machine()["date"]), *stored.get("date", "").split(" and ")} - {""}
    study.store(f"{name}/tuning.json", {**about, "date": " and ".join(sorted(dates))})


def _parts(way: str, name: str, data: Path, seed: int) -> dict[str, Callable[[], study.Values]]:
    return {way: partial(study.alone, tune, way, seed, name, data)}
