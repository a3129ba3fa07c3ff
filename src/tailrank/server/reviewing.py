"""Items that are put, screened; and what the server tells of reviews."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from msgspec import UNSET

from tailrank import api_reports
from tailrank.api import Value
from tailrank.arrays import Floats
from tailrank.data.columns import Columns
from tailrank.errors import RequestError, instead_of
from tailrank.screening.deny_list import EVERYWHERE
from tailrank.screening.reviews import Entry, Review
from tailrank.screening.screen import Screen
from tailrank.server.encoding import Encoders
from tailrank.server.item_vectors import vector_key
from tailrank.server.loaded_model import LoadedModel

MOST_LISTED: Final = 1_000
"""Items of the queue that an answer lists."""


async def screened(
    screen: Screen,
    served: LoadedModel,
    items: Sequence[Mapping[str, Value]],
    vectors: Sequence[Mapping[str, bytes]],
    encoders: Encoders,
) -> list[Entry]:
    """Screen items before they are put; returns what has to be noted in their reviews.

    Parameters
    ----------
    screen
        Judges them.
    served
        What was noted before.
    items, vectors
        Their columns, and their vectors for the model: what the screen reads may be among them.
    encoders
        Encode what isn't.

    Raises
    ------
    EncoderError
        If the screen's encoder is missing.
    """
    texts = await asyncio.to_thread(served.texts, items, screen.template)
    ids = [str(item[Columns.ITEM]) for item in items]
    read: Floats | None = None
    if (identity := screen.encoder) is not None:
        key = vector_key(identity.sha256, identity)
        if all(key in each for each in vectors):
            read = np.array([np.frombuffer(each[key], "<f4") for each in vectors], np.float32)
        else:
            read = await encoders.encode(await encoders.load(identity), texts, "items")
    pushed = None
    if (usual := served.text_screen) is not None:
        catalogue = served.reranker.catalogue
        own, known = catalogue.codes_of(ids), catalogue.items[Columns.ITEM]
        pushed = await asyncio.to_thread(usual.reasons, texts, own, known)
    found, now = await asyncio.to_thread(screen.judge, texts, read, pushed), time.time()
    judged = dict(zip(ids, found, strict=True))  # of an item that is put twice at once, the last counts
    return [Entry.of_screen(item, one, now) for item, one in judged.items() if served.reviews.news(item, one)]


def check_market(market: str, screen: Screen | None, review: Review | None) -> None:
    """Check that a verdict for one market may count: that a screen, or the item's review, names it.

    Raises
    ------
    RequestError
        If neither does.
    """
    named = {*(screen.markets if screen is not None else ()), *(review.markets if review is not None else ())}
    known = {each: each for each in sorted(named - {EVERYWHERE})}
    if market not in known:
        raise RequestError(
            f"market: no screen knows {market!r}: {instead_of(market, known)}; name it in the deny-list, "
            "in a line such as [de], or leave `market` out to decide for all"
        )


def queue(served: LoadedModel) -> api_reports.ReviewQueue:
    """List the items that wait for a verdict, but for those that were deleted."""
    held = {item: review for item, review in served.reviews.by_id.items() if review.status == "held"}
    for gone in served.reranker.catalogue.unknown(list(held), "item"):
        held.pop(gone, None)
    first = sorted(held, key=lambda item: held[item].since)[:MOST_LISTED]
    return api_reports.ReviewQueue([told(served, item, held[item]) for item in first], len(held))


def told(served: LoadedModel, item_id: str, review: Review) -> api_reports.Review:
    """Tell of an item's review."""
    log = [_line(entry) for entry in review.entries]
    [text] = served.texts([served.columns(item_id)])
    own = {market: entry.verdict for market, entry in review.in_market.items() if entry.verdict != "screened"}
    said = (item_id, review.status, review.since, review.why, text, review.text, log)
    return api_reports.Review(*said, own or UNSET, dict(review.held) or UNSET)


def _line(entry: Entry) -> api_reports.ReviewEntry:
    score = UNSET if entry.score is None else entry.score
    said = (entry.verdict, entry.by, entry.why, entry.time, entry.text, score)
    return api_reports.ReviewEntry(*said, entry.markets or UNSET, entry.market or UNSET)
