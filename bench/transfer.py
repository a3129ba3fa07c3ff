"""Learn from two data sets, rank a third that nothing learned from; start again to resume."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import permutations, product
from typing import Annotated, Final

import numpy as np
import scipy.sparse as sp
import torch
import typer

from bench import study
from tailrank.arrays import Doubles, Floats
from tailrank.cli.progress import progress_bars
from tailrank.data.dataset import Dataset
from tailrank.data.splits import Split, leave_one_out
from tailrank.language.encoder import TextEncoder
from tailrank.language.text import item_texts
from tailrank.language.vectors import ItemVectors
from tailrank.language.whitening import Whitening
from tailrank.ranking.settings import Settings
from tailrank.tuning.config import FineTuningConfig
from tailrank.tuning.domains import Domain
from tailrank.tuning.finetuning import finetune
from tailrank.tuning.trainable_encoder import TrainableEncoder
from tailrank.tuning.validator import Validator, validation_score

SETS: Final = ("amazon-beauty", "amazon-scientific", "amazon-sports")
QUERIES: Final = 6_000
"""Test queries, at most."""

FROZEN: Final = "frozen, whitened"
PENALTIES: Final = (0.1, 1.0, 10.0)
SHARES: Final = (0.1, 0.3, 1.0)
"""How far a map goes from the identity toward what was learned."""

WORDS: Final = (0.0, 0.5, 1.0, 2.0)
"""Weights of words beside vectors of whole texts."""

READINGS: Final = tuple(product((256, 384), (0.45, 0.6), WORDS))
"""Dimensions, power of the whitening, weight of words."""


@dataclass(frozen=True)
class Shop:
    """A data set to learn from, to choose on, or to rank."""

    dataset: Dataset
    vectors: Floats

    @cached_property
    def split(self) -> Split:
        """Everything but test queries; these are sampled."""
        return leave_one_out(self.dataset).sampled(QUERIES, 0)

    @cached_property
    def aligned(self) -> Floats:
        """Whitened by the shop's own mean and covariance, then turned back to the encoder's axes (ZCA).

        So an axis means the same in each shop, as in CORAL (Sun, Feng and Saenko, AAAI 2016).
        """
        fitted = Whitening.fit(self.vectors, Settings().dimensions)
        axes = fitted.matrix / np.maximum(np.linalg.norm(fitted.matrix, axis=0), 1e-12)
        turned: Floats = fitted.transform(self.vectors) @ axes.T
        return turned

    @cached_property
    def words(self) -> Floats:
        """Sum the encoder's embeddings of a text's tokens, each weighted by its idf in this shop."""
        model = TextEncoder.load().model
        table = model[0].model.embeddings.word_embeddings.weight.detach().cpu().numpy()
        texts = item_texts(self.dataset.items)
        tokens = [set(found) for found in model.tokenizer(texts, add_special_tokens=False)["input_ids"]]
        columns = np.concatenate([np.fromiter(found, np.int64) for found in tokens])
        bounds = np.cumsum([0, *map(len, tokens)])
        found = sp.csr_array((np.ones(len(columns)), columns, bounds), shape=(len(texts), len(table)))
        idf = np.log((1 + len(texts)) / (1 + np.bincount(columns, minlength=len(table))))
        return unit(found @ (idf[:, None] * table))

    def map(self, penalty: float) -> Doubles:
        """Learn by ridge regression what the aligned vector of the next item is, symmetric and of mean 1."""
        h = self.split.train.histories
        before = np.flatnonzero(h.owners[1:] == h.owners[:-1])
        given, wanted = (self.aligned[h.items[at]].astype(np.float64) for at in (before, before + 1))
        products, size = given.T @ given, given.shape[1]
        products.flat[:: size + 1] += penalty * products.trace() / size
        found = np.linalg.solve(products, given.T @ wanted)
        return (found + found.T) * size / (2 * found.trace())

    def mapped(self, learned: Doubles, share: float) -> Floats:
        """Compare aligned vectors by a share of a map that was learned, and of the identity."""
        values, axes = np.linalg.eigh((1 - share) * np.eye(len(learned)) + share * learned)
        return unit(self.aligned @ (axes * np.sqrt(np.maximum(values, 0))))

    def read(self, dimensions: int, power: float, words: float) -> Floats:
        """Put whitened vectors of texts and of their words side by side."""
        parts = ((1.0, self.vectors), (words, self.words)) if words else ((1.0, self.vectors),)
        white = [w * Whitening.fit(part, dimensions, power).transform(part) for w, part in parts]
        return unit(np.hstack(white))

    def scores(self, part: str, spaces: Callable[[], Sequence[Floats]]) -> Doubles:
        """Score spaces by validation queries, relative to the frozen one's; kept under a name."""

        def compute() -> study.Values:
            validator = Validator(self.split, FineTuningConfig().recency_decay, 0)
            scored = [validation_score(validator(space)) for space in [self.aligned, *spaces()]]
            return {"scores": np.array(scored[1:]) / scored[0]}

        return study.remembered(study.kept_file("transfer", self.dataset, 0, part), compute)["scores"]


def unit(vectors: Floats | Doubles) -> Floats:
    """Scale vectors to length one; zero vectors stay."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(length, 1e-12)).astype(np.float32)


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


def tuned(shops: Mapping[str, Shop], target: str, seed: int) -> dict[str, Floats]:
    """Give spaces of the target by an encoder whose head is tuned on the others."""
    domains = [
        Domain(leave_one_out(shop.dataset), item_texts(shop.dataset.items), shop.vectors)
        for name, shop in shops.items()
        if name != target
    ]
    with progress_bars() as progress:
        encoder = finetune(domains, TextEncoder.load(), FineTuningConfig(seed=seed), progress).encoder
    found, white = through_head(encoder, shops[target].vectors), study.whitened(shops[target].vectors)
    return {
        "tuned elsewhere": found,
        "tuned elsewhere, whitened here": study.whitened(found),
        "both, side by side": np.hstack([white, found]) / np.float32(np.sqrt(2)),
    }


def values(spaces: Callable[[], Mapping[str, Floats]], split: Split, seed: int) -> study.Values:
    """Give ndcg@10 of each test query, by vectors as the only signal."""
    return {
        name: study.ndcg(study.attention(space, split, seed), split) for name, space in spaces().items()
    }


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
        closed = partial(values, lambda: spaces, target.split, seed)
        slow = partial(values, partial(tuned, shops, name, seed), target.split, seed)
        return {"closed form": closed, **({"heads": slow} if heads else {})}

    found = study.collect("transfer", target.dataset, all_seeds, parts)
    rows, file = study.compared(found, FROZEN, target.split), f"{name}/transfer.json"
    if (study.RESULTS / file).exists():
        stored = json.loads((study.RESULTS / file).read_text(encoding="utf-8"))
        rows += [{"measured": stored["date"], **row} for row in stored["rows"] if row["way"] not in found]
    about |= {"dataset": name, "protocol": target.split.protocol, "seeds": all_seeds}
    study.store(file, {**about, "learned": list(sources), "chosen": chosen, "rows": rows})
