"""Items that are pushed by made-up profiles, found by what else those who chose them chose.

What one person chooses hangs together: others have chosen the same pairs of items, more often than by chance.
What fills a made-up profile doesn't, since whoever made it up doesn't know who likes what. One such user says
little, as people with odd tastes are common. But an item whose whole audience is odd is rare.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from tailrank.arrays import Bools, Doubles, Offsets
from tailrank.data.dataset import Dataset
from tailrank.data.histories import flat_offsets, parts, ranges

HEAD: Final = 0.1
"""Share of all events, those on the most popular items, that says nothing of a profile: anyone has these."""

SAMPLED: Final = 200
"""Items of a profile, at most, whose pairs are looked at."""

PAIRS: Final = 100_000_000
"""Pairs in all, at most: in larger logs fewer items of a profile are looked at."""

CLIP: Final = 1.0
"""Most that one pair may say, in natural logarithms."""

AUDIENCE: Final = 5
"""Users below whom an item isn't judged."""

GROUP: Final = 200
"""Items of about the same popularity among which an item has to stand out."""

LEAST_SPREAD: Final = 0.005
"""Of coherence at the lower end of a group: if items are all alike, small differences stay small."""

LIMIT: Final = 3.5
"""Oddness above which an item is pushed; 2.9 was the highest in three real logs with up to 12,000 items."""

CATALOGUE: Final = 10_000
"""Items up to which this holds; of ten times as many, the oddest is odder by one."""

PAIRS_AT_ONCE: Final = 4_000_000


@dataclass(frozen=True)
class Push:
    """An item whose audience doesn't hang together.

    Attributes
    ----------
    item
        Its code.
    audience
        Users who chose it.
    users
        Codes of those who make the audience odd, shape (n,).
    coherence, usual
        Mean coherence of the audience's profiles, and the median of that of items as popular.
    """

    item: int
    audience: int
    users: Offsets
    coherence: float
    usual: float


@dataclass(frozen=True)
class _Choices:
    """Which users chose which items, each pair once, sorted by user.

    Attributes
    ----------
    users, items
        Codes, shape (choices,).
    offsets
        Where each user's choices begin, and the last one's end, shape (users + 1,).
    n_items
        Size of the catalogue.
    """

    users: Offsets
    items: Offsets
    offsets: Offsets
    n_items: int

    @classmethod
    def from_pairs(cls, users: Offsets, items: Offsets, n_users: int, n_items: int) -> _Choices:
        return cls(users, items, flat_offsets(np.bincount(users, minlength=n_users)), n_items)

    @cached_property
    def counts(self) -> Offsets:
        """Users of each item, shape (items,)."""
        return np.bincount(self.items, minlength=self.n_items)

    def sample(self) -> Offsets:
        """Draw as many choices of each user as `SAMPLED` and `PAIRS` allow; gives positions, ascending."""
        most, lengths = SAMPLED, np.diff(self.offsets)
        while most > 2 and np.square(np.minimum(lengths, most)).sum() > PAIRS:
            most //= 2
        if lengths.max(initial=0) <= most:
            return np.arange(len(self.users))
        order = np.lexsort((np.random.default_rng(0).random(len(self.users)), self.users))
        nth = np.arange(len(order)) - self.offsets[self.users]
        return np.sort(order[nth < most])


