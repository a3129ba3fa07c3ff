"""What encoding without torch costs in likeness and ranking, and saves in time and memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final
from unittest.mock import patch

import numpy as np
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

from bench.study import Data, Json, attention, command, differences, encoded, ndcg, path_of, store, timed
from tailrank.arrays import Doubles, Floats
from tailrank.benchmarks.timing import percentiles
from tailrank.cli.options import load
from tailrank.data.cache import cache_root
from tailrank.data.splits import leave_one_out
from tailrank.devices import has_bfloat16
from tailrank.files import sha256_of
from tailrank.language.encoder import TextEncoder
from tailrank.language.onnx_encoder import ABOUT, GRAPH, OnnxEncoder, graph_folder
from tailrank.language.reading import Reading
from tailrank.language.sources import find_encoder
from tailrank.language.text import item_texts
from tailrank.language.whitening import Whitening
from tailrank.ranking.settings import Settings

SETS: Final = ("amazon-scientific", "amazon-beauty")
SHARES: Final = (1.0, 0.1)
"""Shares of the items whose vectors are made without torch, beside vectors of torch."""

SINGLE, BATCHES, BATCH, WARM_UP = 300, 10, 100, 20
SEED: Final = 0

START: Final = """
import json, sys, time
begun = time.perf_counter()
from tailrank.language.{module} import {name}
encoder = {name}.load()
encoder.encode(["tea"])
seconds = time.perf_counter() - begun
encoder.encode(json.load(sys.stdin))
with open("/proc/self/status") as status:
    lines = dict(line.split(":", 1) for line in status)
