"""Small trainings that several tests share."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from tailrank.data.dataset import Dataset
from tailrank.data.splits import hold_out
from tailrank.language.encoder import TextEncoder
from tailrank.language.text import item_texts
from tailrank.tuning import teacher_embeddings
from tailrank.tuning.config import FineTuningConfig, Method
from tailrank.tuning.domains import Domain
from tailrank.tuning.finetuning import Tuned, finetune

WORDS = ["red", "blue", "tea", "mug", "lamp", "door", "cat", "rose"]
WORDS += ["ship", "drum", "coat", "ring", "bell", "corn"]
SIZES = {"batch": 8, "hidden": 16, "max_tokens": 16, "context": 3, "rank": 4}
SHORT: dict[str, Any] = {"steps": 6, "every": 3, **SIZES}
METHODS: tuple[Method, ...] = ("full", "last-layers", "lora", "prompt", "head")
EQUAL = 1e-6

teacher_embeddings.FEWEST = 64  # type: ignore[misc]  # more steps make no better vectors of so few events


def shop(seed: int = 0, n_users: int = 60) -> Dataset:
    """Make users who buy neighbours on a ring of items, whose texts say nothing of the ring."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(WORDS))
    items = pl.DataFrame({"item_id": [str(i) for i in range(len(WORDS))], "title": WORDS})
    rows = [
        {
            "user_id": f"u{user}",
            "item_id": str(order[(user + step) % len(WORDS)]),
            "timestamp": 86_400.0 * step,
        }
        for user in range(n_users)
        for step in range(4 + user % 4)
    ]
    return Dataset.construct(items, pl.DataFrame(rows))


def domain(encoder: TextEncoder, dataset: Dataset | None = None, since: float | None = None) -> Domain:
    dataset = shop() if dataset is None else dataset
    texts = item_texts(dataset.items)
    return Domain(hold_out(dataset), texts, encoder.encode(texts), since)


def tuned_by(folder: Path, checkpoint: Path | None = None, **settings: Any) -> tuple[Tuned, TextEncoder]:
    encoder = TextEncoder.load(str(folder), "cpu")
    config = FineTuningConfig(**{**SHORT, **settings})
    return finetune([domain(encoder)], encoder, config, checkpoint=checkpoint), encoder


def weights(tuned: Tuned) -> list[torch.Tensor]:
    model, head = tuned.encoder.parameters()
    return [value.detach() for value in (*model, *head)]


class Listener:
    """Keeps the losses of a training."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def start(self, settings: object) -> None: ...

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self.losses.extend([metrics["loss"]] if "loss" in metrics else [])

    def finish(self, succeeded: bool) -> None:
        assert succeeded
