"""Two runs on one page: the models of both side by side, and by how much they differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from tailrank.errors import RequestError
from tailrank.evaluation.results import Comparison, Evaluation, Ground

COSTS = {"fit_seconds", "rank_ms_per_user"}
"""Metrics that differ between any two runs."""

Runs = tuple[str, str]


def read_run(folder: Path) -> Evaluation:
    """Read the `metrics.json` of a folder that an evaluation wrote.

    Raises
    ------
    RequestError
        If there is none, or what it holds is something else.
    """
    file = folder / "metrics.json"
    try:
        return Evaluation.from_json(file.read_bytes())
    except OSError as why:
        raise RequestError(f"{file}: {why.strerror}: name the --out of a `tailrank evaluate`") from None
    except (msgspec.DecodeError, KeyError) as why:
        raise RequestError(f"{file}: not the metrics of an evaluation ({why}): evaluate again") from None


def side_by_side(first: Evaluation, second: Evaluation, runs: Runs) -> Evaluation:
    """Put two runs together: a model that they share comes twice, unless it found the same in both.

    Parameters
    ----------
    first, second
        Evaluations of the same queries; the comparisons are second minus first.
    runs
        Their names.

    Raises
    ------
    RequestError
        If the queries aren't the same, so far as the metrics show.
    """
    differing = [name for name, (a, b) in _facts(first, second).items() if a != b]
    if differing:
        raise RequestError(
            f"{runs[0]} and {runs[1]} differ in {', '.join(differing)}, and metrics of other queries don't "
            "compare: evaluate both on the same data by the same protocol"
        )
    names = dict.fromkeys([*first.settings, *second.settings])
    pairs = {name: (first.settings.get(name), second.settings.get(name)) for name in names}
    return replace(
        second,
        settings={
            name: b if a == b else dict(zip(runs, (a, b), strict=True)) for name, (a, b) in pairs.items()
        },
        full=_together(first.full, second.full, runs),
        fair=_together(first.fair, second.fair, runs) if first.fair and second.fair else None,
        runs=runs,
    )


def _facts(first: Evaluation, second: Evaluation) -> dict[str, tuple[object, object]]:
    """Give what tells whether two runs ask the same, of each."""
    return {
        "data set": (first.dataset, second.dataset),
        "protocol": (first.protocol, second.protocol),
        "number of queries": (first.full.queries, second.full.queries),
        "number of targets in the groups": (first.full.targets, second.full.targets),
    }


def _together(first: Ground, second: Ground, runs: Runs) -> Ground:
    """Put the models of two runs on one ground, those of the first before those of the second."""
    shared = [name for name in first.models if name in second.models]
    same = {name for name in shared if _is_same(first.models[name], second.models[name])}
    models, intervals, user_groups = {}, {}, {}
    for name in dict.fromkeys([*first.models, *second.models]):
        for run, ground in zip(runs, (first, second), strict=True):
            if name in ground.models and not (name in same and ground is first):
                title = name if name in same else f"{run}: {name}"
                models[title] = ground.models[name]
                intervals[title] = ground.intervals.get(name, {})
                user_groups[title] = ground.user_groups.get(name, {})
    changed = [name for name in shared if name not in same]
    comparisons = [each for name in changed for each in _differences(first, second, name, runs)]
    return replace(
        second,
        models=models,
        intervals=intervals,
        user_groups=user_groups,
        comparisons=comparisons,
        earlier_tradeoff=first.tradeoff,
    )


def _is_same(a: Mapping[str, float | None], b: Mapping[str, float | None]) -> bool:
    """Say whether a model has the same metrics in both runs, as far as both have them."""
    known = {name for name in a.keys() & b.keys() - COSTS if None not in (a[name], b[name])}
    return all(a[name] == b[name] for name in known)


def _differences(first: Ground, second: Ground, model: str, runs: Runs) -> list[Comparison]:
    """Bound how much a model differs between runs, from its interval in each.

    As if the runs were independent (Zou and Donner, 2008, "Construction of confidence limits about effect
    measures"). On the same queries they aren't, and the interval is wider than a paired one.
    """
    before, after = first.intervals.get(model, {}), second.intervals.get(model, {})
    found = []
    for metric in (name for name in after if name in before):
        a, b = second.models[model][metric] or 0, first.models[model][metric] or 0
        (a_low, a_high), (b_low, b_high) = after[metric], before[metric]
        ends = a - b - math.hypot(a - a_low, b_high - b), a - b + math.hypot(a_high - a, b - b_low)
        found.append(Comparison(f"{runs[1]}: {model}", f"{runs[0]}: {model}", metric, a - b, ends))
    return found
