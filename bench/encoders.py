"""What a larger encoder buys, and a tuned one: whole rankers on both grounds; others keep what is stored."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer

from bench import study
from bench.grounds import COLD, FAIR, FROZEN, GROUNDS, WORDS, Ground, fair_ndcg, fair_splits
from bench.stored import read
from tailrank.cli.options import load
from tailrank.cli.progress import progress_bars
from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split
from tailrank.language.encoder import TextEncoder
from tailrank.language.store import VectorStore
from tailrank.language.text import item_texts
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.fitting import Vectors
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.domains import Domain
from tailrank.tuning.finetuning import finetune

N_TIMED: Final = 512
OF_COLD: Final = "ndcg@10/cold"
NOTHING: Final[Mapping[str, str]] = {}


@dataclass(frozen=True)
class Encoded:
    """A catalogue in the vectors of one encoder.

    Attributes
    ----------
    given
        As `TextEncoder.load` takes the encoder.
    name
        Of the encoder; of a folder without the way to it.
    sha256
        Of its weights.
    parameters
        Number of its weights.
    texts_per_second
        Of processor time.
    vectors
        Of the items.
    """

    given: str
    name: str
    sha256: str
    parameters: int
    texts_per_second: float
    vectors: ItemVectors

    @classmethod
    def by(cls, encoder: str, dataset: Dataset) -> Encoded:
        """Encode a catalogue, unless the store has its vectors."""
        model = TextEncoder.load(encoder)
        with progress_bars() as progress:
            vectors = ItemVectors.encode(dataset.items, model, store=VectorStore(), progress=progress)
        name = Path(encoder).name if Path(encoder).is_dir() else encoder
        size = sum(weights.numel() for weights in model.model.parameters())
        return cls(encoder, name, model.sha256, size, rate(model, dataset), vectors)

    @property
    def key(self) -> str:
        """The name, and which weights are meant."""
        return f"{self.name} {self.sha256:.12}"

    @property
    def tuned(self) -> str:
        """The key of the ranker with the tuned vectors beside the frozen ones."""
        return f"{self.key}, tuned"

    def about(self) -> study.Json:
        """Say what the encoder is."""
        return {
            "encoder": self.name,
            "sha256": self.sha256,
            "parameters": self.parameters,
            "megabytes": round(self.parameters * 4 / 1e6, 1),
            "texts_per_second": round(self.texts_per_second, 1),
        }


def rate(encoder: TextEncoder, dataset: Dataset) -> float:
    """Encode some texts of a catalogue; gives how many in a second of processor time."""
    texts = [text for text in item_texts(dataset.items) if text]
    drawn = np.random.default_rng(0).choice(len(texts), min(N_TIMED, len(texts)), replace=False)
    encoder.encode(texts[:1])
    start = time.process_time()
    encoder.encode([texts[at] for at in drawn])
    return len(drawn) / (time.process_time() - start)


def values(name: str, split: Split, vectors: Vectors, seed: int) -> study.Values:
    """Fit the whole ranker, and give ndcg@10 of each test query under a name."""
    return {name: fair_ndcg(Reranker.fit(split, vectors, Settings(seed=seed)), split)}


def tuned_values(encoded: Encoded, split: Split, seed: int) -> study.Values:
    """Tune a head on the training part of a split, by default settings, and rank with both kinds of vectors.

    As after `tailrank finetune`, there are no tuned vectors if none ranked validation better than the frozen
    ones. Beside ndcg@10 of each test query, it gives the seconds of processor time that tuning took, and
    whether anything was learned.
    """
    frozen, encoder = encoded.vectors, TextEncoder.load(encoded.given)
    start = time.process_time()
    domain = Domain(split, item_texts(split.train.items), frozen.values)
    found = finetune([domain], encoder, FineTuningConfig(seed=seed))
    costs = {"seconds": time.process_time() - start, "learned": float(found.best_step > 0)}
    both = {"semantic": frozen, "tuned": ItemVectors(found.vectors[0], whiten=False)}
    ranked = values(encoded.tuned, split, both if costs["learned"] else frozen, seed)
    return ranked | {f"{encoded.tuned}, {cost}": np.array(value) for cost, value in costs.items()}


def main(
    data: study.Data,
    name: study.Name,
    encoder: Annotated[list[str], typer.Option(help="As `tailrank train` takes it; may be given again.")],
    seeds: study.Seeds = "0,1,2",
) -> None:
    """Store the curve of one data set."""
    dataset, all_seeds = load(study.path_of(name, data)), study.numbers(seeds)
    encoded = [Encoded.by(each, dataset) for each in encoder]
    splits = {seed: fair_splits(dataset, seed) for seed in all_seeds}
    found = {}
    for title in GROUNDS:

        def parts(seed: int, title: str = title) -> dict[str, Callable[[], study.Values]]:
            split, of_cold = splits[seed][title], "cold " if title == COLD else ""
            kept = {WORDS: None} | {each.key: each.vectors for each in encoded}
            computed = {key: partial(values, key, split, vectors, seed) for key, vectors in kept.items()}
            computed |= {each.tuned: partial(tuned_values, each, split, seed) for each in encoded}
            return {f"{of_cold}{key}": compute for key, compute in computed.items()}

        found[title] = study.collect("encoders", dataset, all_seeds, parts)
    grounds = {title: Ground([splits[seed][title] for seed in all_seeds]) for title in GROUNDS}
    file = study.RESULTS / name / "encoders.json"
    rows = {row["encoder"]: row for row in (read(file)["rows"] if file.exists() else [])}
    rows[WORDS] = {"encoder": WORDS, "parameters": 0, **row_of(grounds, found, WORDS)}
    words, first = {WORDS: WORDS}, {encoded[0].name: encoded[0].key}
    for each in encoded:
        against = words if each is encoded[0] else words | first
        rows[each.name] = each.about() | row_of(grounds, found, each.key, against)
        tuned = row_of(grounds, found, each.tuned, words | {FROZEN: each.key})
        tuned |= {"encoder": f"{each.name}, tuned", **costs_of(found, each.tuned)}
        rows[each.name]["tuned"] = tuned
    study.store(f"{name}/encoders.json", report(name, all_seeds, grounds, list(rows.values())))


def costs_of(found: dict[str, study.Found], key: str) -> study.Json:
    """Give the mean processor time of a tuning on either ground, and how many learned something."""
    seconds, learned = (
        [float(each) for title in GROUNDS for each in found[title][f"{key}, {cost}"]]
        for cost in ("seconds", "learned")
    )
    mean = round(float(np.mean(seconds)), 1)
    return {"core_seconds": mean, "tunings": len(learned), "learned": int(sum(learned))}


def row_of(
    grounds: dict[str, Ground], found: dict[str, study.Found], key: str, against: Mapping[str, str] = NOTHING
) -> study.Json:
    """Give the metrics of an encoder on fair ground, and that of the cold items that each seed draws.

    `against` has the keys of what it is compared with, by their names.
    """
    rows = {}
    for title, ground in grounds.items():
        others = {name: found[title][other] for name, other in against.items()}
        rows[title] = ground.row(found[title][key], others)
    row, cold = rows[FAIR], rows[COLD]
    row["metrics"][OF_COLD] = cold["metrics"][OF_COLD]
    for other, metrics in cold["difference"].items():
        row["difference"][other] |= {name: metrics[name] for name in (OF_COLD,) if name in metrics}
    return row


def report(
    name: str, seeds: Sequence[int], grounds: dict[str, Ground], rows: Sequence[study.Json]
) -> study.Json:
    """Put the rows of a data set in the order of size, with the command that measures them all."""
    ordered = sorted(rows, key=lambda row: float(row["parameters"]))
    options = [part for row in ordered if row["encoder"] != WORDS for part in ("--encoder", row["encoder"])]
    command = shlex.join(["python", "-m", "bench", "encoders", "DATA", name, *options])
    about = {"command": command, "dataset": name, "seeds": seeds}
    fair, cold = grounds[FAIR].about(), grounds[COLD].about()
    fair["queries"][OF_COLD] = cold["queries"][OF_COLD]
    return {**about, **fair, "rows": ordered}
