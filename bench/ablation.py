"""Take tailrank apart: texts, signals and losses, each against another; start again to resume.

What is done is kept in the cache folder under `ablation`; remove it there to measure anew.
"""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Final, get_args

import numpy as np

from bench.run import RESULTS, keep, path_of
from bench.stored import Json
from tailrank.arrays import Doubles, Floats
from tailrank.cli.options import (
    item_vectors,
    load,
)
from tailrank.data.cache import cache_root
from tailrank.data.splits import Split, leave_one_out
from tailrank.machine import machine
from tailrank.metrics.full_ranking import per_query, rank_queries
from tailrank.metrics.popularity import target_groups
from tailrank.metrics.significance import paired_bootstrap
from tailrank.ranking.fitting import Settings, Signals, fit_signals, validation_sample, whitened
from tailrank.ranking.reranker import Reranker
from tailrank.signals.base import Signal
from tailrank.signals.semantic import SemanticAttention
from tailrank.signals.sequence.config import SASRecConfig, SequenceLoss
from tailrank.signals.sequence.training import train

EPOCHS: Final = 12
WHOLE: Final = "whole"
TEXTS: Final = ("no text", "random vectors", "permuted texts", "TF-IDF", "raw LM", "whitened LM")
"""What items are known by; only TF-IDF has the lexical signal, and it has no vectors."""

SIGNALS: Final = ("semantic", "lexical", "sequence", "covisitation", "item-knn", "popularity")
LOSSES: Final[dict[str, SequenceLoss]] = {
    f"sequence: {loss}": loss for loss in get_args(SequenceLoss) if loss != "softmax"
}
ROWS: Final = (
    ("whole", WHOLE, ""),
    ("text", TEXTS[0], ""),
    *(("text", name, before) for name, before in zip(TEXTS[1:], TEXTS, strict=False)),
    ("text", "whitened LM", "TF-IDF"),
    *(("signals", f"without {name}", WHOLE) for name in SIGNALS),
    ("loss", "fusion: bce", WHOLE),
    *(("loss", name, WHOLE) for name in LOSSES),
)
"""Group, variant, and the variant that it is compared with."""

METRICS: Final = ("", "tail80", "count=1-5", "count=6-20", "count>20")


class Parts:
    """What the variants of one seed are put together from; each part is fitted when it is first needed."""

    def __init__(self, split: Split, vectors: Floats, seed: int) -> None:
        self.split, self.vectors = split, vectors
        self.settings = Settings(seed=seed, sequence_epochs=EPOCHS)
        self.trained: dict[tuple[str, SequenceLoss | None], Signal] = {}

    def reranker(self, name: str) -> Reranker:
        """Fit one variant."""
        settings, signals = self.settings, self._whole
        if name in TEXTS:
            signals = self._known_by(name)
        elif name.startswith("without "):
            signals = self._without(name.removeprefix("without "))
        elif name in LOSSES:
            signals = (*self._without("sequence"), self._sequence("whitened LM", LOSSES[name]))
        elif name == "fusion: bce":
            settings = replace(settings, loss="bce")
        return Reranker.of(self.split, Signals(signals, signals), settings)

    def _without(self, name: str) -> tuple[Signal, ...]:
        return tuple(signal for signal in self._whole if signal.name != name)

    def _known_by(self, text: str) -> tuple[Signal, ...]:
        kept = ("covisitation", "item-knn", "popularity", *(["lexical"] if text == "TF-IDF" else []))
        signals = [signal for signal in self._whole if signal.name in kept]
        vectors = self._items_by(text)
        if vectors is not None:
            asked, n_types = validation_sample(self.split, self.settings), len(self.split.train.event_types)
            signals.append(SemanticAttention.fit(vectors, n_types, asked, self.settings.seed))
        return (*signals, self._sequence(text, None))

    def _items_by(self, text: str) -> Floats | None:
        """Give item vectors of one kind, shape (items, d); None where a text has none."""
        rng = np.random.default_rng(self.settings.seed)
        if text == "random vectors":
            drawn = rng.normal(size=self._white.shape).astype(np.float32)
            unit: Floats = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
            return unit
        if text == "permuted texts":
            return self._white[rng.permutation(len(self._white))]
        return {"raw LM": self.vectors, "whitened LM": self._white}.get(text)

    def _sequence(self, text: str, loss: SequenceLoss | None) -> Signal:
        """Train the sequence model on items known by a text; the whole has that of the whitened LM."""
        vectors = self._items_by(text)
        key = (text if vectors is not None else "ids", loss)
        if key == ("whitened LM", None):
            return next(signal for signal in self._whole if signal.name == "sequence")
        if key not in self.trained:
            recipe = SASRecConfig(epochs=EPOCHS, seed=self.settings.seed, loss=loss)
            split = self.split
            self.trained[key] = train(split.train, split.validation, split.repeats, vectors, recipe).model
        return self.trained[key]

    @cached_property
    def _white(self) -> Floats:
        return whitened(self.vectors, self.settings)

    @cached_property
    def _whole(self) -> tuple[Signal, ...]:
        return fit_signals(self.split, self.vectors, self.settings).before