held, peak = (int(lines[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
print(json.dumps({{"start_seconds": seconds, "resident_mb": held, "peak_mb": peak}}))
"""

Encode = Callable[[Sequence[str]], Floats]
CLASSES: Final = {
    "torch": ("encoder", "TextEncoder"),
    "float32": ("onnx_encoder", "OnnxEncoder"),
    "int8": ("onnx_encoder", "OnnxEncoder"),
}


def exported(root: Path) -> tuple[dict[str, Path], float]:
    """Make a cache with the graph in float32 and one with it in int8; also give the seconds of the export."""
    with patch.dict(os.environ, TAILRANK_CACHE=str(root / "float32")):
        _, seconds = timed(OnnxEncoder.load)
        whole = graph_folder(find_encoder(), Reading())
    small = root / "int8" / whole.relative_to(root / "float32")
    shutil.copytree(whole, small)
    quantize_dynamic(whole / GRAPH, small / GRAPH, per_channel=True, weight_type=QuantType.QInt8)
    about = json.loads((small / ABOUT).read_text())
    about["sha256"][GRAPH] = sha256_of(small / GRAPH)
    (small / ABOUT).write_text(json.dumps(about))
    return {"torch": cache_root(), "float32": root / "float32", "int8": root / "int8"}, seconds


def loaded(caches: Mapping[str, Path]) -> dict[str, Encode]:
    """Load each runtime, one thread each."""
    torch.set_num_threads(1)
    found: dict[str, Encode] = {"torch": TextEncoder.load(device="cpu").encode}
    for name in ("float32", "int8"):
        with patch.dict(os.environ, TAILRANK_CACHE=str(caches[name])):
            found[name] = OnnxEncoder.load().encode
    return found


def starts(caches: Mapping[str, Path], texts: Sequence[str]) -> dict[str, Json]:
    """Start a process for each runtime: seconds to the first vector, memory after a batch of texts."""
    found = {}
    for name, (module, encoder) in CLASSES.items():
        done = subprocess.run(  # noqa: S603 - our own
            [sys.executable, "-c", START.format(module=module, name=encoder)],
            env=os.environ | {"TAILRANK_CACHE": str(caches[name]), "OMP_NUM_THREADS": "1"},
            input=json.dumps(list(texts)),
            capture_output=True,
            text=True,
            check=True,
        )
        found[name] = json.loads(done.stdout)
    return found


def speed(runtimes: Mapping[str, Encode], texts: Sequence[str]) -> dict[str, Json]:
    """Time single texts and batches; the runtimes take turns, so that all meet the same neighbours."""
    rng = np.random.default_rng(SEED)
    single = _seconds(runtimes, [[texts[i]] for i in rng.integers(len(texts), size=WARM_UP + SINGLE)])
    drawn = rng.permutation(len(texts))[: BATCH * (1 + BATCHES)].reshape(-1, BATCH)
    batched = _seconds(runtimes, [[texts[i] for i in rows] for rows in drawn])
    found = {}
    for name in runtimes:
        times = percentiles(1000 * single[name][WARM_UP:])
        at_once = BATCH / float(np.median(batched[name][1:]))
        found[name] = times | {"texts/s at 1": 1000 / times["p50_ms"], f"texts/s at {BATCH}": at_once}
    return found


def _seconds(runtimes: Mapping[str, Encode], calls: Sequence[list[str]]) -> dict[str, Doubles]:
    seconds = [[timed(partial(encode, call))[1] for encode in runtimes.values()] for call in calls]
    return dict(zip(runtimes, np.array(seconds).T, strict=True))


def likeness(name: str, data: Path, runtimes: Mapping[str, Encode]) -> dict[str, Json]:
    """Compare vectors with those of torch, and rank with them; the whitening is fitted on those of torch."""
    dataset, vectors, _ = encoded(name, data)
    reference = vectors.values
    split, texts = leave_one_out(dataset), item_texts(dataset.items)
    whitening = Whitening.fit(reference, Settings().dimensions)
    white = whitening.transform(reference)
    base = ndcg(attention(white, split, SEED), split)
    order = np.random.default_rng(SEED).permutation(len(texts))
    found: dict[str, Json] = {"torch": {"ndcg@10": float(base.mean())}}
    for runtime in ("float32", "int8"):
        encoded_here = runtimes[runtime](texts)
        white_here = whitening.transform(encoded_here)
        row = {"cosine": _cosine(encoded_here, reference), "cosine, whitened": _cosine(white_here, white)}
        for share in SHARES:
            mixed = white.copy()
            rows = order[: round(share * len(order))]
            mixed[rows] = white_here[rows]
            values = ndcg(attention(mixed, split, SEED), split)
            row[f"ndcg@10, {share:.0%} of the items"] = {
                "mean": float(values.mean()),
                "difference": differences([values], [base], split, ("",)).get("ndcg@10"),
            }
        found[runtime] = row
        print(name, runtime, json.dumps(row), flush=True)
    return found


def _cosine(a: Floats, b: Floats) -> Json:
    cosines = (a * b).sum(axis=1)[b.any(axis=1)]
    return {"min": float(cosines.min()), "mean": float(cosines.mean())}


def main(data: Data) -> None:
    """Measure, and store the results."""
    texts = [text for name in SETS for text in item_texts(load(path_of(name, data)).items) if text]
    with tempfile.TemporaryDirectory() as root:
        caches, export_seconds = exported(Path(root))
        runtimes = loaded(caches)
        graphs = {name: next(path.rglob(GRAPH)) for name, path in caches.items() if name != "torch"}
        sizes = {name: graph.stat().st_size / 1e6 for name, graph in graphs.items()}
        costs = {"speed": speed(runtimes, texts), "start": starts(caches, texts[:BATCH])}
        print(json.dumps(costs), flush=True)
        found = {name: likeness(name, data, runtimes) for name in SETS}
    dtype = "bfloat16" if has_bfloat16() else "float32"
    named = ", ".join(f"{name} {version(name)}" for name in ("torch", "sentence-transformers", "onnxruntime"))
    note = (
        f"The default encoder on one thread, torch in {dtype}; {SINGLE} single texts and {BATCHES} batches "
        f"of {BATCH} item texts of {' and '.join(SETS)}, the runtimes in turn. {named}."
    )
    about = {"command": f"OMP_NUM_THREADS=1 {command()}", "seed": SEED, "note": note}
    about |= {"export_seconds": export_seconds, "graph_mb": sizes, **costs, "sets": found}
    store("encoding.json", about)
