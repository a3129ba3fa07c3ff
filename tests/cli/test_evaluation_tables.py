"""Tables of metrics fit a terminal of 80 columns, and no number is cut."""

from __future__ import annotations

import io

from rich.console import Console

from tailrank.cli.evaluate import SHOWN
from tailrank.cli.evaluation_tables import metrics_table
from tailrank.evaluation.results import Ground

NAMES = ("tailrank", "sum of standardised scores")


def test_numbers_are_whole_at_80_columns() -> None:
    shown = {name: text for name, text in SHOWN.items() if name not in {"ndcg@10/cold", "ndcg@10/warm"}}
    values = {name: (n + 1) / 17 for n, name in enumerate(shown)}
    targets = {"head20": 2_211, "tail80": 1_025, "count=0": 72}
    ground = Ground(166, 3_236, 1_682, targets, {name: dict(values) for name in NAMES})
    printed = io.StringIO()
    Console(file=printed, width=80).print(metrics_table("all items", ground, shown))
    lines = printed.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    [row] = [line for line in lines if line.split()[:1] == ["tailrank"]]
    assert row.split()[1:] == [f"{value:.4f}" for value in values.values()]
