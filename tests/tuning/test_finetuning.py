"""Fine-tuning: a small real transformer learns which texts are wanted together."""

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from trainings import EQUAL, SHORT, WORDS, Listener, domain, shop, tuned_by, weights

from tailrank import Reranker
from tailrank.data.dataset import Dataset
from tailrank.data.splits import hold_out
from tailrank.errors import DataError, EncoderError, ModelError
from tailrank.language.encoder import TextEncoder
from tailrank.language.vectors import ItemVectors
from tailrank.tuning.config import FineTuningConfig, Method
from tailrank.tuning.domains import Domain
from tailrank.tuning.finetuning import finetune
from tailrank.tuning.validator import Validator

pytestmark = pytest.mark.usefixtures("own_cache")


def test_behaviour_is_learned(small_bert: Path) -> None:
    tuned, _ = tuned_by(small_bert, method="head", steps=0, hidden=256)
    assert (tuned.steps, len(tuned.validation_steps)) == (0, 2)
    assert tuned.validation_score > tuned.validation_steps[0]["data"]["all"] + 0.2


def test_equal_texts_stay_equal(small_bert: Path) -> None:
    encoder, data = TextEncoder.load(str(small_bert), "cpu"), shop()
    same = replace(data, items=data.items.with_columns(title=pl.lit("tea")))
    vectors = finetune([domain(encoder, same)], encoder, FineTuningConfig(**{**SHORT, "steps": 0})).vectors[0]
    assert np.ptp(vectors, axis=0).max() < EQUAL


@pytest.mark.parametrize("method", ["full", "lora", "head"])
def test_gradients_in_two_passes_are_those_of_one(small_bert: Path, method: str) -> None:
    one, two = (tuned_by(small_bert, method=method, loss="next-item", memory=n)[0] for n in (1000, 2))
    for a, b in zip(weights(one), weights(two), strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-3)


@pytest.mark.parametrize("method", ["full", "last-layers", "lora"])
def test_an_interrupted_run_ends_as_an_undisturbed_one(
    small_bert: Path, tmp_path: Path, method: Method
) -> None:
    whole, _ = tuned_by(small_bert, method=method)
    encoder, config = TextEncoder.load(str(small_bert), "cpu"), FineTuningConfig(**SHORT, method=method)
    file = tmp_path / "checkpoint"

    def stop(step: int, score: float) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune([domain(encoder)], encoder, config, checkpoint=file, on_validation=stop)
    again, _ = tuned_by(small_bert, file, method=method)
    assert again.validation_steps == whole.validation_steps
    for a, b in zip(weights(whole), weights(again), strict=True):
        torch.testing.assert_close(a, b, atol=EQUAL, rtol=0)


def test_a_killed_process_loses_nothing(small_bert: Path, tmp_path: Path) -> None:
    settings = {**SHORT, "steps": 16, "every": 4, "patience": 100, "method": "full"}
    file = tmp_path / "checkpoint"
    script = (
        "import json, sys; sys.path.insert(0, sys.argv[1])\n"
        "from trainings import *\n"
        "tuned_by(Path(sys.argv[2]), Path(sys.argv[3]), **json.loads(sys.argv[4]))\n"
    )
    asked = [str(Path(__file__).parent), str(small_bert), str(file), json.dumps(settings)]
    process = subprocess.Popen([sys.executable, "-c", script, *asked])
    while not file.exists():
        time.sleep(0.01)
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    again, whole = (tuned_by(small_bert, at, **settings)[0] for at in (file, None))
    for a, b in zip(weights(whole), weights(again), strict=True):
        torch.testing.assert_close(a, b, atol=EQUAL, rtol=0)


def test_a_checkpoint_belongs_to_its_training(small_bert: Path, tmp_path: Path) -> None:
    tuned_by(small_bert, tmp_path / "checkpoint")
    with pytest.raises(ModelError, match="the checkpoint of another training"):
        tuned_by(small_bert, tmp_path / "checkpoint", seed=1)


def test_words_move_and_return(small_bert: Path) -> None:
    transformer: Any = TextEncoder.load(str(small_bert), "cpu").model[0].model
    before = transformer.embeddings.word_embeddings.weight
    losses = []
    for length in (0.0, 1.0):
        encoder, listener = TextEncoder.load(str(small_bert), "cpu"), Listener()
        config = FineTuningConfig(**SHORT, method="lora", adversarial=length)
        tuned = finetune([domain(encoder)], encoder, config, trackers=[listener])
        losses.append(listener.losses)
        assert torch.equal(before, tuned.encoder.embeddings)
    assert losses[0][0] == losses[1][0]
    assert losses[0][1] != losses[1][1]