def measured(parts: Parts, name: str, work: Path) -> Doubles:
    """Give ndcg@10 of each test query under a variant, and keep it."""
    file = work / f"seed-{parts.settings.seed}" / f"{name.replace(' ', '-').replace(':', '')}.npy"
    if not file.exists():
        found = per_query(rank_queries(parts.reranker(name), parts.split.test, parts.split))
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_suffix(".part")
        with beside.open("wb") as opened:
            np.save(opened, found)
        beside.rename(file)  # so that what is kept is whole
        print(f"seed {parts.settings.seed}, {name}: {found.mean():.4f}", flush=True)
    values: Doubles = np.load(file)
    return values


def rows(split: Split, found: dict[str, list[Doubles]]) -> list[Json]:
    """Average each variant over queries and seeds, and bound the differences by resampling people."""
    test, groups = split.test, target_groups(split.full_train.counts)
    masks = {
        "ndcg@10" + (f"/{name}" if name else ""): groups[name][test.targets]
        if name
        else np.ones(len(test), bool)
        for name in METRICS
    }
    made = []
    for group, name, against in ROWS:
        if name not in found or (against and against not in found):
            continue
        values = found[name]
        figures = {metric: [float(each[rows].mean()) for each in values] for metric, rows in masks.items()}
        row: Json = {"group": group, "variant": name, "against": against, "difference": {}}
        row["figures"] = {metric: {"mean": float(np.mean(f)), "seeds": f} for metric, f in figures.items()}
        for metric, mask in masks.items() if against else ():
            a, b = np.mean(values, axis=0), np.mean(found[against], axis=0)
            one = paired_bootstrap(a, b, test.users, mask)
            if one:
                row["difference"][metric] = {"mean": one.mean, "ci95": [one.low, one.high]}
        made.append(row)
    return made


def main() -> None:
    """Store the ablation of one data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="holds the data folders")
    parser.add_argument("name", help="of the data set")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    every = list(dict.fromkeys(name for _, name, _ in ROWS))
    parser.add_argument("--variants", nargs="+", choices=every, default=every, metavar="NAME")
    given = parser.parse_args()
    dataset = load(path_of(given.name, given.data))
    split = leave_one_out(dataset)
    vectors, about = item_vectors(dataset, "default", None)
    assert vectors is not None  # noqa: S101 - there is an encoder
    work = cache_root() / "ablation" / f"{given.name}-{dataset.fingerprint[:12]}"
    found: dict[str, list[Doubles]] = {}
    for seed in given.seeds:
        parts = Parts(split, vectors, seed)
        for name in given.variants:
            found.setdefault(name, []).append(measured(parts, name, work))
    command = f"python -m bench.ablation DATA {given.name} --seeds {' '.join(map(str, given.seeds))}"
    if given.variants != every:
        command += f" --variants {shlex.join(given.variants)}"
    said = {"dataset": given.name, "protocol": split.protocol, "seeds": given.seeds, "command": command}
    keep(RESULTS / given.name / "ablation.json", {**said, "rows": rows(split, found), **about, **machine()})


if __name__ == "__main__":
    main()
