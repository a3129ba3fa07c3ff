"""What the READMEs and the top of the page say of all evaluations: what tailrank loses at, then by ground."""

from __future__ import annotations

import re
from typing import Final

from bench.filters import CHANCE, number, verdict
from bench.grounds import COMPARED, FAIR
from bench.losses import rows
from bench.stored import OURS, WITHOUT, Evaluated
from bench.study import Json

PLAIN: Final = {"ndcg@10": "all", "ndcg@10/tail80": "tail", "ndcg@10/cold": "cold"}
"""What the READMEs call the targets of the metrics that they show."""

FEW: Final = {1: "¹", 2: "²"}
"""Marks data sets that were measured with fewer than three seeds, by the number of these."""

BLOCK: Final = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- /figures -->)", re.DOTALL)
"""What is generated of a README."""


def summary(found: list[Evaluated]) -> Json:
    """Choose what to tell of evaluations.

    Returns
    -------
    Json
        `judged`: evaluations by time or on fair ground, and `cold`: those of cold items; `full`: those that
        compare with published metrics. `doubts`: the compared metrics of all that tailrank doesn't lead at,
        on the ground to judge by.
    """
    lead = [one.grounds[0] for one in found]
    judged = [one for one in lead if one.ground == FAIR or one.protocol == "temporal"]
    cold = [one for one in judged if one.protocol == "cold-items"]
    return {
        "judged": [one for one in judged if one not in cold],
        "cold": cold,
        "full": [one.grounds[-1] for one in found if one.protocol.startswith("leave-one-out")],
        "doubts": rows(lead, COMPARED),
    }


def plain(found: list[Evaluated]) -> list[Json]:
    """List, for the READMEs, what tailrank reaches on the ground to judge by beside the best other model.

    Returns
    -------
    list[Json]
        Rows with `target`, `dataset`, `ours`, `without`, `other`, the largest loss first. `≈` marks a value
        whose difference may be chance, ¹ or ² a data set with as few seeds.
    """
    told = summary(found)
    pairs = [(one, metric) for one in told["judged"] for metric in ("ndcg@10", "ndcg@10/tail80")]
    pairs += [(one, "ndcg@10/cold") for one in told["cold"]]
    return [_plain(*pair) for pair in sorted(pairs, key=lambda pair: _lead(*pair))]


def _plain(one: Evaluated, metric: str) -> Json:
    pairs, best = one.comparisons(), one.runner_up(metric)

    def value(name: str) -> str:
        pair = pairs.get((name, metric))
        unsure = pair is not None and verdict(pair) == CHANCE
        return f"{'≈' if unsure else ''}{number(one.mean(name, metric))}"

    return {
        "target": PLAIN[metric],
        "dataset": f"{one.dataset}{FEW.get(len(one.runs), '')}{' ‡' if one.earlier else ''}",
        "ours": number(one.mean(OURS, metric)),
        "without": value(WITHOUT),
        "other": f"{value(best)} {best}" if best else "-",
    }


def _lead(one: Evaluated, metric: str) -> float:
    """Divide tailrank's metric by the best of all others, with and without the language model."""
    others = [one.mean(name, metric) or 0.0 for name in one.models if name != OURS]
    return (one.mean(OURS, metric) or 0.0) / (max(others, default=0.0) or 1.0)


def with_figures(readme: str, figures: str) -> str:
    """Put figures into a README, in place of those that it has."""
    filled, times = BLOCK.subn(lambda _: figures, readme)
    if times != 1:
        raise SystemExit("README: mark once what is generated, by <!-- figures --> and <!-- /figures -->")
    return filled
