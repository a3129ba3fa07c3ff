"""Tables of metrics on the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Column, Table

from tailrank.evaluation.frontier import Frontier
from tailrank.evaluation.frontier_words import HEADINGS, choices
from tailrank.evaluation.results import Comparison, Ground

NAME, NUMBER = 10, 6
"""Characters of a model's name, and of a number, that stay together however narrow the terminal is."""


def metrics_table(title: str, ground: Ground, shown: Mapping[str, str]) -> Table:
    """Lay out the metrics of every model, and the queries behind each; the best in bold."""
    table = table_of("model", shown)
    table.title = title
    best = {name: max(metrics[name] or 0 for metrics in ground.models.values()) for name in shown}
    for model, metrics in ground.models.items():
        table.add_row(escape(model), *(cell(metrics[name], best[name]) for name in shown))
    table.add_section()
    table.add_row("queries", *(f"{ground.queries_behind(name):,}" for name in shown))
    return table


def comparisons_table(comparisons: list[Comparison], shown: Mapping[str, str]) -> Table:
    """Lay out differences with their 95% intervals; bold if the interval excludes 0."""
    metrics = {comparison.metric: shown[comparison.metric] for comparison in comparisons}
    table = table_of(f"{comparisons[0].a} minus", metrics)
    cells: dict[str, dict[str, str]] = {}
    for one in comparisons:
        low, high = one.ci95
        text = f"{one.difference:+.4f} ({low:+.4f} to {high:+.4f})"
        cells.setdefault(one.b, {})[one.metric] = text if one.may_be_chance else f"[bold]{text}[/]"
    for other, row in cells.items():
        table.add_row(escape(other), *(row.get(metric, "-") for metric in metrics))
    return table


def choices_table(frontier: Frontier) -> Table:
    """Lay out what the choice of each dial changes on test queries, as shares of what is without it."""
    table = table_of("policy", dict(zip(HEADINGS, HEADINGS, strict=True)))
    table.title = f"policies that lose at most {frontier.max_loss:.1%} of ndcg@10 on validation queries"
    for choice in choices(frontier):
        table.add_row(choice.dial, *choice.cells)
    return table


def table_of(first: str, headings: Mapping[str, str]) -> Table:
    """Start a table of numbers, by names in the first column."""
    columns = (
        Column(heading, justify="right", min_width=NUMBER, overflow="fold") for heading in headings.values()
    )
    return Table(Column(first, min_width=NAME), *columns, box=SIMPLE_HEAD)


def cell(value: float | None, best: float) -> str:
    """Print a metric, in bold if it is the best."""
    if value is None:
        return "-"
    return f"[bold]{value:.4f}[/]" if value == best else f"{value:.4f}"
