"""The caller's own scores."""

from __future__ import annotations

import numpy as np

from tailrank.arrays import Doubles, Floats
from tailrank.errors import RequestError


def standardise(scores: Doubles) -> Floats:
    """Bring scores of unknown scale to mean 0 and standard deviation 1 within their list.

    The only signal that depends on the list: a score's scale is known only from its neighbours.

    Parameters
    ----------
    scores
        Shape (candidates,); NaN where the recommender gave none, which counts as the mean.

    Raises
    ------
    RequestError
        On infinite scores.

    Examples
    --------
    >>> standardise(np.array([1.0, 3.0, np.nan])).tolist()
    [-1.0, 1.0, 0.0]
    """
    if np.isinf(scores).any():
        raise RequestError("upstream scores must be finite, or NaN where there is none")
    # Within [-1, 1] no square overflows or vanishes, whatever the recommender's scale.
    scores = scores / (np.nanmax(np.abs(scores), initial=0) or 1)
    known = scores[~np.isnan(scores)]
    # Equal scores may have a tiny standard deviation by rounding, so it can't tell them.
    if not len(known) or known.min() == known.max():
        return np.zeros(len(scores), np.float32)
    standard: Floats = np.nan_to_num((scores - known.mean()) / known.std()).astype(np.float32)
    return standard
