"""Interactions in the shape that most libraries want: a sparse matrix of users by items."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from tailrank.data.histories import Histories


def user_items(histories: Histories, n_items: int) -> Any:
    """Count how often each history holds each item; a scipy `csr_matrix`, (histories, items), float32.

    Examples
    --------
    >>> codes = np.array([2, 0, 2], np.int32)
    >>> one = Histories(codes, np.zeros(3, np.int32), np.arange(3.0), np.array([0, 3]))
    >>> user_items(one, 4).toarray().tolist()
    [[1.0, 0.0, 2.0, 0.0]]
    """
    ones = np.ones(len(histories.items), np.float32)
    return sp.coo_matrix((ones, (histories.owners, histories.items)), shape=(len(histories), n_items)).tocsr()
