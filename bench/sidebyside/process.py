"""What is measured without a server."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from bench.sidebyside.ground import Ground
from bench.sidebyside.side import Side
from bench.study import Json, timed
from tailrank.benchmarks.launcher import Server, cores, pinned
from tailrank.cli.options import data_folder
from tailrank.errors import RequestError
from tailrank.language.text import item_texts

CANDIDATES: Final = 200
FEW, FEW_CANDIDATES, EVENTS = 10_000, 500, 50
RANKINGS: Final = 10
"""Rankings that are compared for each request that is timed."""

WORDS: Final = 60
"""Of a text."""

STARTS: Final = 3
IMPORT: Final = (
    "import time; start = time.perf_counter(); import tailrank; print(time.perf_counter() - start)"
)


def latency(ground: Ground, side: Side, _: int) -> dict[str, float]:
    """Time 200 candidates for 50 events."""
    return ranked(side, ground.model_of(side), ground.requests(CANDIDATES), ground.sizes.requests)


def ranked(side: Side, model: Path, requests: Path, calls: int) -> dict[str, float]:
    """Time rankings on one core."""
    with pinned(cores()[1]):
        return side.probe("ranking", model=model, requests=requests, calls=calls)


def scores(ground: Ground, side: Side, _: int) -> dict[str, float]:
    """Compare a build's rankings with those of the one that made the model."""
    if side == ground.maker:
        return {"largest_difference": 0.0, "changed_orders": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        given: Json = {"model": ground.model, "requests": ground.requests(CANDIDATES)}
        found = []
        for each in (ground.maker, side):
            file = Path(folder, f"{each.name}.npz")
            each.probe("scores", n=RANKINGS * ground.sizes.requests, out=file, **given)
            found.append(np.load(file))
    old, new = found
    return {
        "largest_difference": float(np.abs(old["scores"] - new["scores"]).max()),
        "changed_orders": float((old["ranks"] != new["ranks"]).any(axis=1).sum()),
    }


def items(ground: Ground, side: Side, _: int) -> dict[str, float]:
    """Time 500 candidates in a small catalogue and in a large one."""
    found = {}
    for size, n in (("few", FEW), ("many", ground.sizes.items)):
        requests = ground.made_up_requests(n, EVENTS, FEW_CANDIDATES)
        found[size] = ranked(side, ground.made_up_model(n), requests, ground.sizes.requests)
    return {f"{size}_{key}": value for size, row in found.items() for key, value in row.items()}


def state(ground: Ground, side: Side, _: int) -> dict[str, float]:
    """Fill a state."""
    with tempfile.TemporaryDirectory() as folder:
        return side.probe("state", folder=f"{folder}/state", users=ground.sizes.users)


def encode(ground: Ground, side: Side, nth: int) -> dict[str, float]:
    """Encode texts of 60 words, new ones in each round, on all cores; its peer does too."""
    stream = " ".join(item_texts(ground.dataset.items)).split()
    starts = np.random.default_rng(nth).integers(len(stream) - WORDS, size=ground.sizes.texts)
    texts = [" ".join(stream[at : at + WORDS]) for at in starts.tolist()]
    how: Json = {"threads": os.cpu_count() or 1, "cache": ground.folder / f"cache-{side.name}"}
    with tempfile.TemporaryDirectory() as folder:
        rows = [{"item_id": str(at), "text": text} for at, text in enumerate(texts)]
        Path(folder, "items.jsonl").write_text("\n".join(map(json.dumps, rows)))
        said = side.probe("command", words=["encode", "--data", folder], **how)["output"]
        rate = re.search(r"\(([\d,]+) texts/s\)", said)
        if rate is None:
            raise RequestError(f"{side.name} encoded nothing: {said}")
        file = Path(folder, "texts.json")
        file.write_text(json.dumps(texts))
        beside = side.probe("peer_encoder", texts=file, **how)
        return {"texts_per_s": float(rate[1].replace(",", "")), **beside}


def fit(ground: Ground, side: Side, nth: int) -> dict[str, float]:
    """Train with one epoch of the sequence model, on texts that are encoded already."""
    data = str(data_folder(ground.training))
    side.probe("command", words=["encode", "--data", data])
    return _trained(ground, side, data, "--sequence-epochs", "1", "--seed", str(nth))


def train(ground: Ground, side: Side, _: int) -> dict[str, float]:
    """Train on many made-up items, without texts."""
    data = ground.made_up_data(ground.sizes.items)
    return _trained(ground, side, str(data), "--encoder", "none", "--fast")


def _trained(ground: Ground, side: Side, data: str, *options: str) -> dict[str, float]:
    out = ground.folder / f"trained-{side.name}"
    shutil.rmtree(out, ignore_errors=True)
    found = side.probe("command", words=["train", "--data", data, "--out", str(out), *options])
    return {key: found[key] for key in ("seconds", "peak_mb")}


def start(ground: Ground, side: Side, _: int) -> dict[str, float]:
    """Time an import, the command's help, and a server until it ranks; medians of a few times."""
    tailrank = str(Path(side.python).with_name("tailrank"))
    model, rows = ground.made_up_model(FEW, sequence_epochs=1), []
    for _ in range(STARTS):
        with tempfile.TemporaryDirectory() as folder, side.serving():
            server, ready = timed(partial(Server, model, folder))
            with server:
                pass
        helped = timed(partial(side.run, tailrank, "--help"))[1]
        rows.append((float(side.run("-c", IMPORT)), helped, ready))
    return dict(zip(("import_s", "help_s", "ready_s"), np.median(rows, axis=0).tolist(), strict=True))
