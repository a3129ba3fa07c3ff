"""Lists, and users who click on them, for tests of learning."""

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles, Floats
from tailrank.feedback.attribution import Outcome
from tailrank.feedback.corrections import fused_scores
from tailrank.feedback.impressions import Impression
from tailrank.ranking.fusion import COUNT_KNOTS, HISTORY_LABELS, Fusion

N_SHOWN = 10


def fusion_with(weights: list[float]) -> Fusion:
    """The same weights at all knots and in all history buckets, of signals with a deviation of 2."""
    shape = len(COUNT_KNOTS), len(HISTORY_LABELS)
    names = tuple(f"signal {at}" for at in range(len(weights)))
    everywhere = np.broadcast_to(np.array(weights) / 2, (*shape, len(weights))).astype(np.float32)
    spreads = np.full(len(weights), 2, np.float32)
    return Fusion(names, everywhere, np.zeros(shape, np.float32), 0.0, spreads=spreads)


def impression(
    signals: Floats, levels: Codes, bucket: int, user: str = "ada", time: float = 0.0
) -> Impression:
    """A list of items in the order shown."""
    n, names = len(signals), tuple(f"signal {at}" for at in range(signals.shape[1]))
    ids, ranks = [str(at) for at in range(n)], np.arange(1, n + 1)
    return Impression(
        "r", user, time, "m", ids, ranks, np.zeros(n), signals, names, levels, bucket, np.ones(n)
    )


def clicked(seen: Impression, clicks: Bools, event_type: str = "click") -> Outcome:
    """What became of a list, by events of one type."""
    times = {event_type: np.where(clicks, seen.time + 1, np.nan)}
    return Outcome(seen, clicks & (event_type != "dislike"), times)


class Visits:
    """Users who look at rank k with chance 1 / k, and click if they like what they see.

    How much they like an item are log-odds that are linear in its signals, by the taste of that moment, of
    shape (visits, signals).
    """

    def __init__(self, taste: Doubles, seed: int, candidates: int = 30) -> None:
        rng, n = np.random.default_rng(seed), len(taste)
        self.signals = 2 * rng.standard_normal((n, candidates, taste.shape[1])).astype(np.float32)
        self.levels = rng.integers(0, 151, (n, candidates)).astype(np.int32)
        self.buckets = rng.integers(0, len(HISTORY_LABELS), n)
        self.liked = 1 / (1 + np.exp(2 - np.einsum("vcs,vs->vc", self.signals / 2, taste)))
        self.luck = rng.random((n, N_SHOWN))
        self.examined = 1 / np.arange(1.0, N_SHOWN + 1)

    def show(self, fusion: Fusion, at: int) -> tuple[float, Outcome]:
        """Rank by weights: clicks that are to be expected, and those that came."""
        signals, levels, bucket = self.signals[at], self.levels[at], int(self.buckets[at])
        shown = (-fused_scores(fusion, signals, levels, bucket)).argsort()[:N_SHOWN]
        chances = self.liked[at, shown] * self.examined
        seen = impression(signals[shown], levels[shown], bucket, f"user {at % 200}", float(at))
        return float(chances.sum()), clicked(seen, self.luck[at] < chances)
