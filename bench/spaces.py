"""Rank with a space beside the text: one of noise, one that holds what the text leaves out; resumes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import numpy as np
import polars as pl

from bench import study
from tailrank.arrays import Bools, Floats
from tailrank.cli.options import load
from tailrank.cli.progress import progress_bars
from tailrank.cli.spaces import vector_spaces
from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split, temporal
from tailrank.language.vector_column import unit_rows
from tailrank.language.vectors import ItemVectors
from tailrank.metrics.significance import paired_bootstrap
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings

PER_USER: Final = 30
"""Test queries of a user, at most."""

TITLE: Final = "{title}"
WITHOUT: Final = "titles"
GROUPS: Final = (*study.GROUPS, "count=6-20", "count>20")
REQUESTS, CANDIDATES = 300, 100


def halved(vectors: Floats, seed: int) -> Floats:
    """Take the vectors of a random half of the items away."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(len(vectors))[:, None] < 0.5, vectors, 0).astype(np.float32)


def genre_vectors(items: pl.DataFrame) -> Floats:
    """Mark the genres of each item, which its title doesn't name: the truth that a picture may hold."""
    genres = items["genres"].list.explode().drop_nulls().unique().sort()
    marks = items.select(pl.col("genres").list.contains(each).fill_null(False).alias(each) for each in genres)
    return unit_rows(marks.to_numpy().astype(np.float32))


def noise(n_items: int, seed: int) -> Floats:
    """Draw vectors that say nothing."""
    drawn = np.random.default_rng(seed).normal(size=(n_items, 384)).astype(np.float32)
    unit: Floats = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit


def whole(
    way: str, dataset: Dataset, spaces: Mapping[str, ItemVectors], split: Split, seed: int
) -> study.Values:
    """Give ndcg@10 of each test query by a whole ranker, and the microseconds that rankings take."""
    vectors = {**vector_spaces(dataset, "default", TITLE), **spaces}
    with progress_bars() as progress:
        fitted = Reranker.fit(split, vectors, Settings(seed=seed, template=TITLE), progress)
    return {way: study.ndcg(fitted, split), f"{way}: cpu": np.array([cpu_microseconds(fitted, split)])}


def cpu_microseconds(reranker: Reranker, split: Split) -> float:
    """Give what one ranking costs a processor: random candidates, histories of test queries."""
    rng, ids = np.random.default_rng(0), split.full_train.item_ids
    queries = split.test.sample(REQUESTS, 0)
    h = queries.histories.latest(50)
    requests = [
        Request(
            [ids[code] for code in h.items[start:end]],
            [ids[code] for code in rng.choice(len(ids), CANDIDATES, replace=False)],
        )
        for start, end in zip(h.offsets[:-1], h.offsets[1:], strict=True)
    ]
    for request in requests[:30]:
        reranker.rank(request)
    start_time = time.process_time()
    for request in requests:
        reranker.rank(request)
    return 1e6 * (time.process_time() - start_time) / len(requests)


def alone(way: str, vectors: Floats, split: Split, seed: int) -> study.Values:
    """Give ndcg@10 of each test query by the signal alone."""
    return {way: study.ndcg(study.attention(study.whitened(vectors), split, seed), split)}


def studied(name: str, data: study.Data, seeds: list[int]) -> study.Json:
    """Measure what spaces are worth on one set."""
    dataset = load(study.path_of(name, data))
    genres = genre_vectors(dataset.items)
    split = temporal(dataset, PER_USER)

    def parts(seed: int) -> dict[str, Callable[[], study.Values]]:
        half = halved(genres, seed)
        beside = {
            WITHOUT: {},
            "titles, noise": {"image": noise(dataset.n_items, seed)},
            "titles, genres of half": {"image": half},
        }
        found: dict[str, Callable[[], study.Values]] = {}
        for way, given in beside.items():
            spaces = {each: ItemVectors(values) for each, values in given.items()}
            found[way] = partial(whole, way, dataset, spaces, split, seed)
        for way, values in {"noise": noise(dataset.n_items, seed), "genres of half": half}.items():
            found[f"{way} alone"] = partial(alone, f"{way} alone", values, split, seed)
        return found

    found = study.collect("spaces", dataset, seeds, parts)
    return {
        "dataset": name,
        "protocol": split.protocol,
        "items": dataset.n_items,
        "rows": [
            {"way": way, **study.row(values, split, None if way == WITHOUT else found[WITHOUT], GROUPS)}
            for way, values in found.items()
            if not way.endswith(": cpu")
        ],
        "genres of half": by_vector(found, split, genres, seeds),
        "cpu microseconds a ranking": {
            way.removesuffix(": cpu"): [float(each[0]) for each in values]
            for way, values in found.items()
            if way.endswith(": cpu")
        },
    }


def by_vector(found: study.Found, split: Split, vectors: Floats, seeds: list[int]) -> study.Json:
    """Compare the ranker that knows half of the genres with one that knows none, by sort of target."""
    told = {}
    for sort in ("target has a vector", "target lacks one"):
        rows = []
        for at, seed in enumerate(seeds):
            has: Bools = np.linalg.norm(halved(vectors, seed), axis=1)[split.test.targets] > 0
            mask = has if sort == "target has a vector" else ~has
            one = paired_bootstrap(
                found["titles, genres of half"][at], found[WITHOUT][at], split.test.users, mask
            )
            if one:
                rows.append({"seed": seed, "mean": one.mean, "ci95": [one.low, one.high]})
        told[sort] = rows
    return told


def main(data: study.Data, name: study.Name = "movielens-100k", seeds: study.Seeds = "0") -> None:
    """Store what spaces are worth."""
    all_seeds = study.numbers(seeds)
    study.store("spaces.json", {"seeds": all_seeds, **studied(name, data, all_seeds)})
