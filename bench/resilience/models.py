"""Put mutated model folders in the place of the one that is served: each is refused in words, or ranks."""

from __future__ import annotations

import json
import math
import random
import re
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec

from bench.resilience.clients import items_of
from bench.resilience.mutation import Mutator
from bench.study import Json, Keep, Model, report
from bench.waiting import wait_until
from tailrank.benchmarks.connection import Connection, request
from tailrank.benchmarks.launcher import Server
from tailrank.errors import TailrankError
from tailrank.files import written_folder
from tailrank.folders import MANIFEST
from tailrank.ranking.reranker import Reranker

FOLDERS: Final = 40
SEED: Final = 0
PATIENCE: Final = 60
REFUSED: Final = re.compile(rb"^tailrank_models_refused_total (\S+)$", re.M)
STRANGE: Final = (b'"score":null', b'"degraded":true')
"""What no answer may hold."""


def verdict(folder: Path, items: list[str]) -> str:
    """Load a folder and rank: `refused`, `ranked`, or what went wrong."""
    try:
        found = Reranker.load(folder).rank(items[:5], items, explain=True)
    except TailrankError:
        return "refused"
    except Exception as why:  # noqa: BLE001 - that is what is looked for
        return f"{type(why).__name__}: {why}"
    numbers = [value for item in found for value in (item.score, *(item.contributions or {}).values())]
    return "ranked" if all(map(math.isfinite, numbers)) else "a score that is no number"


def serve_each(model: Path, folders: list[Path], place: Path, items: list[str]) -> Json:
    """Have a server follow one folder after the other, and rank in between."""
    served, answers = place / "served", Counter[str]()
    shutil.copytree(model, served)
    body = msgspec.json.encode({"candidates": items, "history": items[:5], "explain": True})
    with Server(served, place / "state", "--queue-ms", "10000") as server:
        connection = Connection(server.port)

        def followed() -> tuple[str, bytes]:
            """Name the model that ranks, and count those that were refused."""
            status, found = connection.exchange(request("/v1/rank", body))
            strange = [word for word in STRANGE if word in found]
            answers[" ".join([str(status), *(word.decode() for word in strange)])] += 1
            [refused] = REFUSED.findall(connection.exchange(request("/metrics"))[1])
            return msgspec.json.decode(found).get("model", ""), refused

        for folder in [*folders, model]:
            before = followed()
            with written_folder(served) as new:
                shutil.copytree(folder, new, dirs_exist_ok=True)
            if not before[0].endswith(_digest(folder)):  # else it holds what serves already
                wait_until(lambda: followed() != before, PATIENCE)  # noqa: B023
        last = followed()[0]
        connection.close()
        return {
            "answers": dict(answers),
            "traceback": "Traceback" in server.log(),
            "serves_again": last.endswith(_digest(model)),
        }


def _digest(model: Path) -> str:
    """Give what the name of a model ends with."""
    found: str = json.loads((model / MANIFEST).read_bytes())["sha256"]
    return found[:12]


def models(model: Path, folder: Path, n: int, seed: int) -> Json:
    """Make folders, load each here, then serve each."""
    rng, mutator, items = random.Random(seed), Mutator(model), items_of(model)  # noqa: S311
    folders, changes = [folder / str(at) for at in range(n)], list[str]()
    for each in folders:
        each.mkdir()
        changes.append(mutator.write(each, rng))
    verdicts = [verdict(each, items) for each in folders]
    faults = [
        f"{change}: {found}"
        for change, found in zip(changes, verdicts, strict=True)
        if found not in {"refused", "ranked"}
    ]
    counts = {name: verdicts.count(name) for name in ("refused", "ranked")}
    return {"folders": n, "seed": seed, **counts, "faults": faults} | serve_each(
        model, folders, folder, items
    )


def main(model: Model, folders: int = FOLDERS, seed: int = SEED, keep: Keep = False) -> None:
    """Mutate, load, serve, and print one JSON object; fails if anything but a refusal or a ranking came."""
    with tempfile.TemporaryDirectory() as place:
        found = models(model, Path(place), folders, seed)
    report("models.json", found, keep)
    if found["faults"] or found["traceback"] or set(found["answers"]) != {"200"} or not found["serves_again"]:
        raise SystemExit("there were faults")
