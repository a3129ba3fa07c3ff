"""Learn from two data sets, rank a third that nothing learned from; start again to resume."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import permutations, product
from typing import Annotated, Final

import numpy as np
import torch
import typer

from bench import study
from bench.shop import Shop
from tailrank.arrays import Floats
from tailrank.cli.progress import progress_bars
from tailrank.data.splits import Split
from tailrank.language.encoder import TextEncoder
from tailrank.language.text import item_texts
from tailrank.signals.appendable import VectorTable
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.domains import Domain
from tailrank.tuning.finetuning import finetune
from tailrank.tuning.trainable_encoder import TrainableEncoder

SETS: Final = ("amazon-beauty", "amazon-scientific", "amazon-sports")
FROZEN: Final = "frozen, whitened"
PENALTIES: Final = (0.1, 1.0, 10.0)
SHARES: Final = (0.1, 0.3, 1.0)
"""How far a map goes from the identity toward what was learned."""

WORDS: Final = (0.0, 0.5, 1.0, 2.0)
"""Weights of words beside vectors of whole texts."""

READINGS: Final = tuple(product((256, 384), (0.45, 0.6), WORDS))
"""Dimensions, power of the whitening, weight of words."""


def chosen_map(sources: Mapping[str, Shop]) -> tuple[float, float]:
    """Choose penalty and share by how maps of each source rank in the others."""
    grid = list(product(PENALTIES, SHARES))

    def spaces(one: str, other: str) -> list[Floats]:
        maps = {penalty: sources[one].map(penalty) for penalty in PENALTIES}
        return [sources[other].mapped(maps[penalty], share) for penalty, share in grid]

    scores = [
        sources[other].scores(f"maps of {one}", partial(spaces, one, other))
        for one, other in permutations(sources, 2)
    ]
    return grid[int(np.mean(scores, axis=0).argmax())]


def closed_form(target: Shop, sources: Mapping[str, Shop]) -> tuple[dict[str, Floats], study.Json]:
    """Give spaces of the target by what sources taught and chose, and what they chose."""
    penalty, share = chosen_map(sources)
    learned = np.mean([source.map(penalty) for source in sources.values()], axis=0)

    def readings(shop: Shop) -> list[Floats]:
        return [shop.read(*reading) for reading in READINGS]

    scores = np.mean([shop.scores("readings", partial(readings, shop)) for shop in sources.values()], axis=0)
    whole = [scored if not reading[2] else -np.inf for reading, scored in zip(READINGS, scores, strict=True)]
    white, beside = READINGS[int(np.argmax(whole))], READINGS[int(scores.argmax())]
    chosen = {"penalty": penalty, "share": share, "whitening": white[:2], "words": beside}
    spaces = {
        FROZEN: target.aligned,
        "linear map of elsewhere": target.mapped(learned, share),
        "whitened as chosen elsewhere": target.read(*white),
        "words beside, as chosen elsewhere": target.read(*beside),
    }
    return spaces, chosen


def through_head(encoder: TrainableEncoder, vectors: Floats) -> Floats:
    """Put vectors of texts through the head of an encoder whose model is the frozen one."""
    features = {"sentence_embedding": torch.from_numpy(vectors)}
    with torch.no_grad():
        for layer in encoder.head:
            features = layer(features)
    found: Floats = features["sentence_embedding"].numpy()
    length = np.linalg.norm(found, axis=1, keepdims=True)
    return np.where(vectors.any(axis=1, keepdims=True), found / np.maximum(length, 1e-12), 0)


def tuned(shops: Mapping[str, Shop], target: str, seed: int) -> study.Values:
    """Give ndcg@10 of each test query by an encoder whose head is tuned on the others."""
    domains = [
        Domain(shop.split, item_texts(shop.dataset.items), shop.vectors)
        for name, shop in shops.items()
        if name != target
    ]
    with progress_bars() as progress:
        encoder = finetune(domains, TextEncoder.load(), FineTuningConfig(seed=seed), progress).encoder
    found, white = through_head(encoder, shops[target].vectors), study.whitened(shops[target].vectors)
    spaces = {
        "tuned elsewhere": found,
        "tuned elsewhere, whitened here": study.whitened(found),
        "both, side by side": np.hstack([white, found]) / np.float32(np.sqrt(2)),
    }
    split = shops[target].split
    return {name: study.ndcg(study.attention(space, split, seed), split) for name, space in spaces.items()}


def ranked(spaces: Mapping[str, Floats], split: Split, seed: int) -> study.Values:
    """Give ndcg@10 of each test query by each space, under the attention that fits the frozen one."""
    fitted = study.attention(spaces[FROZEN], split, seed)
    tables = {name: VectorTable.from_array(space) for name, space in spaces.items()}
    return {name: study.ndcg(replace(fitted, vectors=table), split) for name, table in tables.items()}


def main(
    data: study.Data,
    name: study.Name,
    seeds: study.Seeds = "0,1,2",
    heads: Annotated[bool, typer.Option(help="Tune heads, too; else their stored rows stay.")] = True,
) -> None:
    """Store the study of one data set that is left out."""
    study.chosen([name], SETS)
    shops = {}
    for each in SETS:
        dataset, vectors, about = study.encoded(each, data)
        shops[each] = Shop(dataset, vectors.values)
    target, all_seeds = shops[name], study.numbers(seeds)
    sources = {each: shop for each, shop in shops.items() if each != name}
    spaces, chosen = closed_form(target, sources)

    def parts(seed: int) -> dict[str, Callable[[], study.Values]]:
        ways: dict[str, Callable[[], study.Values]] = {
            "closed form": partial(ranked, spaces, target.split, seed)
        }
        return ways | ({"head": partial(tuned, shops, name, seed)} if heads else {})

    found = study.collect("transfer", target.dataset, all_seeds, parts)
    rows, file = study.compared(found, FROZEN, target.split), f"{name}/transfer.json"
    if (study.RESULTS / file).exists():
        stored = json.loads((study.RESULTS / file).read_text(encoding="utf-8"))
        rows += [{"measured": stored["date"], **row} for row in stored["rows"] if row["way"] not in found]
    about |= {"dataset": name, "protocol": target.split.protocol, "seeds": all_seeds}
    study.store(file, {**about, "learned": list(sources), "chosen": chosen, "rows": rows})
