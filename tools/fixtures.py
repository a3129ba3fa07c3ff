"""Write into tests/fixtures what tests hold later versions to: `python tools/fixtures.py`.

Folders of the present formats are written where there are none yet; what an earlier version wrote stays as it
is. `openapi.json`, the API's description as it was last agreed to, is written anew only by `python
tools/fixtures.py openapi`: its diff is what a review reads.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import numpy as np
import polars as pl

from tailrank.arrays import Floats
from tailrank.data.dataset import Dataset
from tailrank.data.histories import History
from tailrank.language.encoder import TextEncoder
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.manifest import FORMAT as MODEL_FORMAT
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker
from tailrank.reporting import Progress, silent
from tailrank.server.openapi import description
from tailrank.state.base import ItemChange, StoredEvent
from tailrank.state.embedded import EmbeddedState
from tailrank.state.environment import FORMAT as STATE_FORMAT
from tailrank.tasks.classifier import TextClassifier
from tailrank.tasks.monitor.inputs import folder_lines
from tailrank.tasks.monitor.monitor import Monitor
from tailrank.tasks.monitor.monitor_state import FORMAT as MONITOR_FORMAT
from tailrank.tasks.monitor.monitor_state import LOCK, NAME
from tailrank.tasks.monitor.series import ALL
from tailrank.tasks.monitor.settings import MonitorSettings
from tailrank.tasks.monitor.view import MonitorView
from tailrank.tasks.support.desk import SupportDesk
from tailrank.tasks.support.entries import Entry
from tailrank.tasks.support.fitting import fit_desk
from tailrank.tasks.support.folder import FORMAT as DESK_FORMAT
from tailrank.tasks.support.folder import write_desk
from tailrank.tasks.support.settings import DeskSettings
from tailrank.tasks.task_manifest import FORMAT as TASK_FORMAT

FIXTURES: Final = Path(__file__).parents[1] / "tests" / "fixtures"
OPENAPI: Final = FIXTURES / "openapi.json"
TITLES: Final = {
    "p1": "Filter coffee dripper",
    "p2": "Paper coffee filters",
    "p3": "Hand coffee grinder",
    "t1": "Two-person tent",
    "t2": "Down sleeping bag",
    "t3": "Camping gas stove",
    "n1": "Campfire mug",
    "n2": "Espresso cups",
}
BASKETS: Final = {"ada": "p1 p2 p3", "ben": "t1 t2 t3", "cleo": "p1 p3", "dan": "t2 t3"}
NOON: Final = 1_714_564_800.0
LABELS: Final = ("coffee", "coffee", "coffee", "camping", "camping", "camping", "camping", "coffee")
"""Of the titles, as a task learns them."""
TEXTS: Final = ("Coffee mug", "Tent stove", "Receipt")
ASKED: Final = (["t1", "t2"], ["p1", "p2", "n1", "n2", "t3"])
ENTRIES: Final = (
    Entry("parcel", "Where is my tent?", ("It is on its way.",), ("track a tent", "no tent yet", "tent?")),
    Entry("refund", "Can I return a mug?", ("Yes.",), ("return mugs", "a mug is broken", "send it back")),
)
QUESTIONS: Final = ("Where is the tent?", "return this mug", "Receipt")
HOURS: Final = 96
"""For which the monitor reads; in three of them there are more texts than usual."""


def events() -> list[StoredEvent]:
    """List the events of the shop, a minute apart, those of each user together."""
    all_of = [(user, item) for user, items in BASKETS.items() for item in items.split()]
    return [StoredEvent(f"e{at}", *each, "click", NOON + 60 * at) for at, each in enumerate(all_of)]


def number(form: str | bytes) -> str:
    """Read the number of a format, with which its folder is named."""
    [found] = re.findall(r"\d+", form if isinstance(form, str) else form.decode())
    return str(found)


def model_folder(form: str = MODEL_FORMAT) -> Path:
    """Name the folder of a model."""
    return FIXTURES / f"model-{number(form)}"


def state_folder(form: bytes = STATE_FORMAT) -> Path:
    """Name the folder of a state."""
    return FIXTURES / f"state-{number(form)}"


def task_folder(form: str = TASK_FORMAT) -> Path:
    """Name the folder of a task."""
    return FIXTURES / f"task-{number(form)}"


def desk_folder(form: str = DESK_FORMAT) -> Path:
    """Name the folder of a support desk."""
    return FIXTURES / f"desk-{number(form)}"


def monitor_folder(form: str = MONITOR_FORMAT) -> Path:
    """Name the folder of a monitor."""
    return FIXTURES / f"monitor-{number(form)}"


class Letters:
    """An encoder that never changes: how often a text has each letter of a few, as a unit vector."""

    name, dimension = "letters", 7
    sha256 = hashlib.sha256(b"acefint").hexdigest()

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> Floats:
        """Encode texts, to unit vectors."""
        counts = np.array(
            [[text.lower().count(letter) for letter in "acefint"] for text in texts], np.float32
        )
        unit: Floats = counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1)
        return unit


def chances(task: TextClassifier) -> dict[str, list[float]]:
    """Ask a task for the chances of its labels, text by text."""
    return dict(zip(TEXTS, task.predict(TEXTS).chances.astype(float).tolist(), strict=True))


def answers(desk: SupportDesk) -> dict[str, Any]:
    """Ask a desk the questions; gives what it decides, and the chance of each entry that it lists."""
    found = {question: desk.answer(question) for question in QUESTIONS}
    return {
        question: [answer.decision, {each.entry.intent: float(each.chance) for each in answer.ranked}]
        for question, answer in found.items()
    }


def watched(folder: Path) -> dict[str, Any]:
    """Read what a monitor counted and raised."""
    view = MonitorView(folder)
    found, series = view.overview(10), view.series(ALL, 30)
    return {
        "now": found.now,
        "counters": found.counters,
        "alerts": json.loads(msgspec.json.encode(found.alerts)),
        "n": series.n.tolist(),
        "negative": series.negative.tolist(),
    }


def scores(reranker: Reranker) -> dict[str, float]:
    """Rank what is asked of every model; in the order of the ranking."""
    ranking = reranker.rank(Request(*ASKED))
    return {item: float(score) for item, score in zip(ranking.item_ids, ranking.scores, strict=True)}


def write_model(folder: Path) -> None:
    """Train on the shop, with vectors that are drawn to be small, and write what the model says."""
    items = pl.DataFrame({"item_id": [*TITLES], "title": [*TITLES.values()]})
    rows = [(each.user_id, each.item_id, each.timestamp) for each in events()]
    data = Dataset.construct(items, pl.DataFrame(rows, ["user_id", "item_id", "timestamp"], orient="row"))
    vectors = np.random.default_rng(0).normal(size=(len(TITLES), 6)).astype(np.float32)
    reranker = Reranker.fit(data, ItemVectors(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)))
    reranker.save(folder)
    write(folder.with_suffix(".json"), scores(reranker))


def write_task(folder: Path) -> None:
    """Fit a task on the shop's titles, and write what it says of other texts."""
    task = TextClassifier.fit([*TITLES.values()], LABELS, cast("TextEncoder", Letters()))
    task.save(folder)
    write(folder.with_suffix(".json"), chances(task))