def test_it_stops_if_it_gets_no_better(small_bert: Path) -> None:
    tuned, _ = tuned_by(
        small_bert, method="head", loss="simcse", dropout=0.0, steps=1000, patience=2, head_rate=0.1
    )
    assert tuned.steps < 1000
    assert len(tuned.validation_steps) == tuned.best_step + 3
    validator = Validator(hold_out(shop()), FineTuningConfig.recency_decay, 0)
    assert validator(tuned.vectors[0]) == tuned.validation_steps[tuned.best_step]["data"]


def test_domains_share_an_encoder(small_bert: Path) -> None:
    encoder = TextEncoder.load(str(small_bert), "cpu")
    one, two = domain(encoder, shop(0)), domain(encoder, replace(shop(1), name="other"))
    tuned = finetune([one, two], encoder, FineTuningConfig(**SHORT, temper=0.0))
    assert [vectors.shape for vectors in tuned.vectors] == [(14, 32), (14, 32)]
    assert set(tuned.validation_steps[0]) == {one.split.train.name, "other"}


def test_a_rate_far_too_high(small_bert: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="diverged at step"):
        tuned_by(small_bert, method="full", rate=1e30, head_rate=1e30, clip=1e30, steps=40)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: replace(d, texts=[""] * len(WORDS)), "fewer than two items have a text"),
        (
            lambda d: replace(d, vectors=d.vectors[:, :5]),
            r"need vectors of width 32, one each; the shape is \(14, 5\)",
        ),
        (lambda d: replace(d, since=1e12), "no event to learn from is as new"),
    ],
)
def test_domains(small_bert: Path, change: Callable[[Domain], Domain], message: str) -> None:
    encoder = TextEncoder.load(str(small_bert), "cpu")
    with pytest.raises((DataError, EncoderError), match=message):
        finetune([change(domain(encoder))], encoder, FineTuningConfig(**SHORT))


@pytest.mark.parametrize(
    "events", [[("u", "0", 0)], [("u", "0", 0), ("u", "0", 1), ("u", "0", 2), ("v", "0", 0)]]
)
def test_one_user_or_one_item(small_bert: Path, events: list[tuple[str, str, int]]) -> None:
    items = pl.DataFrame({"item_id": ["0", "1"], "title": ["tea", "mug"]})
    table = pl.DataFrame(events, ["user_id", "item_id", "position"], orient="row")
    encoder = TextEncoder.load(str(small_bert), "cpu")
    with pytest.raises(DataError, match=r"at least 2 events|no validation query|two different items"):
        finetune([domain(encoder, Dataset.construct(items, table))], encoder, FineTuningConfig(**SHORT))


@pytest.mark.parametrize("method", ["last-layers", "full"])
def test_a_full_disk(small_bert: Path, tmp_path: Path, method: Method) -> None:
    encoder = TextEncoder.load(str(small_bert), "cpu")
    asked, checkpoint = domain(encoder), tmp_path / "sub" / "checkpoint"
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises((EncoderError, ModelError), match=r"can't be (kept|written)"):
            finetune([asked], encoder, FineTuningConfig(**SHORT, method=method), checkpoint=checkpoint)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and "activations" in str(file)]
    assert not checkpoint.exists()


def test_domains_have_names_of_their_own(small_bert: Path) -> None:
    encoder = TextEncoder.load(str(small_bert), "cpu")
    with pytest.raises(DataError, match="two data folders are called"):
        finetune([domain(encoder, shop(0)), domain(encoder, shop(1))], encoder, FineTuningConfig(**SHORT))


def test_the_tuned_space_is_a_signal_of_its_own(small_bert: Path, tmp_path: Path) -> None:
    tuned, encoder = tuned_by(small_bert)
    data, frozen = shop(), ItemVectors(encoder.encode(WORDS))
    reranker = Reranker.fit(data, {"semantic": frozen, "tuned": ItemVectors(tuned.vectors[0], whiten=False)})
    assert {"semantic", "tuned"} <= set(reranker.fusion.signals)
    reranker.save(tmp_path / "model")
    again = Reranker.load(tmp_path / "model")
    ids = [str(i) for i in range(8)]
    assert again.rank(["9", "3"], ids) == reranker.rank(["9", "3"], ids)
    with pytest.raises(DataError, match="3 vectors for 14 items"):
        Reranker.fit(data, {"semantic": frozen, "tuned": ItemVectors(tuned.vectors[0][:3])})
