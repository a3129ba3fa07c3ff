"""`tailrank retrain`: a new model takes the place of the one in service, if it ranks no worse."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tailrank.cli import options
from tailrank.cli.anomalies import NOBODY, leave_out_users
from tailrank.cli.from_log import load_with_log
from tailrank.cli.refit import Refit
from tailrank.data.dataset import Dataset
from tailrank.data.splits import ENOUGH, events_since
from tailrank.errors import RequestError
from tailrank.machine import machine
from tailrank.ranking.gate import Verdict, compare
from tailrank.ranking.registry import KEEP, Registry, publish
from tailrank.ranking.reranker import Reranker

KEPT: Final = 3
"""Exit status if the model in service stays."""


def retrain(
    data: options.Data,
    model: Annotated[
        Path, typer.Option(help="Model folder in service, or MODELS/current; replaced if the new one passes.")
    ],
    from_log: Annotated[
        Path | None,
        typer.Option(help="Log of `tailrank serve --log-impressions`: learn from its events and scores."),
    ] = None,
    keep: Annotated[
        int,
        typer.Option(min=1, help="Versions to keep in MODELS, beside what serves and what served before."),
    ] = KEEP,
    log: Annotated[
        Path | None, typer.Option(help="File for a line of JSON a run; else MODEL.retrain.jsonl.")
    ] = None,
    device: options.Device = "auto",
) -> None:
    """Fit the model in service again with new events, if that ranks no worse. Exit status 3: it stays."""
    registry = Registry.of(model)
    served = None if registry is None else registry.serving
    current = Reranker.load(model if served is None else model.parent / served)
    dataset = _load(data, from_log, current)
    log = log or model.parent / f"{model.name}.retrain.jsonl"
    _append(log, "")  # what can't be logged is not done
    until = current.about.get("learned_until")
    earlier, queries = events_since(dataset, until if isinstance(until, float) else current.as_of)
    line, verdict = _line(model, dataset, earlier), None
    try:
        if len(queries) >= ENOUGH:
            refit = Refit(current, dataset, model, data)
            candidate = refit.fit(earlier)
            verdict = compare(candidate, current, dataset, queries)
            line |= verdict.as_dict()
            noted = {"leave_out": _left_out(current), **machine(), "metrics": dict(line)}
            if verdict.passed:
                new = refit.learn_upstream(refit.fit(dataset), from_log)
                about = {**new.about, **learned_from(dataset), **noted}
                line |= {"version": publish(new, model, about, keep, served), "replaced": True}
            elif registry is not None:
                about = {**candidate.about, **learned_from(earlier), **noted}
                line["version"] = registry.add(candidate, about, keep)
            refit.remove_checkpoints()
    finally:
        _append(log, json.dumps(line) + "\n")
    typer.echo(_summary(model, verdict, len(queries)))
    if not line["replaced"]:
        raise typer.Exit(KEPT)


def learned_from(dataset: Dataset) -> dict[str, object]:
    """Name the data for `about` of a model and, if they have times, say when they end: later ones are new."""
    about: dict[str, object] = {"data": dataset.name, "data_fingerprint": dataset.fingerprint}
    until = {"learned_until": dataset.histories.latest_time} if dataset.clock == "timestamp" else {}
    return about | until


def _load(data: str, from_log: Path | None, current: Reranker) -> Dataset:
    """Read the data, without users whom the model in service learned nothing from."""
    dataset = options.load(data) if from_log is None else load_with_log(data, from_log)
    if dataset.clock != "timestamp" or current.catalogue.clock != "timestamp":
        raise RequestError(f"{data}: retrain needs events with a `timestamp`, in the model too: use train")
    return leave_out_users(dataset, _left_out(current))


def _left_out(model: Reranker) -> str:
    """Say whom a model learned nothing from, as `train --leave-out` names them."""
    return str(model.about.get("leave_out", NOBODY))


def _line(model: Path, dataset: Dataset, earlier: Dataset) -> dict[str, Any]:
    """Begin the line of the log."""
    events = len(dataset.histories.items)
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": str(model),
        "data": dataset.name,
        "events": events,
        "new_events": events - len(earlier.histories.items),
        "replaced": False,
    }


def _append(file: Path, text: str) -> None:
    try:
        with file.open("a", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as why:
        raise RequestError(f"--log {file}: can't be written ({why.strerror}): name another file") from None


def _summary(model: Path, verdict: Verdict | None, queries: int) -> str:
    if verdict is None:
        return (
            f"{model}: stays: {queries} new events to compare by, and {ENOUGH} are needed: "
            "come again when there are more"
        )
    outcome = "replaced" if verdict.passed else "stays: the new model is worse"
    return (
        f"{model}: {outcome}; ndcg@10 on {verdict.queries:,} new events: {verdict.candidate:.4f}, that in "
        f"service {verdict.current:.4f} (difference {verdict.low:+.4f} to {verdict.high:+.4f})"
    )
