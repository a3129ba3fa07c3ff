"""Labels as a matrix of what is true, and the part of the texts that is held out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from tailrank.arrays import Bools, Codes
from tailrank.errors import RequestError, nearest
from tailrank.tasks.kinds import Kind, Labels

FEWEST: Final = 2
"""Texts of a label, at least: one to learn from, and one to be held out."""


def as_lists(labels: Sequence[str] | Labels) -> Labels:
    """Give a list of labels for each text, also if they were given as one label each.

    Examples
    --------
    >>> as_lists(["fee", "tone"])
    [('fee',), ('tone',)]
    """
    return [(each,) if isinstance(each, str) else tuple(each) for each in labels]


def names_of(labels: Labels) -> tuple[str, ...]:
    """List the names of all labels, sorted."""
    return tuple(sorted({name for row in labels for name in row}))


def truth_of(labels: Labels, names: Sequence[str], kind: Kind, rows: Codes | None = None) -> Bools:
    """Mark which text has which label, shape (texts, names).

    Parameters
    ----------
    labels
        Of n texts.
    names
        Of all labels.
    kind
        Of the task.
    rows
        What messages call the texts, shape (n,); None numbers them from 1.

    Raises
    ------
    RequestError
        Naming the first text with a label that isn't among the names or, if the kind wants one, without
        exactly one.
    """
    at = {name: column for column, name in enumerate(names)}
    truth = np.zeros((len(labels), len(names)), bool)
    numbers = range(1, len(labels) + 1) if rows is None else rows.tolist()
    for text, (number, row) in enumerate(zip(numbers, labels, strict=True)):
        if kind.exclusive and len(row) != 1:
            raise RequestError(
                f"row {number} has {len(row)} labels: a task of the kind {kind.name!r} wants one; "
                "leave the row out, or use `several`"
            )
        for name in row:
            if name not in at:
                near = nearest(name, names)
                remedy = "leave the row out, or train with it" if near is None else f"is it {near!r}?"
                raise RequestError(f"row {number} has the label {name!r}, which was not learned: {remedy}")
            truth[text, at[name]] = True
    return truth


def check_counts(truth: Bools, names: Sequence[str], kind: Kind) -> None:
    """Check that there is enough to learn each label from.

    Raises
    ------
    RequestError
        If there is only one label where each text has one, or a label has too few texts, or all of them.
    """
    if len(names) < 1 + kind.exclusive:
        found = " and ".join(map(repr, names)) or "no label"
        raise RequestError(f"only {found}: give texts of at least {1 + kind.exclusive} labels")
    for name, count in zip(names, truth.sum(axis=0).tolist(), strict=True):
        if count < FEWEST:
            raise RequestError(
                f"label {name!r} has {count} text: give at least {FEWEST}, or leave that label out"
            )
        if not kind.exclusive and count > len(truth) - FEWEST:
            raise RequestError(f"all but {len(truth) - count} texts have the label {name!r}: leave it out")


def held_out(truth: Bools, share: float, seed: int) -> Bools:
    """Choose texts to hold out, shape (texts,): of each label about a share, at least one, never all.

    Labels take turns, the rarest first, so that those of rare labels are not used up by others.

    Parameters
    ----------
    truth
        Shape (texts, labels).
    share
        Above 0, below 1.
    seed
        Of the draw.

    Examples
    --------
    >>> truth = np.repeat(np.eye(2, dtype=bool), 10, axis=0)
    >>> (held_out(truth, 0.2, 0)[:, None] & truth).sum(axis=0).tolist()
    [2, 2]
    """
    rng, chosen = np.random.default_rng(seed), np.zeros(len(truth), bool)
    counts = truth.sum(axis=0)
    for label in np.argsort(counts, kind="stable"):
        rows = rng.permutation(np.flatnonzero(truth[:, label]))
        wanted = min(max(1, round(share * len(rows))), len(rows) - 1)
        free = rows[~chosen[rows]]
        chosen[free[: max(0, wanted - int(chosen[rows].sum()))]] = True
    rest = np.flatnonzero(~truth.any(axis=1))
    chosen[rng.permutation(rest)[: round(share * len(rest))]] = True
    lost = truth.any(axis=0) & ~truth[~chosen].any(axis=0)
    for label in np.flatnonzero(lost):  # others used up all texts of this label
        chosen[np.flatnonzero(truth[:, label])[0]] = False
    return chosen


def few_of_each(truth: Bools, count: int, seed: int) -> Codes:
    """Draw at most so many texts of each label; gives their rows, sorted.

    Examples
    --------
    >>> len(few_of_each(np.repeat(np.eye(3, dtype=bool), 10, axis=0), 4, seed=0))
    12
    """
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(np.flatnonzero(column))[:count] for column in truth.T]
    return np.unique(np.concatenate(drawn)).astype(np.int32)
