"""What a larger encoder buys: the whole ranker by encoder, on fair ground; others keep what is stored."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from bench import study
from bench.grounds import FAIR, WORDS, Ground, fair_ndcg, fair_splits
from bench.stored import read
from tailrank.cli.options import load
from tailrank.cli.progress import progress_bars
from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split
from tailrank.language.encoder import TextEncoder
from tailrank.language.store import VectorStore
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings


@dataclass(frozen=True)
class Encoded:
    """A catalogue in the vectors of one encoder.

    Attributes
    ----------
    name
        Of the encoder; of a folder without the way to it.
    sha256
        Of its weights.
    parameters
        Number of its weights.
    vectors
        Of the items.
    """

    name: str
    sha256: str
    parameters: int
    vectors: ItemVectors

    @classmethod
    def by(cls, encoder: str, dataset: Dataset) -> Encoded:
        """Encode a catalogue, unless the store has its vectors."""
        model = TextEncoder.load(encoder)
        with progress_bars() as progress:
            vectors = ItemVectors.encode(dataset.items, model, store=VectorStore(), progress=progress)
        name = Path(encoder).name if Path(encoder).is_dir() else encoder
        size = sum(weights.numel() for weights in model.model.parameters())
        return cls(name, model.sha256, size, vectors)

    @property
    def key(self) -> str:
        """The name, and which weights are meant."""
        return f"{self.name} {self.sha256:.12}"

    def about(self) -> study.Json:
        """Say what the encoder is."""
        return {"encoder": self.name, "sha256": self.sha256, "parameters": self.parameters}


def values(name: str, split: Split, vectors: ItemVectors | None, seed: int) -> study.Values:
    """Fit the whole ranker, and give ndcg@10 of each test query under a name."""
    return {name: fair_ndcg(Reranker.fit(split, vectors, Settings(seed=seed)), split)}


def main(
    data: study.Data,
    name: study.Name,
    encoder: Annotated[list[str], typer.Option(help="As `tailrank train` takes it; may be given again.")],
    seeds: study.Seeds = "0,1,2",
) -> None:
    """Store the curve of one data set."""
    dataset, all_seeds = load(study.path_of(name, data)), study.numbers(seeds)
    split, encoded = fair_splits(dataset, 0)[FAIR], [Encoded.by(each, dataset) for each in encoder]

    def parts(seed: int) -> dict[str, Callable[[], study.Values]]:
        found = {each.key: partial(values, each.key, split, each.vectors, seed) for each in encoded}
        return {WORDS: partial(values, WORDS, split, None, seed), **found}

    found, ground = study.collect("encoders", dataset, all_seeds, parts), Ground([split] * len(all_seeds))
    file = study.RESULTS / name / "encoders.json"
    rows = {row["encoder"]: row for row in (read(file)["rows"] if file.exists() else [])}
    rows[WORDS] = {"encoder": WORDS, "parameters": 0, **ground.row(found[WORDS], {})}
    for each in encoded:
        rows[each.name] = each.about() | ground.row(found[each.key], {WORDS: found[WORDS]})
    study.store(f"{name}/encoders.json", report(name, all_seeds, ground, list(rows.values())))


def report(name: str, seeds: Sequence[int], ground: Ground, rows: Sequence[study.Json]) -> study.Json:
    """Put the rows of a data set in the order of size, with the command that measures them all."""
    ordered = sorted(rows, key=lambda row: float(row["parameters"]))
    options = [part for row in ordered if row["encoder"] != WORDS for part in ("--encoder", row["encoder"])]
    command = shlex.join(["python", "-m", "bench", "encoders", "DATA", name, *options])
    about = {"command": command, "dataset": name, "seeds": seeds}
    return {**about, **ground.about(), "rows": ordered}
