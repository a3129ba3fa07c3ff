"""What a fitted model is told of items that come, or whose text changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tailrank.arrays import Codes, Floats
from tailrank.errors import RequestError
from tailrank.language.whitening import Whitening
from tailrank.signals.base import ItemUpdates, Signal
from tailrank.signals.semantic import SemanticAttention, TunedAttention


def new_items(
    signals: Sequence[Signal],
    whitening: Whitening | None,
    codes: Codes,
    n_items: int,
    texts: Sequence[str],
    vectors: Floats | None,
    tuned: Floats | None,
) -> ItemUpdates:
    """Bring the vectors of new texts into the spaces of the signals.

    Parameters
    ----------
    signals
        Of the model, as they are before.
    whitening
        Of the encoder's vectors; None where the model was given none.
    codes
        Distinct item codes, shape (items,); new items follow those that were there before.
    n_items
        Size of the catalogue with them.
    texts
        One an item.
    vectors, tuned
        Of the encoder and of the fine-tuned one, shape (items, width); None where there are none.

    Raises
    ------
    RequestError
        Where there isn't one finite vector of the right width an item.
    """
    held = {type(signal): signal for signal in signals if isinstance(signal, SemanticAttention)}
    meanings = before = None
    if whitening is not None and SemanticAttention in held:
        meanings = whitening.transform(_checked(vectors, len(codes), len(whitening.mean), "encoder"))
        before = _known(held[SemanticAttention], codes)
    if TunedAttention in held:
        tuned = _checked(tuned, len(codes), held[TunedAttention].vectors.width, "tuned encoder")
    return ItemUpdates(codes, n_items, texts, meanings, before, tuned)


def _checked(vectors: Floats | None, n: int, width: int, source: str) -> Floats:
    """Take a vector an item, zero where none are given."""
    if vectors is None:
        return np.zeros((n, width), np.float32)
    found = np.asarray(vectors, np.float32)
    if found.shape != (n, width) or not np.isfinite(found).all():
        raise RequestError(
            f"{n} items with vectors of shape {found.shape}: give each a finite vector of width {width}, "
            f"by the {source} that the model was trained with"
        )
    return found


def _known(signal: SemanticAttention, codes: Codes) -> Floats:
    """Look up the vectors that items have until now, zero for new ones."""
    before = np.zeros((len(codes), signal.vectors.width), np.float32)
    known = codes < len(signal.vectors)
    before[known] = signal.vectors.take(codes[known])
    return before
