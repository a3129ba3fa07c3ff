"""The model that serves: replaced when its folder is, and kept up to date with items that changed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import polars as pl

from tailrank.api import Item, Value
from tailrank.arrays import Bools, Floats
from tailrank.data.columns import Columns
from tailrank.errors import EncoderError, TailrankError
from tailrank.language.onnx_encoder import OnnxEncoder
from tailrank.language.text import default_template, item_texts, template_columns
from tailrank.language.vectors import EncoderIdentity
from tailrank.metrics.popularity import tail_items
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.storage import MANIFEST
from tailrank.server.encoding import Encoders
from tailrank.server.metrics import Metrics
from tailrank.state.base import ItemChange, State, StateError

CHECK_EVERY: Final = 0.5
"""Seconds between two checks of the model folder."""

CATCH_UP_EVERY: Final = 0.05
"""Seconds between two checks for items that changed."""

log = logging.getLogger("tailrank.server")


@dataclass(frozen=True)
class LoadedModel:
    """A model as it serves. It never changes, so a request sees one model from its first step to its last.

    Attributes
    ----------
    reranker
        Changed items included.
    name
        Of the model: its folder's name and the start of its digest.
    version
        Changes of items that are in it.
    """

    reranker: Reranker
    name: str
    version: int = 0

    @cached_property
    def tail(self) -> Bools:
        """Whether an item is outside the most popular 20%; shape (items + 1,), the last for unknown items."""
        return np.append(tail_items(self.reranker.catalogue.counts), True)

    @classmethod
    def load(cls, folder: Path) -> LoadedModel:
        """Load a model folder and rank once, so that a model that can't rank is never served.

        Raises
        ------
        ModelError
            If the folder is missing, damaged or of another format.
        """
        reranker = Reranker.load(folder)
        digest = json.loads((folder / MANIFEST).read_bytes())["sha256"]
        loaded = cls(reranker, f"{folder.name}@{digest[:12]}")
        reranker.rank(Request(loaded.some_items, loaded.some_items, explain=True))
        return loaded

    @property
    def some_items(self) -> list[Any]:
        """Ids of two items, to try a ranking."""
        return self.reranker.catalogue.items[Columns.ITEM].head(2).to_list()

    @property
    def encoders(self) -> dict[str, EncoderIdentity]:
        """The encoder of each vector space that has one."""
        spaces = self.reranker.spaces
        return {name: space.encoder for name, space in spaces.items() if space.encoder is not None}

    @property
    def template(self) -> str:
        """How the texts of items are written, but for those that an encoder reads in its own way."""
        items, settings = self.reranker.catalogue.items, self.reranker.settings
        return settings.template or default_template(items)

    @cached_property
    def columns_read(self) -> list[str]:
        """Columns that the text of an item comes from, in any vector space."""
        templates = [self.template, *(identity.template for identity in self.encoders.values())]
        return list(dict.fromkeys(name for template in templates for name in template_columns(template)))

    def texts(self, items: Sequence[Mapping[str, Value]], template: str | None = None) -> list[str]:
        """Write item texts, as in training by default; columns that an item lacks are empty."""
        template = template or self.template
        columns = dict.fromkeys(template_columns(template))
        rows = {name: [_written(item.get(name)) for item in items] for name in columns}
        return item_texts(pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String)), template)


class ModelManager:
    """The model of one worker, kept up to date by two loops beside the requests.

    Attributes
    ----------
    served
        What ranks now.
    """

    served: LoadedModel

    def __init__(self, folder: Path, state: State, encoders: Encoders, metrics: Metrics) -> None:
        self.folder, self.state, self.encoders, self.metrics = folder, state, encoders, metrics
        self._fields: dict[str, bytes] = {}
        """Columns of the items that changed, as JSON."""
        self._signature_seen: tuple[int, ...] = ()
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Load the model, with every item that changed.

        Raises
        ------
        TailrankError
            If the model or the state can't be used.
        """
        self._signature_seen = _signature(self.folder)
        self.served = await self._with_changes(await asyncio.to_thread(LoadedModel.load, self.folder))
        self.metrics.serves(self.served.name)

    async def warm(self) -> None:
        """Load the encoders before a text needs them; if one is missing, only texts have to do without."""
        for name, identity in self.served.encoders.items():
            try:
                await self.encoders.encode(await self.encoders.load(identity), [name])
            except EncoderError as why:
                log.warning("new texts can't be encoded", extra={"why": str(why)})

    async def catch_up(self) -> None:
        """Add the items that changed since the last time."""
        async with self._changing:
            self.served = await self._with_changes(self.served)

    async def put(self, items: Sequence[Mapping[str, Value]]) -> int:
        """Store new or changed items, encoded for all workers; returns the version of the items.

        Raises
        ------
        EncoderError
            If the model's encoder is missing.
        StateError
            If they can't be stored.
        """
        served = self.served
        vectors: list[dict[str, bytes]] = [{} for _ in items]
        for identity in served.encoders.values():
            encoder = await self.encoders.load(identity)
            texts = await asyncio.to_thread(served.texts, items, identity.template)
            rows = await self.encoders.encode(encoder, texts, "items")
            for each, row in zip(vectors, rows, strict=True):
                each[_vector_key(encoder, identity)] = row.astype("<f4").tobytes()
        ids, fields = [str(item[Columns.ITEM]) for item in items], map(msgspec.json.encode, items)
        return await self._change(list(map(ItemChange, ids, fields, vectors)))

    async def delete(self, item_id: str) -> int:
        """Delete an item; returns the version of the items.

        Raises
        ------
        StateError
            If that can't be stored.
        """
        return await self._change([ItemChange(item_id, None, {})])

    def columns(self, item_id: str) -> Item:
        """Return an item's columns as they are now; none if it isn't known."""
        if item_id in self._fields:
            return msgspec.json.decode(self._fields[item_id], type=Item)
        catalogue = self.served.reranker.catalogue
        [code] = catalogue.codes_of([item_id]).tolist()
        return catalogue.items.row(code, named=True) if 0 <= code < len(catalogue.items) else {}

    async def watch(self) -> None:
        """Follow the model folder and the items, for ever."""
        checked = 0.0
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(CATCH_UP_EVERY)
            try:
                await self.catch_up()
                if loop.time() - checked > CHECK_EVERY:
                    checked = loop.time()
                    await self._check_folder()
            except TailrankError as why:
                log.warning("items can't be brought up to date", extra={"why": str(why)})
                await asyncio.sleep(CHECK_EVERY)
            except Exception:  # whatever it is, the next time it may work
                log.exception("items can't be brought up to date")
                await asyncio.sleep(CHECK_EVERY)

    async def _check_folder(self) -> None:
        """Serve a new model if there is one; a broken one is refused, and the old one stays."""
        found = _signature(self.folder)
        if found in ((), self._signature_seen):
            return
        try:
            new = await asyncio.to_thread(LoadedModel.load, self.folder)
            async with self._changing:
                changed = await self._with_changes(new)
                if _signature(self.folder) != found:
                    return  # replaced meanwhile, so what was read may be of two models
                self.served = changed
        except StateError:
            raise
        except Exception as why:  # noqa: BLE001 - whatever is wrong with it, the old one stays
            if _signature(self.folder) == found:
                self._signature_seen = found
                self.metrics.refused.inc()
                log.error("new model refused", extra={"why": str(why), "model": self.served.name})
            return
        self._signature_seen = found
        self.metrics.serves(new.name)
        log.info("new model", extra={"model": new.name})

    async def _change(self, changes: Sequence[ItemChange]) -> int:
        version = await self.state.change_items(changes)
        await self.catch_up()
        return version

    async def _with_changes(self, served: LoadedModel) -> LoadedModel:
        """Add what changed since a model's version."""
        version, changes = await self.state.item_changes(served.version)
        if version == served.version:
            return served
        put = {change.item_id: change.fields for change in changes if change.fields is not None}
        deleted = [change.item_id for change in changes if change.fields is None]
        reranker = served.reranker
        if put:
            items = [msgspec.json.decode(fields) for fields in put.values()]
            stored = [change.vectors for change in changes if change.fields is not None]
            vectors = {
                name: await self._vectors(served, identity, items, stored)
                for name, identity in served.encoders.items()
            }
            texts = await asyncio.to_thread(served.texts, items)
            reranker = await asyncio.to_thread(reranker.with_items, list(put), texts, vectors)
        if deleted:
            reranker = reranker.without_items(deleted)
        self._fields |= put
        for item_id in deleted:
            self._fields.pop(item_id, None)
        return replace(served, reranker=reranker, version=version)

    async def _vectors(
        self,
        served: LoadedModel,
        identity: EncoderIdentity,
        items: Sequence[Mapping[str, Value]],
        stored: Sequence[Mapping[str, bytes]],
    ) -> Floats:
        """Return the vectors that are stored with items; encode if another encoder made those."""
        encoder = await self.encoders.load(identity)
        key = _vector_key(encoder, identity)
        if not all(key in vectors for vectors in stored):
            texts = await asyncio.to_thread(served.texts, items, identity.template)
            return await self.encoders.encode(encoder, texts)
        joined = b"".join(vectors[key] for vectors in stored)
        return np.frombuffer(joined, "<f4").reshape(len(stored), -1).astype(np.float32)


def _vector_key(encoder: OnnxEncoder, identity: EncoderIdentity) -> str:
    """Name vectors by what made them and of which texts."""
    return hashlib.sha256(f"{encoder.fingerprint} {identity.template}".encode()).hexdigest()


def _signature(folder: Path) -> tuple[int, ...]:
    """Return what differs between two writings of a model folder; empty if there is none at the moment."""
    try:
        found = (folder / MANIFEST).stat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _written(value: Value) -> str:
    """Write a column's value as a data folder's reader would."""
    if isinstance(value, list):
        return ", ".join(_written(each) for each in value if each is not None)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
