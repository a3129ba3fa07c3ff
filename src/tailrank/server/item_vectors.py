"""Vectors of the items that changed: stored with the change, so that one server encodes for all."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence

import numpy as np

from tailrank.arrays import Floats
from tailrank.errors import EncoderError
from tailrank.language.reading import Reading
from tailrank.language.vector_column import vector_of
from tailrank.language.vectors import LONGEST, EncoderIdentity, VectorSpace
from tailrank.server.encoding import Encoders
from tailrank.state.base import ItemChange

log = logging.getLogger("tailrank.server")


def vector_key(made_by: str, identity: EncoderIdentity) -> str:
    """Name vectors by what made them, the sha256 of the weights, of which texts, and how they were read."""
    how = "" if identity.reading == Reading() else f" {identity.reading}"
    return hashlib.sha256(f"{made_by} {identity.template}{how}".encode()).hexdigest()


async def vectors_of(
    changes: Sequence[ItemChange],
    texts: Sequence[str],
    identity: EncoderIdentity,
    width: int,
    encoders: Encoders | None,
) -> tuple[Floats, bool]:
    """Read the vectors that were stored with changes; the encoder is needed only for what lacks one.

    Parameters
    ----------
    changes, texts
        Items that were put, and their texts by the encoder's template.
    identity, width
        The encoder, and the d of its vectors.
    encoders
        Where it is loaded; None encodes nothing.

    Returns
    -------
    tuple[Floats, bool]
        Shape (changes, width), and whether all have one: zeros stand for the others, as for items without
        text.
    """
    vectors = np.zeros((len(changes), width), np.float32)
    missing = _read(changes, range(len(changes)), vector_key(identity.sha256, identity), vectors)
    if not missing or encoders is None:
        return vectors, not missing
    try:
        encoder = await encoders.load(identity)
        # Earlier versions named what made a vector by the encoder's fingerprint.
        missing = _read(changes, missing, vector_key(encoder.fingerprint, identity), vectors)
        if missing:
            vectors[missing] = await encoders.encode(encoder, [texts[at] for at in missing])
    except EncoderError as why:
        log.warning("changed items have no vectors", extra={"items": len(missing), "why": str(why)})
        return vectors, False
    return vectors, True


def column_vectors_of(
    items: Sequence[Mapping[str, object]], spaces: Mapping[str, VectorSpace]
) -> dict[str, Floats]:
    """Take the vectors that items bring themselves, for each space that comes from a column of items.

    Zeros stand for those that bring none, or one that another model could read: it was of another width.
    """
    found = {}
    for name, space in spaces.items():
        if space.column is not None:
            each = [vector_of(item.get(space.column.name), space.width) for item in items]
            found[name] = np.stack([np.zeros(space.width, np.float32) if v is None else v for v in each])
    return found


def _read(changes: Sequence[ItemChange], rows: Sequence[int], key: str, vectors: Floats) -> list[int]:
    """Fill rows with what is stored under a key; returns those for which there is no sound vector."""
    missing = []
    for at in rows:
        stored = changes[at].vectors.get(key, b"")
        found = np.frombuffer(stored, "<f4") if len(stored) == 4 * vectors.shape[1] else None
        if found is None or not np.linalg.norm(found) <= LONGEST:  # NaN is no length either
            missing.append(at)
        else:
            vectors[at] = found
    return missing
