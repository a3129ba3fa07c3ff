"""What a seller gains who writes an item's text to be found, by effort, and what screens leave and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

import numpy as np

from bench.study import Data, Json, Name, encoded, store
from tailrank.arrays import Bools, Doubles, Floats, Offsets
from tailrank.data.candidates import Candidates
from tailrank.data.columns import Columns
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories
from tailrank.language.encoder import TextEncoder
from tailrank.language.text import item_texts
from tailrank.metrics.popularity import target_groups
from tailrank.metrics.ranking import TOP
from tailrank.metrics.significance import paired_bootstrap
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.screening.pushed_texts import ALIKE, TextScreen
from tailrank.signals.vocabulary import Terms

TARGETS: Final = 100
"""Items of the tail that are pushed, each by itself."""

ASKED: Final = 500
"""Users whose rankings of the whole catalogue are looked at."""

WORDS: Final = (5, 20, 80)
"""That are appended."""

SHARES: Final = {"half": 0.5, "nine tenths": 0.9, "whole": 1.0}
"""Of the words of a best seller's text, which take the place of as large a share of one's own."""

BEST: Final = 100
"""Most popular items, whose words and texts are taken."""

COMMON: Final = 0.1
"""Share of all texts from which a word says nothing of an item."""

LOOKED: Final = (0.01, 0.05, 0.2)
"""Shares of items, the most popular, that a text is compared with to find copies."""

Texts: TypeAlias = Sequence[str]


def magnets(texts: Texts, best: Offsets) -> list[str]:
    """Give the words that most of the best sellers have, but for those that everything has."""
    terms = Terms.from_texts(texts)
    width = len(terms.names)
    everywhere = np.bincount(terms.codes, minlength=width)
    of_best = np.bincount(terms.codes[np.isin(terms.texts, best)], minlength=width)
    of_best[everywhere > COMMON * terms.n_texts] = 0
    order = np.argsort(-of_best, kind="stable")[: max(WORDS)]
    return [terms.names[int(code)] for code in order]


def attacks(texts: Texts, targets: Offsets, best: Offsets, seed: int) -> dict[str, tuple[list[str], Doubles]]:
    """Write the targets' texts anew in each way; gives them, and the words that it took, shape (targets,)."""
    words, random = magnets(texts, best), np.random.default_rng(seed)
    found = {
        f"{n} words of best sellers": (
            [f"{texts[target]} {' '.join(words[:n])}" for target in targets],
            np.full(len(targets), float(n)),
        )
        for n in WORDS
    }
    copied = random.choice(best, len(targets))
    for name, share in SHARES.items():
        pairs = [
            (texts[target].split(), texts[other].split())
            for target, other in zip(targets, copied, strict=True)
        ]
        taken = [other[: round(share * len(other))] for _, other in pairs]
        kept = [own[round(share * len(own)) :] for own, _ in pairs]
        written = [" ".join([*first, *rest]) for first, rest in zip(taken, kept, strict=True)]
        found[f"a best seller's text, {name}"] = (written, np.array([float(len(each)) for each in taken]))
    return found


def asked(dataset: Dataset, seed: int) -> Histories:
    """Draw users; gives their latest events."""
    h = dataset.histories
    drawn = np.random.default_rng(seed).permutation(len(h))[:ASKED]
    return h.cut(h.offsets[drawn], h.offsets[drawn + 1]).latest(Settings().max_history)


def rivals(model: Reranker, users: Histories) -> tuple[Floats, Bools]:
    """Score the catalogue; gives scores, and which items each user had, shape (users, items) each."""
    scores = model.score(users, Candidates.everything(len(model.catalogue.items)))
    had = np.zeros(scores.shape, bool)
    had[users.owners, users.items] = True
    return np.where(had, -np.inf, scores), had


