"""A list of somebody's own items, ranked on the spot by what their texts mean; nothing of it is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import polars as pl
from msgspec import ValidationError

from tailrank import api, api_stored
from tailrank.api_page import OwnItems, OwnRequest, RankedOwnItem
from tailrank.arrays import Floats
from tailrank.data.columns import Columns
from tailrank.errors import DataError, RequestError
from tailrank.language.text import item_texts
from tailrank.ranking.reasons import item_titles
from tailrank.ranking.text_events import as_item_texts
from tailrank.server.card_index import LONGEST_TITLE
from tailrank.server.encoding import Encoders
from tailrank.server.items import as_text, is_nested
from tailrank.server.loaded_model import LoadedModel
from tailrank.signals.semantic import SemanticAttention

OWN: Final = "\0own "
"""How the ids begin that these items have beside those of the catalogue."""


async def rank_own(served: LoadedModel, encoders: Encoders, asked: OwnRequest) -> OwnItems:
    """Rank items that aren't those of the catalogue, by what their texts mean, alone.

    Raises
    ------
    ValidationError, RequestError
        If an item has no id of its own or no text, the history names something else, or the model reads no
        text; each names the row.
    EncoderError
        If an encoder is missing.
    """
    ids = _checked_ids(asked)
    if not served.reranker.text_signals:
        raise RequestError("no signal of the model reads text")
    texts, titles = await asyncio.to_thread(_read, asked.items)
    vectors = {}
    for name, identity in served.encoders.items():
        encoder = await encoders.load(identity)
        written = await asyncio.to_thread(as_item_texts, texts, identity.template)
        vectors[name] = await encoders.encode(encoder, written, "documents")
    return await asyncio.to_thread(_ranked, served, asked, ids, texts, titles, vectors)


def _checked_ids(asked: OwnRequest) -> dict[str, int]:
    """Find the row of each id."""
    rows: dict[str, int] = {}
    for at, item in enumerate(asked.items):
        name = item.get(Columns.ITEM)
        try:
            if not isinstance(name, str):
                raise ValidationError(f"`{Columns.ITEM}` is missing, or no string")
            api.check_id(name)
        except ValidationError as why:
            raise ValidationError(f"{why} - at `$.items[{at}]`") from None
        if name in rows:
            raise RequestError(f"the id of item {rows[name]}, {name[:40]!r}, again - at `$.items[{at}]`")
        rows[name] = at
    for at, name in enumerate(asked.history):
        if name not in rows:
            raise RequestError(f"{name[:40]!r} is none of the items - at `$.history[{at}]`")
    return rows


def _read(items: Sequence[api_stored.Item]) -> tuple[list[str], list[str]]:
    """Write the texts of items, and name them."""
    columns = {Columns.ITEM: [item[Columns.ITEM] for item in items]}
    for name in Columns.TEXT:
        if any(item.get(name) is not None for item in items):
            columns[name] = [_as_text(item, name, at) for at, item in enumerate(items)]
    frame = pl.DataFrame(columns, dict.fromkeys(columns, pl.String))
    try:
        texts = item_texts(frame)
    except DataError:
        raise RequestError(
            f"no item has a text: send one in a field such as `{Columns.TEXT[0]}` (or "
            f"{', '.join(Columns.TEXT[1:])}) - at `$.items`"
        ) from None
    for at, text in enumerate(texts):
        if not text:
            raise RequestError(f"an item without text: send one of {', '.join(columns)} - at `$.items[{at}]`")
    return texts, list(item_titles(frame, LONGEST_TITLE).values())


def _as_text(item: api_stored.Item, name: str, at: int) -> str:
    if is_nested(item.get(name)):
        raise RequestError(
            f"`{name}` can't be written as text: send text, a number, or a list - at `$.items[{at}]`"
        )
    return as_text(item.get(name))


def _ranked(
    served: LoadedModel,
    asked: OwnRequest,
    rows: Mapping[str, int],
    texts: Sequence[str],
    titles: Sequence[str],
    vectors: Mapping[str, Floats],
) -> OwnItems:
    reranker = replace(served.reranker, policy=(), first=(), standing=())
    names = {f"{OWN}{row}": item for item, row in rows.items()}
    larger = reranker.with_items(list(names), texts, vectors)
    history = [f"{OWN}{rows[item]}" for item in asked.history]
    chosen = set(history)
    # What the model's catalogue taught of words and of a tuned encoder doesn't hold for another catalogue.
    tuned = {s.name for s in reranker.signals if isinstance(s, SemanticAttention) and s.known is not None}
    reads = min(reranker.text_signals, key=tuned.__contains__)
    others = [name for name in reranker.fusion.signals if name != reads]
    ranking = larger.rank(history, [n for n in names if n not in chosen], k=asked.k, without=others)
    return OwnItems(
        [
            RankedOwnItem(
                names[one.item_id], one.score, one.rank, one.previous_rank, titles[rows[names[one.item_id]]]
            )
            for one in ranking
        ]
    )
