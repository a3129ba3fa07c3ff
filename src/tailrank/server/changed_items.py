"""Items that changed since a model was loaded, put into it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from tailrank.ranking.reranker import Reranker
from tailrank.server.encoding import Encoders
from tailrank.server.item_vectors import column_vectors_of, vectors_of
from tailrank.server.loaded_model import LoadedModel
from tailrank.state.base import ItemChange, State


async def with_changes(served: LoadedModel, state: State, encoders: Encoders | None) -> LoadedModel:
    """Add what changed since a model's version, but for what its training data were read after.

    Without encoders, items whose vectors aren't stored have none for the time being.

    Raises
    ------
    StateError
        If the changes can't be read.
    """
    version, changes = await state.item_changes(served.version)
    if version == served.version:
        return served
    if entries := [change for change in changes if change.review is not None]:
        served = served.with_entries(entries)
    reranker, trained = served.reranker, served.reranker.catalogue.trained
    changes = [change for change in changes if change.review is None]
    changes = [c for c in changes if c.time >= reranker.as_of or c.item_id not in trained]
    put = [change for change in changes if change.fields is not None]
    deleted = [change.item_id for change in changes if change.fields is None]
    whole = True
    if put:
        reranker, whole = await _with_items(served, put, encoders)
    if deleted:
        reranker = reranker.without_items(deleted)
    lacks_vectors = served.lacks_vectors or not whole
    return replace(served, reranker=reranker, version=version, lacks_vectors=lacks_vectors)


async def _with_items(
    served: LoadedModel, put: Sequence[ItemChange], encoders: Encoders | None
) -> tuple[Reranker, bool]:
    """Put items into a model's reranker; also returns whether all have their vectors."""
    items = [msgspec.json.decode(change.fields) for change in put if change.fields is not None]
    identities = served.encoders
    templates = {served.template, *(identity.template for identity in identities.values())}
    texts = await asyncio.to_thread(lambda: {each: served.texts(items, each) for each in templates})
    vectors, all_whole = column_vectors_of(items, served.reranker.spaces), True
    for name, identity in identities.items():
        width = served.reranker.spaces[name].width
        vectors[name], whole = await vectors_of(put, texts[identity.template], identity, width, encoders)
        all_whole &= whole
    ids = [change.item_id for change in put]
    with_items = served.reranker.with_items
    return await asyncio.to_thread(with_items, ids, texts[served.template], vectors, items), all_whole
