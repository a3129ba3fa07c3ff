"""`BulkHistories`: the latest events of many users as flat arrays, on their way into a state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tailrank.arrays import Codes, Offsets

SECOND: Final = 1_000
"""Milliseconds within which two events of a user, alike in item and type, are one if their ids don't say."""


@dataclass(frozen=True)
class BulkHistories:
    """Histories of several users, to be stored together.

    History `u` is the slice `offsets[u]:offsets[u + 1]` of the four event arrays, oldest event first.

    Attributes
    ----------
    user_keys
        Distinct ids as UTF-8.
    offsets
        Shape (users + 1,), starting at 0; each history has 1 to `EVENTS_PER_USER` events.
    items, types
        Positions in `item_ids` and `event_types`, shape (events,).
    times
        Milliseconds since 1970, shape (events,); valid, and not expired.
    digests
        Of the events' ids, shape (events,).
    item_ids, event_types
        Names, each of 1 to `MAX_ID_BYTES` bytes.
    have_ids
        Whether senders chose the events' ids. If not, an event is also known if the state has one of the same
        user, item, type and second.
    """

    user_keys: Sequence[bytes]
    offsets: Offsets
    items: Codes
    types: Codes
    times: NDArray[np.int64]
    digests: NDArray[np.uint32]
    item_ids: Sequence[str]
    event_types: Sequence[str]
    have_ids: bool

    @property
    def bounds(self) -> list[tuple[int, int]]:
        """Where each history begins and ends."""
        return list(pairwise(self.offsets.tolist()))
