"""`tailrank monitor topics`: what texts without a topic are about."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from tailrank.cli.monitor_options import LEXICAL, AsJson, State, vectors_by
from tailrank.errors import RequestError
from tailrank.tasks.monitor.alert_log import moment
from tailrank.tasks.monitor.discovered import Discovered, discovered_topics, texts_without_topic
from tailrank.tasks.monitor.monitor_state import MonitorState

SHOWN = 3
"""Texts of a topic that are printed."""


def topics(
    state: State,
    days: Annotated[float, typer.Option(min=1, help="Before the latest text.")] = 30,
    fewest: Annotated[int, typer.Option(min=2, help="Texts that make a topic.")] = 5,
    encoder: Annotated[str, typer.Option(help="Reads the texts.")] = "default",
    as_json: AsJson = False,
) -> None:
    """Group texts that fit no topic by what they mean; small young groups that grow come last."""
    if encoder == LEXICAL:
        raise RequestError("--encoder none: topics are told by meaning, which an encoder reads")
    kept = MonitorState(state, read_only=True)
    try:
        texts = texts_without_topic(kept, days)
    finally:
        kept.close()
    found = discovered_topics(texts, vectors_by(encoder), fewest)
    for topic in found:
        typer.echo(_json(topic) if as_json else _told(topic))
    grouped = sum(len(topic.texts) for topic in found)
    weak = sum(topic.is_weak_signal for topic in found)
    counts = f"{len(found):,} topic{'s' * (len(found) != 1)}, {weak:,} of them weak signals"
    typer.echo(f"{counts}, of {grouped:,} of {len(texts):,} texts without a topic", err=True)


def _json(topic: Discovered) -> str:
    times = [text.timestamp for text in topic.texts]
    row = {
        "words": topic.words,
        "texts": len(topic.texts),
        "since": min(times),
        "until": max(times),
        "is_weak_signal": topic.is_weak_signal,
        "why": topic.why,
        "examples": [{"id": text.id, "text": text.text} for text in topic.texts[:SHOWN]],
    }
    return msgspec.json.encode(row).decode()


def _told(topic: Discovered) -> str:
    times = [text.timestamp for text in topic.texts]
    kind = "weak signal" if topic.is_weak_signal else "topic"
    span = f"{moment(min(times))} to {moment(max(times))}"
    line = f"{kind}: {', '.join(topic.words) or 'no words of its own'} ({len(topic.texts):,} texts, {span})"
    why = f"\n  {topic.why}" if topic.why else ""
    return line + why + "".join(f"\n  - {text.text[:200]}" for text in topic.texts[:SHOWN])
