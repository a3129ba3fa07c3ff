"""How numbers are printed on the page: filters of its templates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from statistics import fmean, stdev
from typing import Final

from bench.study import Json
from tailrank.evaluation.report import number_text

CHANCE: Final = "may be chance"
COLUMNS: Final = {
    "ndcg@10": "NDCG@10",
    "recall@10": "Recall@10",
    "ndcg@10/tail80": "tail",
    "ndcg@10/count=0": "new",
    "ndcg@10/count=1-5": "≤5",
    "ndcg@10/cold": "cold",
    "ndcg@10/warm": "warm",
    "coverage@10": "coverage",
    "aplt@10": "tail share",
    "fit_seconds": "fit, s",
    "rank_ms_per_user": "ms a query",
}
"""Metrics of the tables of each data set."""


TARGETS: Final = {
    "ndcg@10": "all targets",
    "ndcg@10/tail80": "the tail",
    "ndcg@10/cold": "cold items",
    "ndcg@10/warm": "warm items",
}
"""Whom the metrics are of that models are compared by."""


def label(metric: str) -> str:
    """Name a metric."""
    return COLUMNS.get(metric, metric)


def number(value: float | None) -> str:
    """Print a metric with as many digits as it is worth.

    Examples
    --------
    >>> number(0.06391), number(-0.0012), number(3.14159), number(1234.5), number(None)
    ('.0639', '-.0012', '3.14', '1,234', '-')
    """
    return "-" if value is None else re.sub(r"^(-?)0\.", r"\1.", number_text(value))


def cost(value: float | None) -> str:
    """Print seconds, milliseconds or megabytes.

    Examples
    --------
    >>> cost(0.0004), cost(0.4753), cost(18.67), cost(1234.5)
    ('0.00', '0.48', '18.7', '1,234')
    """
    if value is None:
        return "-"
    return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f}"


def quantity(value: float | None) -> str:
    """Print a measured number of any unit.

    Examples
    --------
    >>> quantity(0.05432), quantity(1.0), quantity(981_234.5)
    ('0.0543', '1', '981,234')
    """
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def aim(line: Json) -> str:
    """Say what a line of two builds aims at, and whether it gets there.

    Examples
    --------
    >>> aim({"bound": 0.5, "least": False, "judged": "ratio", "ci95": [0.41, 0.45]})
    '≤ 0.5 times old: yes'
    >>> aim({"bound": 1.8, "least": True, "judged": "new", "ci95": [1.7, 1.9]})
    '≥ 1.8: in doubt'
    """
    bound, sign = line["bound"], -1 if line["least"] else 1
    if bound is None:
        return ""
    reached = [sign * end <= sign * bound for end in line["ci95"]]
    verdict = "yes" if all(reached) else "in doubt" if any(reached) else "no"
    return f"{'≥' if line['least'] else '≤'} {bound:g}{' times old' * (line['judged'] == 'ratio')}: {verdict}"


def count(value: float | None) -> str:
    """Print a whole number."""
    return "-" if value is None else f"{value:,.0f}"


def percent(share: float) -> str:
    """Print a share."""
    return f"{share:.0%}"


def spread(seeds: Sequence[float]) -> str:
    """Print the mean over seeds and, if they differ, their standard deviation.

    Examples
    --------
    >>> spread([0.04, 0.06]), spread([0.04]), spread([])
    ('.0500 ± .0141', '.0400', '-')
    """
    mean = number(fmean(seeds) if seeds else None)
    deviation = stdev(seeds) if len(seeds) > 1 else 0.0
    return f"{mean} ± {number(deviation)}" if deviation else mean


def difference(pair: Json | None) -> str:
    """Print a difference with its 95% interval.

    Examples
    --------
    >>> difference({"difference": 0.0028, "ci95": [-0.0004, 0.0061]})
    '+.0028 (-.0004 to +.0061)'
    """
    if not pair:
        return "-"
    middle, (low, high) = pair["difference"] if "difference" in pair else pair["mean"], pair["ci95"]
    return f"{_signed(middle)} ({_signed(low)} to {_signed(high)})"


def _signed(value: float) -> str:
    return number(value) if value < 0 else f"+{number(value)}"


def verdict(pair: Json) -> str:
    """Say what an interval of tailrank minus another model means."""
    low, high = pair["ci95"]
    return CHANCE if low <= 0 <= high else "tailrank is better" if low > 0 else "tailrank loses"


def measured(stored: Json) -> str:
    """Say when, where and with which seed results were made, as far as they tell."""
    known = [stored[key] for key in ("date", "processor") if key in stored]
    known += [f"seed {stored['seed']}"] if "seed" in stored else []
    return f"Measured: {', '.join(known)}." if known else ""


def all_keys(mappings: Iterable[Json]) -> list[str]:
    """List the keys of mappings, each once.

    Examples
    --------
    >>> all_keys([{"a": 1}, {"b": 2, "a": 3}])
    ['a', 'b']
    """
    return list(dict.fromkeys(key for each in mappings for key in each))


FILTERS: Final = (
    *(label, number, cost, quantity, count, percent, spread, difference, verdict, aim, measured, all_keys),
)