def pushed_items(dataset: Dataset) -> list[Push]:
    """Find items whose audience is odder than that of items as popular.

    For items j and k of a profile, and n users of whom c_jk have both, the pair says
    log((o + 1) / (e + 1)), where o = c_jk - 1 are the others who have both and e = c_j c_k / n is what chance
    would bring together. A user's coherence is the mean over pairs. Two means over the audience of item i are
    compared with those of items as popular: of coherence without i, and of the pairs with i. Below
    their tenth percentile, each is measured in units in which its exponential tail falls by a factor of ten
    (percentile 10 minus percentile 1). An item is pushed if the sum of both exceeds `LIMIT`.

    That made-up profiles can be told by what they hold, and by the item that all of them share, goes back to
    Burke et al. (KDD, 2006) and Mehta and Nejdl (UMUAI, 2009). They had ratings; events have none, so this
    goes by which items occur together.

    Returns
    -------
    list[Push]
        Empty if fewer than `GROUP` items have an audience of `AUDIENCE` users.
    """
    h, n = dataset.histories, dataset.n_items
    pairs = np.sort(h.owners * n + h.items)  # `unique` hashes, which takes ten times as long
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    choices = _Choices.from_pairs(pairs // n, pairs % n, len(h), n)
    judged = np.flatnonzero(choices.counts >= AUDIENCE)
    if len(judged) < GROUP:
        return []
    judged = judged[np.argsort(choices.counts[judged], kind="stable")]
    links, rest = _coherence(choices)
    oddness, usual = np.zeros(n), np.zeros(n)
    for values in (links, rest):
        means = _item_means(choices, values)
        for group in np.array_split(judged, len(judged) // GROUP):
            middle, low, lowest = np.quantile(means[group], [0.5, 0.1, 0.01])
            oddness[group] += (low - means[group]) / max(low - lowest, LEAST_SPREAD)
            usual[group] = middle  # of `rest` in the end
    limit = LIMIT + max(0.0, float(np.log10(len(judged) / CATALOGUE)))
    suspects = judged[oddness[judged] > limit]
    by_item, bounds = np.argsort(choices.items, kind="stable"), flat_offsets(choices.counts)
    return [
        _push(item, by_item[bounds[item] : bounds[item + 1]], choices, rest, float(usual[item]))
        for item in suspects.tolist()
    ]


def _push(item: int, rows: Offsets, choices: _Choices, coherence: Doubles, usual: float) -> Push:
    """Find the fewest of an item's choices without which its audience would be as coherent as usual."""
    rows = rows[np.argsort(coherence[rows], kind="stable")]
    without = np.cumsum(coherence[rows][::-1])[::-1] / np.arange(len(rows), 0, -1)
    odd = np.argmax(without >= usual) if (without >= usual).any() else len(rows)
    return Push(item, len(rows), choices.users[rows[:odd]], float(without[0]), usual)


def _item_means(choices: _Choices, values: Doubles) -> Doubles:
    """Average a value of choices over the audience of each item; shape (items,)."""
    known = ~np.isnan(values)
    sums = np.bincount(choices.items[known], values[known], minlength=choices.n_items)
    return sums / np.maximum(np.bincount(choices.items[known], minlength=choices.n_items), 1)


def _coherence(choices: _Choices) -> tuple[Doubles, Doubles]:
    """Average what pairs say: those with the item of each choice, and those among the user's other items.

    Popular items are left out as partners. Of a long profile a sample is looked at; choices outside it have
    no pairs of their own, NaN. Shape (choices,) each.
    """
    at = choices.sample()
    sampled = _Choices.from_pairs(
        choices.users[at], choices.items[at], len(choices.offsets) - 1, choices.n_items
    )
    telling = ~_head(choices.counts)[sampled.items]
    sums, pairs = _pair_sums(sampled, telling)
    own_sums, own_pairs = np.zeros((2, len(choices.users)))
    own_sums[at], own_pairs[at] = sums * telling, pairs * telling
    n_users = len(choices.offsets) - 1
    totals = [
        np.bincount(choices.users, own, minlength=n_users)[choices.users] for own in (own_sums, own_pairs)
    ]
    links = np.full(len(choices.users), np.nan)
    links[at] = sums / np.maximum(pairs, 1)
    return links, (totals[0] - 2 * own_sums) / np.maximum(totals[1] - 2 * own_pairs, 1)


def _pair_sums(choices: _Choices, telling: Bools) -> tuple[Doubles, Doubles]:
    """Sum what pairs of each choice with the user's telling ones say, and count them; shape (choices,)."""
    from scipy.sparse import csr_array  # a third of a second, which what learns from a log needn't wait for

    n_users, counts = len(choices.offsets) - 1, choices.counts
    shape, ones = (n_users, choices.n_items), np.ones(len(choices.items), np.float32)
    chosen = csr_array((ones, choices.items, choices.offsets), shape=shape)
    together = csr_array(chosen.T @ chosen)
    together.sort_indices()
    lengths = np.diff(choices.offsets)
    sums, pairs = np.zeros((2, len(choices.items)))
    for part in parts(lengths[choices.users], PAIRS_AT_ONCE):
        first = np.arange(part.start, part.stop).repeat(lengths[choices.users[part]])
        second = ranges(choices.offsets[choices.users[part]], lengths[choices.users[part]])
        kept = telling[second] & (first != second)
        first, second = first[kept], second[kept]
        one, other = choices.items[first], choices.items[second]
        others = np.asarray(together[one, other]).ravel() - 1.0
        said = np.log((others + 1) / (counts[one] * counts[other] / n_users + 1)).clip(-CLIP, CLIP)
        size = part.stop - part.start
        sums[part] = np.bincount(first - part.start, said, minlength=size)
        pairs[part] = np.bincount(first - part.start, minlength=size)
    return sums, pairs


def _head(counts: Offsets) -> Bools:
    """Mark the most popular items, as far as they have no more than `HEAD` of all events; shape (items,)."""
    order = np.argsort(-counts, kind="stable")
    head = np.zeros(len(counts), bool)
    head[order[np.cumsum(counts[order]) <= HEAD * counts.sum()]] = True
    return head
