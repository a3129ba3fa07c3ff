"""The sequence model trained in two processes of torchrun: as in one, though a process dies."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from tailrank.arrays import Floats
from tailrank.data.dataset import Dataset
from tailrank.data.splits import leave_one_out
from tailrank.processes import started_processes
from tailrank.signals.sequence.config import SASRecConfig, SequenceLoss
from tailrank.signals.sequence.training import Trained, train
from two_processes import in_two_processes

CONFIG = SASRecConfig(epochs=3, width=16, length=8, dropout=0.0, rate=0.02, events=128)
LOSSES: tuple[SequenceLoss, ...] = ("softmax", "sampled-softmax")
N_ITEMS = 12


def trained(loss: SequenceLoss, checkpoint: Path | None, marker: Path | None = None) -> Trained:
    """Train on sixty users who walk round a ring of items; a process with a marker dies once."""
    torch.set_num_threads(1)
    items = pl.DataFrame({"item_id": [str(at) for at in range(N_ITEMS)], "title": ["thing"] * N_ITEMS})
    walks = [(user, step) for user in range(60) for step in range(4 + user % 5)]
    events = pl.DataFrame(
        {
            "user_id": [f"u{user}" for user, _ in walks],
            "item_id": [str((user + step) % N_ITEMS) for user, step in walks],
            "position": [step for _, step in walks],
        }
    )

    def progress(task: str, done: int, total: int | None, note: str = "") -> None:
        if marker is not None and not marker.exists() and (task, done, note) == ("epoch", 2, "2"):
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    split = leave_one_out(Dataset.construct(items, events))
    config = replace(CONFIG, loss=loss)
    return train(split.train, split.validation, False, None, config, progress, checkpoint)


def in_process(place: Path) -> list[tuple[list[float], Floats]]:
    with started_processes() as processes:
        marker = place / "killed" if processes.rank else None
        found = [trained(loss, place / loss, marker) for loss in LOSSES]
    return [(each.ndcg, each.model.table.vectors.whole) for each in found]


@pytest.mark.slow
def test_two_processes_train_as_one_though_one_of_them_dies(tmp_path: Path) -> None:
    found = in_two_processes(in_process, tmp_path)
    assert (tmp_path / "killed").exists()
    for loss, (ndcg, table), (its_ndcg, its_table) in zip(LOSSES, found[0], found[1], strict=True):
        alone = trained(loss, None).ndcg
        assert ndcg == its_ndcg
        np.testing.assert_array_equal(table, its_table)
        assert min(ndcg[-1], alone[-1]) > 0.7
        if loss == "softmax":  # which draws nothing, so that they differ by the rounding of 16 bits only
            np.testing.assert_allclose(ndcg, alone, atol=0.02)
