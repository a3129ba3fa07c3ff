"""`tailrank retrain`: a new model takes the place of the one in service, if it ranks no worse."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tailrank.cli import options
from tailrank.cli.anomalies import NOBODY, leave_out_users
from tailrank.cli.progress import progress_bars
from tailrank.data.dataset import Dataset
from tailrank.data.splits import ENOUGH, events_since
from tailrank.errors import RequestError
from tailrank.language.encoder import TextEncoder
from tailrank.language.store import VectorStore
from tailrank.language.vectors import ItemVectors
from tailrank.machine import machine
from tailrank.ranking.gate import Verdict, compare
from tailrank.ranking.reranker import Reranker

KEPT: Final = 3
"""Exit status if the model in service stays."""


def retrain(
    data: options.Data,
    model: Annotated[Path, typer.Option(help="Model folder in service; replaced if the new one passes.")],
    log: Annotated[
        Path | None, typer.Option(help="File for a line of JSON a run; else MODEL.retrain.jsonl.")
    ] = None,
    device: options.Device = "auto",
) -> None:
    """Fit the model in service anew with new events, if that ranks no worse. Exit status 3: it stays."""
    current, dataset = Reranker.load(model), options.load(data)
    if dataset.clock != "timestamp" or current.catalogue.clock != "timestamp":
        raise RequestError(f"{data}: retrain needs events with a `timestamp`, in the model too: use train")
    dataset = leave_out_users(dataset, str(current.about.get("leave_out", NOBODY)))
    log = log or model.parent / f"{model.name}.retrain.jsonl"
    _append(log, "")  # what can't be logged is not done
    until = current.about.get("learned_until")
    earlier, queries = events_since(dataset, until if isinstance(until, float) else current.as_of)
    line: dict[str, Any] = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": str(model),
        "data": dataset.name,
        "events": len(dataset.histories.items),
        "new_events": len(dataset.histories.items) - len(earlier.histories.items),
    }
    verdict = None
    if len(queries) >= ENOUGH:
        verdict = compare(_fitted_as(current, earlier), current, dataset, queries)
        line |= verdict.as_dict()
    replaced = verdict is not None and verdict.passed
    if replaced:
        about = {"data": dataset.name, "data_fingerprint": dataset.fingerprint, **learned_until(dataset)}
        fitted = _fitted_as(current, dataset)
        fitted.save(model, dict(fitted.about) | about | machine() | {"metrics": line})
    _append(log, json.dumps(line | {"replaced": replaced}) + "\n")
    typer.echo(_summary(model, verdict, len(queries)))
    if not replaced:
        raise typer.Exit(KEPT)


def learned_until(dataset: Dataset) -> dict[str, float]:
    """Say when the events end, for `about` of a model: later ones are new to it; nothing without times."""
    return {"learned_until": dataset.histories.latest_time} if dataset.clock == "timestamp" else {}


def _fitted_as(current: Reranker, dataset: Dataset) -> Reranker:
    """Fit with the settings, vector spaces, policy and upstream weights of another model."""
    spaces = {name: _vectors(name, current, dataset) for name in current.spaces}
    with progress_bars() as progress:
        fitted = Reranker.fit(dataset, spaces, current.settings, progress)
    return replace(fitted, policy=current.policy, upstream=current.upstream)


def _vectors(name: str, current: Reranker, dataset: Dataset) -> ItemVectors:
    space = current.spaces[name]
    if space.encoder is None:
        raise RequestError(f"space {name!r} has vectors of your own: fit the model in Python")
    encoder = TextEncoder.load(space.encoder.name)
    if encoder.sha256 != space.encoder.sha256:
        raise RequestError(f"encoder {encoder.name!r} isn't the one of space {name!r} any more: use train")
    with progress_bars() as progress:
        return ItemVectors.encode(
            dataset.items,
            encoder,
            space.encoder.template,
            whiten=space.whitening is not None,
            store=VectorStore(),
            progress=progress,
        )


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
