"""How much the scores of other recommenders count, learned from lists that users chose from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Sized
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from tailrank.arrays import Doubles, Floats, Offsets
from tailrank.data.histories import Event
from tailrank.errors import RequestError

Scores: TypeAlias = Sequence[float] | Mapping[str, Sequence[float]]
"""Of one recommender, or of several by their names; one a candidate, NaN if there is none."""

SHRINKAGE: Final = 1.0
"""Precision of the prior: without evidence our own score counts 1, and those of others nothing."""

LEAST: Final = 0.01
"""Least weight of our own score, so that the others can be told in its units."""


class Choice(NamedTuple):
    """A list that a user was shown, the score of each recommender, and the candidate that the user chose.

    Attributes
    ----------
    history
        The user's events before, oldest first: item ids or `Event`.
    candidates
        Item ids.
    scores
        By the recommender's name, one score a candidate; NaN if it gave none.
    chosen
        One of the candidates.
    """

    history: Sequence[str | Event]
    candidates: Sequence[str]
    scores: Mapping[str, Sequence[float]]
    chosen: str


def shares(scores: Scores | None, weights: Mapping[str, float], default: float) -> dict[str, Floats]:
    """Weigh the scores of other recommenders, each of shape (candidates,), by the name of their share.

    Parameters
    ----------
    scores
        One a candidate.
    weights
        By the recommender's name, which is empty if it has none.
    default
        Weight of any other.

    Raises
    ------
    RequestError
        On scores that are no finite numbers.
    """
    if scores is None:
        return {}
    named = scores if isinstance(scores, Mapping) else {"": scores}
    return {
        f"upstream {name}" if name else "upstream": np.float32(weights.get(name, default))
        * standardise(given)
        for name, given in named.items()
    }


def standardise(scores: Sequence[float] | Doubles) -> Floats:
    """Bring scores of unknown scale to mean 0 and standard deviation 1 within their list.

    Nothing else depends on the whole list: a score's scale is known only from its neighbours.

    Parameters
    ----------
    scores
        Shape (candidates,); NaN if the recommender gave none, which counts as the mean.

    Raises
    ------
    RequestError
        On scores that are no numbers, or infinite.

    Examples
    --------
    >>> standardise([1.0, 3.0, float("nan")]).tolist()
    [-1.0, 1.0, 0.0]
    """
    try:
        values = np.array(scores, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        values = np.zeros(())
    if values.ndim != 1:
        raise RequestError("upstream scores must be numbers, or NaN if there is none")
    if not len(values):
        return np.zeros(0, np.float32)
    lowest, highest = float(np.minimum.reduce(values)), float(np.maximum.reduce(values))  # NaN if one is
    if math.isfinite(lowest) and math.isfinite(highest):
        return _standardised(values, lowest, highest)
    if np.isinf(values).any():
        raise RequestError("upstream scores must be finite, or NaN if there is none")
    given, standard = ~np.isnan(values), np.zeros(len(values), np.float32)
    standard[given] = standardise(values[given])
    return standard


def _standardised(values: Doubles, lowest: float, highest: float) -> Floats:
    """Standardise finite numbers between these two, by few steps: each request takes them."""
    # Within [-1, 1] no square overflows or vanishes, whatever the recommender's scale.
    scale = max(-lowest, highest) or 1.0
    # Equal scores may have a tiny standard deviation by rounding, so it can't tell them.
    if lowest / scale == highest / scale:
        return np.zeros(len(values), np.float32)
    apart = values / scale
    apart -= np.add.reduce(apart) / len(apart)
    apart /= math.sqrt(apart.dot(apart) / len(apart))
    return apart.astype(np.float32)


def learn_weights(choices: Sequence[Choice], score: Callable[[Choice], Floats]) -> dict[str, float]:
    """Learn how much the scores of each recommender count, by its name.

    Parameters
    ----------
    choices
        Each with scores of the same recommenders.
    score
        Gives our own scores of a choice's candidates, shape (candidates,), or refuses them.

    Raises
    ------
    RequestError
        If there is no choice or no recommender, what was chosen is no candidate, names of
        recommenders differ, or as `shares` and `score` do.
    """
    if not choices or not isinstance(choices, Sequence):
        raise RequestError("nothing to learn from: give at least one choice, with scores by name")
    names = sorted(_scores_by_name(choices[0]))
    own, theirs, chosen = [], [], []
    for choice in choices:
        if sorted(_scores_by_name(choice)) != names:
            raise RequestError(f"every choice needs scores of the same recommenders: {', '.join(names)}")
        if choice.chosen not in choice.candidates:
            raise RequestError(f"{choice.chosen!r} was chosen but is no candidate: leave such lists out")
        if any(len(given) != len(choice.candidates) for given in choice.scores.values()):
            raise RequestError(f"{len(choice.candidates)} candidates: every recommender gives one score each")
        own.append(score(choice))
        theirs.append(np.column_stack([standardise(choice.scores[name]) for name in names]))
        chosen.append(list(choice.candidates).index(choice.chosen))
    return dict(zip(names, fit_weights(own, theirs, chosen), strict=True))


def _scores_by_name(choice: Choice) -> Mapping[str, Sequence[float]]:
    """Return the scores of a choice; raises RequestError if it is none, or they are no lists by name."""
    if not isinstance(choice, Choice) or not isinstance(choice.candidates, Sequence):
        raise RequestError(f"a choice must be a Choice with a list of candidates, not {choice!r}")
    scores = choice.scores
    if not isinstance(scores, Mapping) or not scores or not all(isinstance(name, str) for name in scores):
        raise RequestError(f"a choice needs scores by name, a list for each recommender, not {scores!r}")
    if not all(isinstance(given, Sized) for given in scores.values()):
        raise RequestError(f"a recommender's scores must be a list, one a candidate: {dict(scores)!r}")
    return scores


def fit_weights(own: Sequence[Floats], theirs: Sequence[Floats], chosen: Sequence[int]) -> list[float]:
    """Find how much others' scores count beside our own, so that what was chosen is most likely.

    Maximises the likelihood of a softmax over each list, of ``a * own + sum_k b_k * theirs_k``
    (the conditional logit; McFadden, 1974), and returns ``b / a``: a ranking needs no more.

    Parameters
    ----------
    own
        Our scores of each list, in log-odds, shape (candidates,).
    theirs
        Scores of the recommenders, standardised within the list, shape (candidates, recommenders).
    chosen
        Position of what was chosen in each list.

    Returns
    -------
    list of float
        Shape (recommenders,).

    Examples
    --------
    >>> own = [np.zeros(2, np.float32)] * 200
    >>> good, useless = [1.0, -1.0], [0.0, 0.0]
    >>> theirs = [np.array([good, useless], np.float32).T] * 200
    >>> chosen = [0] * 150 + [1] * 50  # log(150 / 50), over a difference of 2, is 0.55 without the prior
    >>> [round(weight, 2) for weight in fit_weights(own, theirs, chosen)]
    [0.54, 0.0]
    """
    from scipy.optimize import minimize

    features = np.concatenate([np.column_stack(pair) for pair in zip(own, theirs, strict=True)])
    lengths = np.array([len(scores) for scores in own])
    starts = np.cumsum(lengths) - lengths
    prior = np.eye(1, features.shape[1])[0]
    found = minimize(
        _loss,
        prior,
        (features.astype(np.float64), starts, lengths, starts + np.array(chosen), prior),
        jac=True,
        method="L-BFGS-B",
        bounds=[(LEAST, None), *[(None, None)] * (features.shape[1] - 1)],
    )
    weights: list[float] = (found.x[1:] / found.x[0]).tolist()
    return weights


def _loss(
    weights: Doubles, features: Doubles, starts: Offsets, lengths: Offsets, chosen: Offsets, prior: Doubles
) -> tuple[float, Doubles]:
    """Negative log posterior a list, and its gradient."""
    logits = features @ weights
    logits -= np.repeat(np.maximum.reduceat(logits, starts), lengths)
    chances = np.exp(logits)
    totals = np.add.reduceat(chances, starts)
    chances /= np.repeat(totals, lengths)
    slope = features.T @ chances - features[chosen].sum(axis=0)
    off = weights - prior
    loss = float((np.log(totals) - logits[chosen]).sum() + SHRINKAGE * (off**2).sum())
    return loss / len(starts), (slope + 2 * SHRINKAGE * off) / len(starts)
