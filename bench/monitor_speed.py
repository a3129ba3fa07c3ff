"""Texts a CPU second: what encoding takes, and all the rest."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.monitor_surges import airline_stream
from bench.study import Json
from tailrank.language.encoder import TextEncoder
from tailrank.tasks.monitor.inputs import Line, Place
from tailrank.tasks.monitor.monitor import Monitor
from tailrank.tasks.monitor.stream_texts import Text

TEXTS: Final = 1_000
WORDS: Final = 19
"""Words of a text to encode, about 32 tokens."""


def speed(data: Path) -> Json:
    """Time encoding runs of words of the tweets, and watching all tweets as they are labelled.

    CPU seconds of one core are counted, so that others on the machine matter less; encoding and the rest
    are added up for the whole.
    """
    rng, stream = np.random.default_rng(0), airline_stream(data)
    words = [word for text in stream.texts for word in text.text.split()]
    starts = rng.integers(0, len(words) - WORDS, TEXTS)
    texts = [" ".join(words[start : start + WORDS]) for start in starts.tolist()]
    encoder = TextEncoder.load()
    tokens = encoder.model.tokenizer(texts)["input_ids"]
    encoder.encode(texts[:100])
    encode = _seconds(lambda: encoder.encode(texts)) / TEXTS
    lines = [Line("a", text_json(text), Place(row, row)) for row, text in enumerate(stream.texts)]
    with tempfile.TemporaryDirectory() as folder:
        monitor = Monitor.open(Path(folder), stream.settings)
        rest = _seconds(lambda: monitor.feed(lines)) / len(lines)
        monitor.close()
    return {
        "tokens, mean": float(np.mean([len(row) for row in tokens])),
        "texts a CPU second": {"encoding": 1 / encode, "the rest": 1 / rest, "both": 1 / (encode + rest)},
    }


def text_json(text: Text) -> bytes:
    """Write a text as a line of a stream."""
    about = {"entity": text.entity, "topic": list(text.topics), "sentiment": text.sentiment}
    return json.dumps({"id": text.id, "text": text.text, "timestamp": text.timestamp} | about).encode()


def _seconds(call: Callable[[], Any]) -> float:
    begun = time.process_time()
    call()
    return time.process_time() - begun
