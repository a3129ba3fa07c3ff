"""The choice of each dial of a frontier in words."""

from __future__ import annotations

from typing import Final, NamedTuple

from tailrank.evaluation.frontier import Change, Curve, Frontier, Point

HEADINGS: Final = ("choice", "NDCG@10", "tail", "tail share", "coverage", "diversity")


class Choice(NamedTuple):
    """What the chosen value of a dial does on test queries, as it is printed; one text a heading."""

    dial: str
    cells: tuple[str, ...]


def choices(frontier: Frontier) -> list[Choice]:
    """Say what each dial was set to, and what that changes."""
    return [Choice(curve.dial, _cells(frontier.plain, curve)) for curve in frontier.curves]


def _cells(plain: Point, curve: Curve) -> tuple[str, ...]:
    if curve.chosen is None:
        return ("none is affordable", *[""] * (len(HEADINGS) - 1))
    chosen = curve.points[curve.chosen]
    changes = {change.metric: _words(change) for change in curve.changes}
    measured = [changes.get(metric, "—") for metric in ("ndcg@10", "ndcg@10/tail80", "aplt@10")]
    others = [_relative(chosen, plain, metric) for metric in ("coverage@10", "ild@10")]
    choice = f"{curve.setting} {chosen.value:g}"
    for change in curve.changes:
        if change.metric == curve.gain:
            choice = f"{choice}: {curve.gain} {_difference(change)}"
    return (choice, *measured, *others)


def _words(change: Change) -> str:
    """Print a relative change and its interval."""
    if change.relative is None:
        return "—"
    if change.ci95 is None or not change.difference:
        return f"{change.relative:+.1%}"
    low, high = (end * change.relative / change.difference for end in change.ci95)
    return f"{change.relative:+.1%} ({low:+.1%} to {high:+.1%})"


def _difference(change: Change) -> str:
    """Print a change of a column's mean, which may have any unit and sign, and its interval."""
    ends = "" if change.ci95 is None else f" ({change.ci95[0]:+.3g} to {change.ci95[1]:+.3g})"
    return f"{change.difference:+.3g}{ends}"


def _relative(point: Point, plain: Point, metric: str) -> str:
    now, before = point.test.get(metric), plain.test.get(metric)
    return "—" if now is None or not before else f"{now / before - 1:+.1%}"
