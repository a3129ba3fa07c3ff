"""Groups of texts that mean the same."""

from __future__ import annotations

import numpy as np

from tailrank.arrays import Floats, Offsets
from tailrank.errors import needs


def groups_of(vectors: Floats, apart: float, fewest: int) -> list[Offsets]:
    """Group texts by meaning: agglomerative clustering by the mean cosine distance.

    Time and memory grow with the square of the texts.

    Parameters
    ----------
    vectors
        Unit vectors, shape (texts, d).
    apart
        Mean cosine distance between two groups from which on they mean different things.
    fewest
        Texts that make a group; the others are in none.

    Returns
    -------
    list[Offsets]
        Rows of each group, the most central first; the largest group first.

    Raises
    ------
    RequestError
        If scikit-learn is missing.
    """
    with needs("grouping", "language"):
        from sklearn.cluster import AgglomerativeClustering
    if len(vectors) < max(fewest, 2):
        return []
    grouping = AgglomerativeClustering(None, metric="cosine", linkage="average", distance_threshold=apart)
    groups = grouping.fit_predict(vectors)
    sizes, found = np.bincount(groups), []
    for group in np.argsort(-sizes, kind="stable")[: (sizes >= fewest).sum()]:
        members = np.flatnonzero(groups == group)
        central = np.argsort(-(vectors[members] @ vectors[members].mean(axis=0)), kind="stable")
        found.append(members[central])
    return found
