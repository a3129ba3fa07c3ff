"""Fine-tuning in two processes of torchrun: the weights of one process, though a process dies."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from trainings import SHORT, domain, tuned_by, weights

from tailrank.errors import RequestError
from tailrank.language.encoder import TextEncoder
from tailrank.processes import Processes, started_processes
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.finetuning import finetune
from two_processes import in_two_processes

pytestmark = pytest.mark.usefixtures("own_cache")


@dataclass
class Killer:
    """Kills its process at a step, once."""

    marker: Path

    def start(self, settings: object) -> None: ...

    def log(self, step: int, metrics: object) -> None:
        if step == 5 and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def finish(self, succeeded: bool) -> None: ...


def train(folder: Path, place: Path, settings: dict[str, Any]) -> list[torch.Tensor]:
    """Train as each process does."""
    torch.set_num_threads(1)
    encoder, config = TextEncoder.load(str(folder), "cpu"), FineTuningConfig(**settings)
    with started_processes() as processes:
        killers = [Killer(place / "killed")] if processes.rank else []
        file = place / "checkpoint"
        tuned = finetune([domain(encoder)], encoder, config, checkpoint=file, trackers=killers)
    return weights(tuned)


@pytest.mark.slow
def test_two_processes_learn_as_one_though_one_of_them_dies(small_bert: Path, tmp_path: Path) -> None:
    settings = {**SHORT, "method": "lora", "loss": "next-item", "batch": 48}
    found = in_two_processes(train, small_bert, tmp_path, settings)
    assert (tmp_path / "killed").exists()
    whole, _ = tuned_by(small_bert, **settings)
    for one, two, want in zip(found[0], found[1], weights(whole), strict=True):
        assert torch.equal(one, two)
        torch.testing.assert_close(one, want, atol=2e-5, rtol=1e-3)


def test_adversarial_training_of_several_processes_is_refused(
    small_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrank.tuning.trainable_encoder.joined", lambda: Processes(0, 2))
    encoder, config = (
        TextEncoder.load(str(small_bert), "cpu"),
        FineTuningConfig(method="lora", adversarial=1.0),
    )
    with pytest.raises(RequestError, match="runs in one process"):
        finetune([domain(encoder)], encoder, config)
