"""What the page of tasks shows: tasks of each kind, a desk and a monitor, small and with hostile texts."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Final

import numpy as np
from msgspec.structs import replace
from typer.testing import CliRunner

from desk_entries import ENTRIES, SETTINGS
from tailrank.cli.main import app
from tailrank.language.encoder import TextEncoder
from tailrank.tasks.classifier import TextClassifier
from tailrank.tasks.monitor.alert_log import Alert, AlertLog
from tailrank.tasks.monitor.monitor import ALERTS
from tailrank.tasks.settings import ClassifierSettings
from tailrank.tasks.support.fitting import fit_desk
from tailrank.tasks.support.folder import write_desk

HOSTILE: Final = '<img src=x onerror="document.title=1">'
MONDAY: Final = 1_424_044_800
"""16 February 2015, in seconds since 1970."""
DAYS: Final = 10
SURGE: Final = range(220, 224)
"""Hours in which more bags are lost than usual."""

_SAID: Final = {
    f"card {HOSTILE}": [
        "my card is lost",
        "the card was stolen",
        "I can't find my card",
        "my card has gone",
        "where is my card",
        "somebody took my card",
    ],
    "fee": [
        "what does a transfer cost",
        "how high is the fee",
        "why was I charged",
        "is there a charge",
        "how much is it",
        "the fee is too high",
    ],
}
_NEWS: Final = ["Acme beats Bolt", "Bolt loses to Acme", "Acme soars as Bolt sinks", "Bolt falls behind Acme"]


def write_tasks(folder: Path, encoder: TextEncoder) -> None:
    """Train `intents`, of the kind `one`, which refuses much, `news` (`entity`) and `topics` (`several`)."""
    texts = [text for each in _SAID.values() for text in each * 2]
    labels = [label for label, each in _SAID.items() for _ in each * 2]
    refusing = ClassifierSettings(held_out=0.3, refuse=0.5)
    TextClassifier.fit(texts, labels, encoder, refusing).save(folder / "intents")
    entities, sides = ["Acme"] * 4 + ["Bolt"] * 4, ["good"] * 4 + ["bad"] * 4
    settings = ClassifierSettings(kind="entity")
    TextClassifier.fit(_NEWS * 2, sides, encoder, settings, entities=entities).save(folder / "news")
    listed, several = [[label] for label in labels], ClassifierSettings(kind="several")
    TextClassifier.fit(texts, listed, encoder, several).save(folder / "topics")


def write_support(folder: Path, encoder: TextEncoder) -> None:
    """Fit a desk of three entries, one of which needs a fact."""
    first, *others = ENTRIES
    hostile = replace(first, answers=(f"{first.answers[0]} {HOSTILE}",))
    write_desk(fit_desk([hostile, *others], encoder, SETTINGS), folder)


def write_monitor(folder: Path) -> Alert:
    """Watch ten days of complaints, in four hours of which bags are lost; returns the alert, told to two.

    The monitor takes markup out of texts, but leaves it if it is escaped twice.
    """
    rng, lines, hidden = np.random.default_rng(0), list[str](), escape(escape(HOSTILE))
    for hour in range(DAYS * 24):
        is_bad = hour in SURGE
        for n in range(rng.poisson(2) + 8 * is_bad):
            lost = f"My bag is lost, and nobody at the desk knows where it is {hidden}"
            text = f"Flight {rng.integers(1000)}: {lost if is_bad and n else 'The wifi is slow.'}"
            row = {"id": f"{hour}-{n}", "text": text, "timestamp": MONDAY + 3600 * hour + 60 * n}
            lines.append(json.dumps(row | {"entity": "United <b>", "sentiment": "negative"}) + "\n")
    folder.mkdir()
    (folder / "texts").mkdir()
    (folder / "texts" / "all.jsonl").write_text("".join(lines))
    (folder / "subscribed.json").write_text(json.dumps([{"name": "desk", "severity": 2}, {"name": "night"}]))
    settings = ["watch=negative volume", "false_alarms_per_week=0.2", "duplicate_hours=0"]
    options = [word for setting in settings for word in ("--set", setting)]
    command = ["monitor", "run", str(folder / "state"), str(folder / "texts"), *options]
    done = CliRunner().invoke(app, [*command, "--subscriptions", str(folder / "subscribed.json")])
    assert done.exit_code == 0, done.output
    [alert] = AlertLog(folder / "state" / ALERTS)
    return alert