def exposure(own: Floats, target: int, scores: Floats, had: Bools) -> float:
    """Give the share of users who didn't have the target, and have it among their first ten."""
    others = np.delete(scores, target, axis=1)
    last = np.partition(others, -TOP, axis=1)[:, -TOP]
    return float((own > last)[~had[:, target]].mean())


def exposures(
    model: Reranker,
    ids: Sequence[str],
    targets: Offsets,
    texts: Texts,
    vectors: Floats,
    users: Histories,
    before: tuple[Floats, Bools],
) -> Doubles:
    """Give the exposure of each target after its own text changed and no other's, shape (targets,)."""
    found = []
    for target, text, vector in zip(targets.tolist(), texts, vectors, strict=True):
        changed = model.with_items([ids[target]], [text], {"semantic": vector[None]})
        own = changed.score(users, Candidates(np.array([target], np.int32), len(ids)))[:, 0]
        found.append(exposure(own, target, *before))
    return np.array(found)


def gain(after: Doubles, before: Doubles, words: Doubles) -> Json:
    """Say by how much exposure rose, and by how much a word, with intervals over targets."""
    found = {}
    for name, scale in (("gain", np.ones(len(words))), ("gain_a_word", words)):
        one = paired_bootstrap(after / scale, before / scale, np.arange(len(words), dtype=np.int32))
        if one:
            found[name] = {"mean": one.mean, "ci95": [one.low, one.high]}
    return found


def held(screen: TextScreen, texts: Texts, items: Offsets, order: Offsets) -> tuple[Bools, dict[str, Bools]]:
    """Say which texts are stuffed and, by how many best sellers are looked at, copied; shape (texts,)."""
    looked = {share: replace(screen, best=order[: round(share * len(order))]) for share in LOOKED}
    copied = {f"{share:.0%}": each.likeness(texts, items) >= ALIKE for share, each in looked.items()}
    return screen.coherence(texts, items) < screen.limit, copied


def shares(stuffed: Bools, copied: Mapping[str, Bools]) -> Json:
    """Say which share of texts is held, by reason."""
    return {
        "stuffed": float(stuffed.mean()),
        "copied": {name: float(each.mean()) for name, each in copied.items()},
    }


def main(data: Data, name: Name, seed: int = 0) -> None:
    """Push items of one data set in every way, and store what came of it."""
    dataset, vectors, about = encoded(name, data)
    ids, texts = dataset.items[Columns.ITEM].to_list(), item_texts(dataset.items)
    order = np.argsort(-dataset.counts, kind="stable")
    tail = np.flatnonzero(target_groups(dataset.counts)["tail80"])
    targets = np.sort(np.random.default_rng(seed).choice(tail, TARGETS, replace=False))
    model, users = Reranker.fit(dataset, vectors, Settings(seed=seed)), asked(dataset, seed)
    scores = rivals(model, users)
    screen, encoder = TextScreen.from_texts(texts, dataset.counts), TextEncoder.load("default")
    before = np.array([exposure(scores[0][:, target], target, *scores) for target in targets.tolist()])
    rows = []
    for attack, (written, words) in attacks(texts, targets, order[:BEST], seed).items():
        after = exposures(model, ids, targets, written, encoder.encode(written), users, scores)
        stuffed, copied = held(screen, written, targets, order)
        left = {name: np.where(stuffed | each, before, after) for name, each in copied.items()}
        rows.append(
            {
                **{"attack": attack, "words": float(words.mean()), "after": float(after.mean())},
                **gain(after, before, words),
                "held": shares(stuffed, copied),
                "screened": {name: gain(each, before, words) for name, each in left.items()},
            }
        )
        print(rows[-1], flush=True)
    ground = {"seed": seed, "targets": len(targets), "users": len(users), "before": float(before.mean())}
    honest = {"items": len(texts), **shares(*held(screen, texts, np.arange(len(texts)), order))}
    store(f"{name}/game.json", {**about, **ground, "limit": screen.limit, "honest": honest, "rows": rows})
