"""What a teacher is worth: its own scores, the table alone, and the ranker with and without; resumes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from time import process_time
from typing import Annotated, Final

import polars as pl
import typer

from bench import study
from bench.grounds import COLD, Ground, fair_ndcg, fair_splits
from tailrank.cli.progress import progress_bars
from tailrank.data.cache import cache_root
from tailrank.data.splits import Split
from tailrank.files import written_file
from tailrank.language.encoder import TextEncoder
from tailrank.language.generative import load_generative_model
from tailrank.language.text import item_texts
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.signals.taught import Taught
from tailrank.tuning.teaching import Catalogue, teach

WITHOUT: Final = "all but the teacher"
ALONE: Final = "what is taught alone"
EVERYTHING: Final = "everything"
CROSS: Final = "cross-encoder"


def table(split: Split, vectors: ItemVectors, teacher: str, minutes: float, seed: int) -> pl.DataFrame:
    """Teach from the events before validation, or read what was taught."""
    dataset = split.train
    name = f"{dataset.name}-{dataset.fingerprint[:12]}-{seed}-{teacher.rstrip('/').rpartition('/')[2]}"
    file = cache_root() / "teacher" / "bench" / f"{name}.parquet"
    if not file.exists():
        texts = item_texts(dataset.items)
        about = Catalogue(dataset, texts, study.whitened(vectors), seed=seed)
        model = TextEncoder.load() if teacher == CROSS else load_generative_model(teacher)
        started = process_time()
        with progress_bars() as progress:
            found = teach(about, model, 60 * minutes, cache_root() / "teacher", progress, print)
        print(f"{name}: {(process_time() - started) / 60:.1f} CPU minutes", flush=True)
        with written_file(file) as new:
            found.write_parquet(new)
    return pl.read_parquet(file)


def taught(split: Split, found: pl.DataFrame) -> Split:
    """Give a split the table of a teacher."""
    train = replace(split.train, taught=found)
    refitted = split.full_train is not split.train
    return replace(
        split, train=train, full_train=replace(split.full_train, taught=found) if refitted else train
    )


def alone(split: Split, vectors: ItemVectors, teacher: str, minutes: float, seed: int) -> study.Values:
    """Give ndcg@10 of each test query by the table alone."""
    [signal] = Taught.fit(
        study.training_data(taught(split, table(split, vectors, teacher, minutes, seed)), seed)
    )
    return {ALONE: fair_ndcg(signal, split)}


def whole(way: str, split: Split, vectors: ItemVectors, seed: int) -> study.Values:
    """Give the same by the whole ranker."""
    return {way: fair_ndcg(Reranker.fit(split, vectors, Settings(seed=seed)), split)}


def everything(split: Split, vectors: ItemVectors, teacher: str, minutes: float, seed: int) -> study.Values:
    """Give the same by the whole ranker with the table."""
    found = table(split, vectors, teacher, minutes, seed)
    return whole(EVERYTHING, taught(split, found), vectors, seed)


def main(
    data: study.Data,
    name: study.Name,
    teacher: Annotated[str, typer.Option(help="As `tailrank teach` takes it.")] = CROSS,
    minutes: Annotated[float, typer.Option(help="For each seed's teacher.")] = 30.0,
    seeds: study.Seeds = "0,1,2",
) -> None:
    """Store what a teacher is worth with a tenth of the items cold."""
    dataset, vectors, about = study.encoded(name, data)
    all_seeds = study.numbers(seeds)
    splits = {seed: fair_splits(dataset, seed)[COLD] for seed in all_seeds}

    def parts(seed: int) -> dict[str, Callable[[], study.Values]]:
        given = vectors, teacher, minutes, seed
        return {
            WITHOUT: partial(whole, WITHOUT, splits[seed], vectors, seed),
            f"{ALONE} {teacher}": partial(alone, splits[seed], *given),
            f"{EVERYTHING} {teacher}": partial(everything, splits[seed], *given),
        }

    found, ground = study.collect("teacher", dataset, all_seeds, parts), Ground(list(splits.values()))
    rows = [
        {"way": way, **ground.row(values, {} if way == WITHOUT else {WITHOUT: found[WITHOUT]})}
        for way, values in found.items()
    ]
    told = {"teacher": teacher.rstrip("/").rpartition("/")[2], "minutes": minutes, "seeds": all_seeds}
    study.store(f"{name}/teacher.json", {**about, **told, **ground.about(), "rows": rows})
