"""What a fitted model is told of items that come, or whose text changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tailrank.arrays import Codes, Floats
from tailrank.errors import RequestError
from tailrank.language.vectors import VectorSpace
from tailrank.signals.base import ItemUpdates, Signal
from tailrank.signals.semantic import SemanticAttention


def item_updates(
    signals: Sequence[Signal],
    spaces: Mapping[str, VectorSpace],
    codes: Codes,
    n_items: int,
    texts: Sequence[str],
    vectors: Mapping[str, Floats],
) -> ItemUpdates:
    """Bring the vectors of new texts into the spaces of the signals.

    Parameters
    ----------
    signals
        Of the model, as they are before.
    spaces
        Of the model, by name.
    codes
        Distinct item codes, shape (items,); new items follow those that were there before.
    n_items
        Size of the catalogue with them.
    texts
        One an item.
    vectors
        By the name of a space, the encoder's vectors, shape (items, width); zero for a space without any.

    Raises
    ------
    RequestError
        On vectors without a space or of one that the model doesn't have, or unless there is one finite
        vector of its width an item.
    """
    if not isinstance(vectors, Mapping):
        raise RequestError(f"give vectors by the names of their spaces: {', '.join(spaces) or 'none'}")
    for name, given in vectors.items():
        if name not in spaces:
            raise RequestError(
                f"the model has no vector space {name!r}: there are {', '.join(spaces) or 'none'}"
            )
        if len(given) != len(codes):
            raise RequestError(
                f"{len(given)} vectors in space {name!r} for {len(codes)} items: give one each"
            )
    found = {
        name: space.transform(vectors.get(name, np.zeros((len(codes), space.width), np.float32)))
        for name, space in spaces.items()
    }
    previous = {s.space: s.vectors_of(codes) for s in signals if isinstance(s, SemanticAttention)}
    return ItemUpdates(codes, n_items, texts, found, previous)
