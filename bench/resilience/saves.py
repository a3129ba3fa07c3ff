"""Kill a process with -9 while it saves, again and again; a reader loads the model all the while."""

from __future__ import annotations

import itertools
import random
import shutil
import tempfile
import threading
import time
from collections import Counter
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from bench.study import Json, Keep, Model, report
from bench.waiting import wait_until
from tailrank.errors import TailrankError
from tailrank.files import written_folder
from tailrank.ranking.reranker import Reranker

KILLS: Final = 20
SECONDS: Final = (0.0, 0.4)
"""Between the first save of a writer and its end, drawn evenly."""

PARTS: Final = 5
"""Files of the folder that is replaced as a whole; all say the same."""

LOOKS: Final = 500
"""At the folder, after each load of the model."""


def write_again_and_again(source: Path, place: Path, log: Path) -> None:
    """Save models that differ, and replace a folder, until killed; a byte for each time."""
    model = Reranker.load(source)
    with log.open("ab", buffering=0) as done:
        for n in itertools.count():
            replace(model, fusion=replace(model.fusion, loss=float(n))).save(place / "model")
            with written_folder(place / "folder") as new:
                for part in range(PARTS):
                    (new / str(part)).write_text(str(n))
            done.write(b".")


def read_until(stop: threading.Event, place: Path, counts: Counter[str]) -> None:
    """Load the model and look for the folder, again and again."""
    while not stop.is_set():
        try:
            Reranker.load(place / "model")
            counts["loads"] += 1
        except TailrankError as why:
            counts[str(why)] += 1
        for _ in range(LOOKS):
            counts["looks" if (place / "folder" / "0").exists() else "looks in vain"] += 1


def whole(place: Path) -> bool:
    """Whether the files of the folder belong together."""
    return len({file.read_text() for file in (place / "folder").iterdir()}) == 1


def saves(model: Path, place: Path, kills: int) -> Json:
    """Kill writers, and count what a reader didn't find."""
    rng, counts, stop, mixed = random.Random(0), Counter[str](), threading.Event(), 0  # noqa: S311
    shutil.copytree(model, place / "model")
    (place / "folder").mkdir()
    for part in range(PARTS):
        (place / "folder" / str(part)).write_text("first")
    log = place / "log"
    reading = threading.Thread(target=read_until, args=(stop, place, counts))
    reading.start()
    for _ in range(kills):
        log.write_bytes(b"")
        writer = get_context("spawn").Process(target=write_again_and_again, args=(model, place, log))
        writer.start()
        wait_until(lambda: log.stat().st_size > 0, 60, "nothing was saved")
        time.sleep(rng.uniform(*SECONDS))
        writer.kill()
        writer.join()
        mixed += not whole(place)
    stop.set()
    reading.join()
    Reranker.load(model).save(place / "model")  # clears away what the killed ones left
    found = {name: counts.pop(name) for name in ("loads", "looks")}
    left = sum(file.stat().st_size for file in (place / "model").rglob("*") if file.is_file())
    alone = sum(file.stat().st_size for file in model.iterdir())
    times = round(left / alone, 1)
    return {"kills": kills, **found, "faults": dict(counts), "mixed": mixed, "times_the_size": times}


def main(model: Model, kills: int = KILLS, keep: Keep = False) -> None:
    """Kill, read, and print one JSON object; fails if a reader was ever without a model."""
    with tempfile.TemporaryDirectory() as place:
        found = saves(model, Path(place), kills)
    report("saves.json", found, keep)
    if found["faults"] or found["mixed"]:
        raise SystemExit("a reader was without a model, or found a mixture")
