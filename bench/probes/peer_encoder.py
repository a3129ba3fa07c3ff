"""sentence-transformers by itself on the default encoder's weights: its speed, and our vectors beside its."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sentence_transformers import SentenceTransformer

from bench.probes import answer
from tailrank.language.encoder import TextEncoder
from tailrank.language.sources import find_encoder
from tailrank.language.store import VectorStore
from tailrank.language.vectors import ItemVectors


def measure(texts: str) -> dict[str, Any]:
    """Encode the texts of a file; the build's own vectors are read from its cache."""
    listed = json.loads(Path(texts).read_text())
    ours = TextEncoder.load(device="cpu")
    model = SentenceTransformer(str(find_encoder().path), device="cpu")
    model.max_seq_length = ours.model.max_seq_length
    model.encode(listed[:32])
    start = time.perf_counter()
    theirs = model.encode(listed, normalize_embeddings=True)
    seconds = time.perf_counter() - start
    items = pl.DataFrame({"item_id": [str(at) for at in range(len(listed))], "text": listed})
    vectors = ItemVectors.encode(items, ours, store=VectorStore()).values
    return {
        "peer_texts_per_s": len(listed) / seconds,
        "least_cosine": float(np.einsum("nd,nd->n", theirs, vectors).min()),
    }


if __name__ == "__main__":
    answer(measure)
