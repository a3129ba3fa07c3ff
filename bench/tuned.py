"""Sections about fine-tuning: its ways, what carries over, what is forgotten, and what to describe next.

A section whose file is not stored is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.stored import Json, by_dataset
from bench.studies import about, averaged, joined, label, mean_difference
from bench.tables import cost, table


def sections(results: Path) -> list[str]:
    """Make every section that figures are stored for."""
    return [*_ways(results), *_transfer(results), *_forgetting(results), *_labelling(results)]


def _compared(rows: Iterable[Json], named: Iterable[str] = ("way",)) -> str:
    """Lay out figures of rows by group, and differences of the first two groups."""
    rows, named = list(rows), list(named)
    metrics = list(dict.fromkeys(metric for row in rows for metric in row["figures"]))
    lines = [
        [
            *(str(row[name]) for name in named),
            *(averaged(row["figures"].get(metric)) for metric in metrics),
            *(mean_difference(row.get("difference", {}).get(metric)) for metric in metrics[:2]),
        ]
        for row in rows
    ]
    header = [*("" for _ in named), *map(label, metrics)]
    header += [f"{label(metric)}: difference" for metric in metrics[:2]]
    return table(header, lines, left=len(named))


def _ways(results: Path) -> Iterator[str]:
    for dataset, stored in by_dataset(results, "tuning").items():
        costs = [
            [
                row["way"],
                f"{row['parameters']:,.0f}",
                cost(row["minutes"]),
                cost(row.get("texts_per_second")),
                cost(row["peak_mb"]),
            ]
            for row in stored["rows"]
            if "minutes" in row
        ]
        text = (
            f"{about(stored)}; three seeds, or one where there is no ±. Each encoder's vectors rank by "
            "attention, as the only signal; a difference is to the frozen, whitened encoder. By distillation "
            "a head is solved at once, without steps; the methods that change more go on from there with "
            "3,200 texts. The other losses take 280 steps. What ranks validation best is kept: often the "
            "start."
        )
        body = [
            f"## Fine-tuning on {dataset}",
            text,
            _compared(stored["rows"]),
            table(["", "weights that learn", "minutes", "texts/s", "peak memory, MB"], costs),
        ]
        if stored["fused"]:
            body += [
                "The whole ranker, with the tuned space as a second semantic signal and without:",
                _compared(stored["fused"]),
            ]
        yield joined(body, stored)


def _transfer(results: Path) -> Iterator[str]:
    for dataset, stored in by_dataset(results, "transfer").items():
        text = (
            f"{about(stored)}; an encoder's head learns from {' and '.join(stored['learned'])}, and never "
            f"sees {dataset}. Its vectors rank as the only signal; a difference is to the frozen, whitened "
            "encoder."
        )
        yield joined([f"## Fine-tuned elsewhere, used on {dataset}", text, _compared(stored["rows"])], stored)


def _forgetting(results: Path) -> Iterator[str]:
    for dataset, stored in by_dataset(results, "forgetting").items():
        asked = " and ".join(
            f"{queries:,} {era}" for era, queries in {r["era"]: r["queries"] for r in stored["rows"]}.items()
        )
        text = (
            f"{dataset}: an encoder's head learns from the first 80% of events, and goes on from there "
            f"(`--since`) with those after them. {asked} queries, which nothing learns from, are ranked by "
            "its vectors alone; a difference is to what was tuned on old events. `replay` is the share of "
            "batches that hold old events."
        )
        rows = _compared(stored["rows"], ("era", "way"))
        yield joined([f"## What new events make an encoder forget on {dataset}", text, rows], stored)


def _labelling(results: Path) -> Iterator[str]:
    for dataset, stored in by_dataset(results, "labelling").items():
        body = [
            f"## Which items to describe on {dataset}",
            f"{about(stored)}; {stored['described']:.0%} of {stored['items']:,} items, drawn at random, have "
            f"their texts. Then {stored['budget']:.0%} more are described: at random, by popularity, spread "
            "out over what is co-visited (facility location), or by use, as `tailrank label` does.",
        ]
        for ranker, said in (("alone", "The semantic signal alone"), ("whole", "The whole ranker")):
            rows = [
                {**row, "difference": row["difference"].get("at random", {})}
                for row in stored["rows"]
                if row["ranker"] == ranker
            ]
            body += [f"{said}; a difference is to a choice at random:", _compared(rows, ("choice",))]
        yield joined(body, stored)