def write_support_desk(folder: Path) -> None:
    """Fit a desk on a few questions, and write what it answers to others."""
    settings = DeskSettings(wrong=0.4, confidence=0.5, tie=0.3)
    desk = fit_desk(ENTRIES, cast("TextEncoder", Letters()), settings)
    write_desk(desk, folder)
    write(folder.with_suffix(".json"), answers(desk))


def write_monitor(folder: Path) -> None:
    """Let a monitor read some days of texts, and write what it found."""
    with tempfile.TemporaryDirectory() as texts:
        lines = [
            {"id": f"{hour}-{n}", "text": f"Parcel {hour} of {n} is late", "timestamp": NOON + 3_600 * hour}
            for hour in range(HOURS)
            for n in range(12 if 80 <= hour < 83 else 1 + hour % 2)
        ]
        rows = [json.dumps(line | {"sentiment": "negative", "topic": "parcels"}) for line in lines]
        Path(texts, "day.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
        monitor = Monitor.open(folder, MonitorSettings(burn_in_days=2, duplicate_hours=0))
        monitor.feed(folder_lines(Path(texts), {}))
        monitor.close()
    write(folder.with_suffix(".json"), watched(folder))
    for name in (LOCK, f"{NAME}-shm", f"{NAME}-wal"):  # they mean something while it is open only
        (folder / name).unlink(missing_ok=True)


async def write_state(folder: Path) -> None:
    """Store the shop's events and an item that changed, and write what the state says."""
    state = EmbeddedState(folder)
    await state.append(events())
    await state.change_items([ItemChange("n3", b'{"title": "Tin cup"}', {}, NOON)])
    write(folder.with_suffix(".json"), await said(state))
    await state.close()
    (folder / "lock.mdb").unlink()  # it means something while the folder is open only


async def said(state: EmbeddedState) -> dict[str, Any]:
    """Read all that the state of the shop holds."""

    def as_json(history: History) -> list[list[Any]]:
        return [list(row) for row in zip(*history, strict=True)]

    version, changes = await state.item_changes(0)
    return {
        "histories": {user: as_json((await state.read(user)).history) for user in BASKETS},
        "version": version,
        "changes": [[each.item_id, (each.fields or b"").decode(), each.time] for each in changes],
    }


def write(file: Path, found: Any) -> None:
    """Write JSON so that a diff can be read."""
    file.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    FIXTURES.mkdir(exist_ok=True)
    if sys.argv[1:] == ["openapi"]:
        write(OPENAPI, description("VERSION"))
    else:
        writers = {
            model_folder(): write_model,
            state_folder(): lambda folder: asyncio.run(write_state(folder)),
            task_folder(): write_task,
            desk_folder(): write_support_desk,
            monitor_folder(): write_monitor,
        }
        for folder, write_one in writers.items():
            if not folder.exists():
                write_one(folder)
