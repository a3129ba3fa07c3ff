"""What users get whose histories are of the head, of the tail or of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from tailrank.arrays import Bools, Codes, Doubles, Offsets
from tailrank.data.histories import Queries
from tailrank.metrics.beyond_accuracy import list_means
from tailrank.metrics.popularity import tail_items
from tailrank.metrics.ranking import TOP
from tailrank.metrics.significance import ratio_bootstrap

LABELS: Final = ("head-heavy", "mixed", "tail-heavy")


@dataclass(frozen=True)
class Bounded:
    """A metric and its 95% interval, by bootstrap over users; None if there is none."""

    value: float | None
    ci95: tuple[float, float] | None


@dataclass(frozen=True)
class UserGroup:
    """Lists of the users of one group: how popular what they are shown is, and how good.

    Attributes
    ----------
    users, queries
        How many.
    history_tail
        Share of the events in their histories that are on tail80 items.
    ndcg
        Mean NDCG@10.
    aplt, arp
        Share of tail80 items in the first ten, and their average popularity, as in `list_metrics`.
    head_to_tail
        How many times as much attention an item of the head gets as one of the tail, if a rank has
        1 / log2(1 + rank); None if the tail gets none.
    """

    users: int
    queries: int
    history_tail: float
    ndcg: Bounded
    aplt: Bounded
    arp: Bounded
    head_to_tail: Bounded


def users_by_history(tail: Offsets, events: Offsets, users: Codes) -> dict[str, Bools]:
    """Cut users into thirds by the share of the tail in their histories (Abdollahpouri et al., RMSE, 2019).

    Those with equal shares are in one group, so that groups may be of unequal size, and some without a user.

    Parameters
    ----------
    tail, events
        How many events the history of each query has, on items of the tail and in all, shape (queries,).
    users
        Of each query, shape (queries,).

    Returns
    -------
    dict[str, Bools]
        Queries of each group that has any, shape (queries,); users without a history are in none.

    Examples
    --------
    >>> tail, users = np.array([0, 1, 1, 3, 0]), np.array([0, 1, 1, 2, 3])
    >>> groups = users_by_history(tail, np.array([4, 2, 2, 3, 0]), users)
    >>> {name: rows.tolist() for name, rows in groups.items()}  # doctest: +NORMALIZE_WHITESPACE
    {'head-heavy': [True, False, False, False, False],
     'mixed': [False, True, True, False, False],
     'tail-heavy': [False, False, False, True, False]}
    """
    user = np.unique(users, return_inverse=True)[1]
    sums, sizes = np.bincount(user, tail), np.bincount(user, events)
    shares: Doubles = np.full(len(sums), np.nan)
    np.divide(sums, sizes, out=shares, where=sizes > 0)
    if not sizes.any():
        return {}
    edges = np.nanquantile(shares, (1 / 3, 2 / 3))
    group = np.where(np.isnan(shares), -1, np.searchsorted(edges, shares))[user]
    rows = {name: group == at for at, name in enumerate(LABELS)}
    return {name: each for name, each in rows.items() if each.any()}


def popularity_bias(
    top: Codes, ndcg: Doubles, queries: Queries, counts: Offsets, eligible: Bools, seed: int = 0
) -> dict[str, UserGroup]:
    """Measure the lists of users by their histories, in the groups of `users_by_history`.

    Parameters
    ----------
    top
        Items of each list, -1 if it is shorter, shape (queries, 10).
    ndcg
        NDCG@10 of each list, shape (queries,).
    queries
        Whom they are for.
    counts
        Interactions of each item in training, shape (items,).
    eligible
        Items that could be in a list, shape (items,).
    seed
        Of the bootstrap.
    """
    tail = tail_items(counts)
    before = np.concatenate([[0], np.cumsum(tail[queries.source.items])])
    on_tail = before[queries.full_ends] - before[queries.starts]
    events = queries.full_ends - queries.starts
    attention = np.where(top >= 0, 1 / np.log2(np.arange(2, TOP + 2)), 0.0)
    of_head, of_tail = (
        (attention * items[top]).sum(axis=1) / max(items[eligible].sum(), 1) for items in (~tail, tail)
    )
    values = {
        "ndcg": (ndcg, np.ones(len(ndcg))),
        "aplt": _of_lists(top, tail.astype(np.float64)),
        "arp": _of_lists(top, counts.astype(np.float64)),
        "head_to_tail": (of_head, of_tail),
    }
    found = {}
    for name, rows in users_by_history(on_tail, events, queries.users).items():
        users, share = queries.users[rows], float(on_tail[rows].sum() / events[rows].sum())
        bounded = {
            metric: _bounded(above[rows], below[rows], users, seed)
            for metric, (above, below) in values.items()
        }
        found[name] = UserGroup(len(np.unique(users)), len(users), share, **bounded)
    return found


def _bounded(above: Doubles, below: Doubles, users: Codes, seed: int) -> Bounded:
    total, bounds = below.sum(), ratio_bootstrap(above, below, users, seed=seed)
    value = float(above.sum() / total) if total else None
    return Bounded(value, None if bounds is None else (bounds.low, bounds.high))


def _of_lists(top: Codes, values: Doubles) -> tuple[Doubles, Doubles]:
    """Average a value of the items over each list; gives that and one, or zeros for an empty list."""
    return np.nan_to_num(list_means(top, values)), np.asarray((top >= 0).any(axis=1), np.float64)
