"""How a cosine of a query and a text becomes a chance that they belong together, and how well it holds.

DATA holds `stackfaq/faq.parquet` (question, rephrasings, answers; Stack Exchange), `data.parquet` of
`banking77` and `clinc150` (split, text, intent) and of `cfpb` (issue, text; complaints to the bureau), and
`movielens-small-plots/items.parquet` (title, overview).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from scipy.optimize import minimize
from scipy.special import expit

from bench.study import Data, Json, Keep, report
from tailrank.arrays import Bools, Doubles, Floats
from tailrank.language.onnx_encoder import OnnxEncoder

SEED: Final = 0
MOST_PAIRS: Final = 4_000
BINS: Final = 10

Group = tuple[list[str], list[str]]
"""Queries, and the texts that belong to them; those of other groups don't."""


class Pairs(NamedTuple):
    """Cosines of pairs of a query and a text, as many that belong together as that don't.

    Attributes
    ----------
    cosines, related
        Shape (pairs,).
    fitted
        Whether the query's group is of the half that is fitted, shape (pairs,).
    """

    cosines: Floats
    related: Bools
    fitted: Bools

    def take(self, fitted: bool) -> Pairs:
        """Keep the pairs of one half."""
        return Pairs(*(values[self.fitted == fitted] for values in self))


def main(data: Data, keep: Keep = False) -> None:
    """Fit on half of the groups of some sets, and check on the other half and on other sets."""
    encoder, rng = OnnxEncoder.load(), np.random.default_rng(SEED)
    fitted = {name: draw(encoder, list(read(data)), rng) for name, read in FITTED.items()}
    others = {name: draw(encoder, list(read(data)), rng) for name, read in OTHERS.items()}
    slope, bias = fit([pairs.take(True) for pairs in fitted.values()])
    held_out = {f"{name}, other half": pairs.take(False) for name, pairs in fitted.items()} | others
    sets = {name: reliability(pairs, slope, bias) for name, pairs in held_out.items()}
    about = {"seed": SEED, "encoder": encoder.sha256, "slope": slope, "bias": bias, "held_out": sets}
    report("relevance.json", about, keep)


def answers(data: Path) -> Iterator[Group]:
    """Pair questions, in several wordings, with their answers."""
    for row in pl.read_parquet(data / "stackfaq" / "faq.parquet").iter_rows(named=True):
        yield [row["question"], *row["rephrasings"][:4]], row["answers"][:4]


def plots(data: Path) -> Iterator[Group]:
    """Pair titles of films with their plots."""
    films = pl.read_parquet(data / "movielens-small-plots" / "items.parquet")
    films = films.filter(pl.col("overview").str.len_chars() > 40).sample(1_000, seed=SEED)
    for title, plot in films.select("title", "overview").iter_rows():
        yield [title], [plot]


def intents(name: str) -> Callable[[Path], Iterator[Group]]:
    """Take requests of one intent as queries and as texts."""

    def read(data: Path) -> Iterator[Group]:
        test = pl.read_parquet(data / name / "data.parquet").filter(pl.col("split") == "test")
        for _, same in test.group_by("intent", maintain_order=True):
            texts = same["text"].to_list()
            yield texts[:5], texts[5:10]

    return read


def complaints(data: Path) -> Iterator[Group]:
    """Pair issues with complaints about them."""
    told = pl.read_parquet(data / "cfpb" / "data.parquet").filter(pl.col("text").str.len_chars() > 40)
    for (issue,), same in told.group_by("issue", maintain_order=True):
        yield [str(issue)], same["text"].to_list()[:8]


FITTED: Final = {"stackfaq": answers, "banking77": intents("banking77"), "clinc150": intents("clinc150")}
OTHERS: Final = {"movielens-small-plots": plots, "cfpb": complaints}


def draw(encoder: OnnxEncoder, groups: Sequence[Group], rng: np.random.Generator) -> Pairs:
    """Draw pairs that belong together, and as many that don't."""
    queries = [(text, at) for at, (some, _) in enumerate(groups) for text in some]
    texts = [(text, at) for at, (_, some) in enumerate(groups) for text in some]
    (asked, of_query), (answered, of_text) = zip(*queries, strict=True), zip(*texts, strict=True)
    cosines = encoder.encode(asked) @ encoder.encode(answered).T
    same = np.array(of_query)[:, None] == np.array(of_text)
    related, unrelated = (rng.permutation(np.flatnonzero(mask)) for mask in (same, ~same))
    n = min(MOST_PAIRS, len(related))
    cells = np.concatenate([related[:n], unrelated[:n]])
    half = rng.permutation(len(groups)) < len(groups) / 2
    return Pairs(cosines.ravel()[cells], same.ravel()[cells], half[np.array(of_query)[cells // len(texts)]])


def fit(sets: Sequence[Pairs]) -> tuple[float, float]:
    """Fit ``sigmoid(slope * cosine + bias)`` by likelihood (Platt, 1999), each set with the same weight."""

    def loss(line: Doubles, /) -> float:
        signed = [(line[0] * pairs.cosines + line[1]) * np.where(pairs.related, -1, 1) for pairs in sets]
        return float(np.mean([np.logaddexp(0, logits).mean() for logits in signed]))

    slope, bias = minimize(loss, [10.0, -3.0]).x
    return float(slope), float(bias)


def reliability(pairs: Pairs, slope: float, bias: float) -> Json:
    """Compare chances with what was so, in bins of equal width."""
    chances = expit(slope * pairs.cosines + bias)
    of_bin = np.minimum((chances * BINS).astype(int), BINS - 1)
    rows = [
        [float(chances[own].mean()), float(pairs.related[own].mean()), int(own.sum())]
        for own in (of_bin == at for at in range(BINS))
        if own.any()
    ]
    error = sum(abs(chance - share) * n for chance, share, n in rows) / len(chances)
    middle = {
        name: np.percentile(chances[pairs.related == related], (5, 50, 95)).tolist()
        for name, related in (("related", True), ("unrelated", False))
    }
    return {
        "pairs": len(chances),
        "expected_calibration_error": error,
        "chance_share_pairs": rows,
        "chance_5_50_95_percent": middle,
    }
