"""The model that serves: replaced when its folder is, and kept up to date with items that changed."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import polars as pl

from tailrank.api import Item, Value
from tailrank.arrays import Bools
from tailrank.data.columns import Columns
from tailrank.errors import EncoderError, ModelError, TailrankError
from tailrank.language.text import default_template, item_texts, template_columns
from tailrank.language.vectors import EncoderIdentity
from tailrank.metrics.popularity import tail_items
from tailrank.ranking.model_folder import read_fitted
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.storage import MANIFEST
from tailrank.server.backoff import Backoff
from tailrank.server.encoding import Encoders
from tailrank.server.item_vectors import vector_key, vectors_of
from tailrank.server.items import as_text
from tailrank.server.metrics import SHARED_FOLDER, Metrics
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
    columns
        Columns of the items that changed, as JSON.
    lacks_vectors
        Whether an item that changed is without a vector, because its encoder can't be loaded.
    """

    reranker: Reranker
    name: str
    version: int = 0
    columns: Mapping[str, bytes] = field(default_factory=dict)
    lacks_vectors: bool = False

    @cached_property
    def tail(self) -> Bools:
        """Whether an item is outside the most popular 20%; shape (items + 1,), the last for unknown items."""
        return np.append(tail_items(self.reranker.catalogue.counts), True)

    @classmethod
    def load(cls, folder: Path, copies: Path | None = None) -> LoadedModel:
        """Load a model folder and rank once, so that a model that can't rank is never served.

        `copies` is a folder in which workers share the arrays, as in `read_model`.

        Raises
        ------
        ModelError
            If the folder is missing, damaged or of another format, or a score is no number.
        """
        fitted, digest = read_fitted(folder, copies)
        loaded = cls(Reranker.from_fitted(fitted), f"{folder.name}@{digest[:12]}")
        ranking = loaded.reranker.rank(Request(loaded.some_items, loaded.some_items, explain=True))
        if not all(map(math.isfinite, ranking.scores)):
            raise ModelError(f"{folder}: its scores are no numbers: train the model again")
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
        rows = {name: [as_text(item.get(name)) for item in items] for name in columns}
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
        shared = os.environ.get(SHARED_FOLDER)
        self._copies = None if shared is None else Path(shared, "models")
        self._signature_seen: tuple[int, ...] = ()
        self._loaded: LoadedModel
        """What serves, without the items that changed."""
        self._refused: tuple[int, ...] = ()
        """Signature of a folder that couldn't be served."""
        self._reload, self._encode_again = Backoff(CHECK_EVERY), Backoff(CHECK_EVERY)
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Load the model, with every item that changed.

        Raises
        ------
        TailrankError
            If the model or the state can't be used.
        """
        self._signature_seen = _signature(self.folder)
        self._loaded = await asyncio.to_thread(LoadedModel.load, self.folder, self._copies)
        self.served = await self._with_changes(self._loaded, self.encoders)
        self.metrics.serves(self.served.name)

    async def warm(self) -> None:
        """Load the encoders before a text needs them; if one is missing, only texts have to do without."""
        for name, identity in self.served.encoders.items():
            try:
                await self.encoders.encode(await self.encoders.load(identity), [name])
            except EncoderError as why:
                log.warning("new texts can't be encoded", extra={"why": str(why)})

    async def catch_up(self) -> None:
        """Add the items that changed since the last time; rankings wait for it, so nothing is encoded."""
        # Who waits for it may be cancelled, but not the thread in it: no other one may begin meanwhile.
        await asyncio.shield(self._catch_up())

    async def _catch_up(self) -> None:
        async with self._changing:
            self.served = await self._with_changes(self.served, None)

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
                each[vector_key(identity.sha256, identity)] = row.astype("<f4").tobytes()
        ids, fields = [str(item[Columns.ITEM]) for item in items], map(msgspec.json.encode, items)
        return await self._change(list(map(ItemChange, ids, fields, vectors, repeat(self._time_of_change()))))

    async def delete(self, item_id: str) -> int:
        """Delete an item; returns the version of the items.

        Raises
        ------
        StateError
            If that can't be stored.
        """
        return await self._change([ItemChange(item_id, None, {}, self._time_of_change())])

    def columns(self, item_id: str) -> Item:
        """Return an item's columns as they are now; none if it isn't known."""
        if item_id in self.served.columns:
            return msgspec.json.decode(self.served.columns[item_id], type=Item)
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
                    await self._encode_what_lacks_vectors()
            except TailrankError as why:
                log.warning("items can't be brought up to date", extra={"why": str(why)})
                await asyncio.sleep(CHECK_EVERY)
            except Exception:  # whatever it is, the next time it may work
                log.exception("items can't be brought up to date")
                await asyncio.sleep(CHECK_EVERY)

    async def _check_folder(self) -> None:
        """Serve a new model if there is one; a broken one is refused, and the old one stays.

        What could not be served is tried again, after longer and longer: files or memory may have been short.
        """
        found = _signature(self.folder)
        if found in ((), self._signature_seen) or (found == self._refused and not self._reload.is_over):
            return
        try:
            new = await asyncio.to_thread(LoadedModel.load, self.folder, self._copies)
            changed = await self._with_changes(new, self.encoders)
            if _signature(self.folder) != found:
                return  # replaced meanwhile, so another one is next
            await self._serve(changed)
            self._loaded = new
        except StateError:
            raise
        except Exception as why:  # noqa: BLE001 - whatever is wrong with it, the old one stays
            if _signature(self.folder) == found:
                self._refuse(found, why)
            return
        self._signature_seen, self._refused = found, ()
        self.metrics.serves(new.name)
        log.info("new model", extra={"model": new.name})

    def _refuse(self, found: tuple[int, ...], why: Exception) -> None:
        """Note that a folder can't be served at the moment."""
        if found != self._refused:
            self._refused, self._reload = found, Backoff(CHECK_EVERY)
            self.metrics.refused.inc()
        self._reload.start()
        log.error("new model refused", extra={"why": str(why), "model": self.served.name})

    async def _encode_what_lacks_vectors(self) -> None:
        """Put the items that changed into the model once more, if an encoder was missing and may be back."""
        if self.served.lacks_vectors and self._encode_again.is_over:
            self._encode_again.start()
            await self._serve(await self._with_changes(self._loaded, self.encoders))
            if not self.served.lacks_vectors:
                self._encode_again = Backoff(CHECK_EVERY)

    async def _serve(self, model: LoadedModel) -> None:
        """Serve a model, with what changed while it was prepared."""
        async with self._changing:
            self.served = await self._with_changes(model, None)

    def _time_of_change(self) -> float:
        """Return the time or, if the clock of whoever trained the model is ahead, when its data were read."""
        return max(time.time(), self.served.reranker.as_of)

    async def _change(self, changes: Sequence[ItemChange]) -> int:
        version = await self.state.change_items(changes)
        await self.catch_up()
        return version

    async def _with_changes(self, served: LoadedModel, encoders: Encoders | None) -> LoadedModel:
        """Add what changed since a model's version, but for what its training data were read after.

        Without encoders, items whose vectors aren't stored have none for the time being.
        """
        version, changes = await self.state.item_changes(served.version)
        if version == served.version:
            return served
        reranker, trained = served.reranker, served.reranker.catalogue.trained
        changes = [c for c in changes if c.time >= reranker.as_of or c.item_id not in trained]
        put = [change for change in changes if change.fields is not None]
        deleted = [change.item_id for change in changes if change.fields is None]
        lacks_vectors = served.lacks_vectors
        if put:
            items = [msgspec.json.decode(change.fields) for change in put if change.fields is not None]
            vectors = {}
            for name, identity in served.encoders.items():
                texts = await asyncio.to_thread(served.texts, items, identity.template)
                width = reranker.spaces[name].width
                vectors[name], whole = await vectors_of(put, texts, identity, width, encoders)
                lacks_vectors |= not whole
            texts = await asyncio.to_thread(served.texts, items)
            ids = [change.item_id for change in put]
            reranker = await asyncio.to_thread(reranker.with_items, ids, texts, vectors)
        if deleted:
            reranker = reranker.without_items(deleted)
        columns = {**served.columns, **{c.item_id: c.fields for c in put if c.fields is not None}}
        for item_id in deleted:
            columns.pop(item_id, None)
        return LoadedModel(reranker, served.name, version, columns, lacks_vectors)


def _signature(folder: Path) -> tuple[int, ...]:
    """Return what differs between two writings of a model folder; empty if there is none at the moment."""
    try:
        found = (folder / MANIFEST).stat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size
