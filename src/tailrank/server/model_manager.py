"""The model that serves: replaced when its folder is, and told of items that changed since it was trained."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import polars as pl

from tailrank.api import RankRequest, Value
from tailrank.arrays import Bools, Floats
from tailrank.data.columns import Columns
from tailrank.errors import EncoderError, TailrankError
from tailrank.language.text import default_template, item_texts
from tailrank.metrics.popularity import tail_items
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.storage import MANIFEST
from tailrank.server.encoding import ROLES, Encoders
from tailrank.server.metrics import Metrics
from tailrank.server.placing import NOBODY, Asked, place
from tailrank.state.base import ItemChange, State, StateError

LOOK_EVERY: Final = 0.5
"""Seconds between two looks at the model folder."""

CATCH_UP_EVERY: Final = 0.05
"""Seconds between two looks at the items that changed."""

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
    template
        How an item's text is put together.
    version
        Changes of items that it knows of.
    """

    reranker: Reranker
    name: str
    template: str | None
    version: int = 0

    @cached_property
    def tail(self) -> Bools:
        """Whether an item is outside the most popular 20%; shape (items + 1,), the last for strangers."""
        return np.append(tail_items(self.reranker.catalogue.counts), True)

    @classmethod
    def load(cls, folder: Path) -> LoadedModel:
        """Load a model folder and rank once, so that a model that can't rank is never served.

        Raises
        ------
        ModelError
            Where the folder is missing, damaged or of another format.
        """
        reranker = Reranker.load(folder)
        digest = json.loads((folder / MANIFEST).read_bytes())["sha256"]
        some = reranker.catalogue.items[Columns.ITEM].head(2).to_list()
        request = RankRequest(candidates=list(some), history=list(some), explain=True)
        place(reranker, Asked.of(some), request, NOBODY)
        template = reranker.settings.template
        if template is None and reranker.about.get("encoder", "none") != "none":
            template = default_template(reranker.catalogue.items)
        return cls(reranker, f"{folder.name}@{digest[:12]}", template)

    def texts(self, items: Sequence[Mapping[str, Value]]) -> list[str]:
        """Put item texts together as in training; columns that an item lacks are empty."""
        if self.template is None:
            return [""] * len(items)
        columns = self.reranker.catalogue.items.columns
        rows = {name: [_written(item.get(name)) for item in items] for name in columns}
        return item_texts(pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String)), self.template)


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
        self._seen: tuple[int, ...] = ()
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Load the model, and tell it of every item that changed.

        Raises
        ------
        TailrankError
            Where the model or the state can't be used.
        """
        self._seen = _signature(self.folder)
        self.served = await self._grown(await asyncio.to_thread(LoadedModel.load, self.folder))
        self.metrics.serves(self.served.name)

    async def warm(self) -> None:
        """Load the encoders before a text needs them; where one is missing, only texts have to do without."""
        for role in ROLES:
            try:
                encoder = await self.encoders.load(self.served.reranker.about, role)
                if encoder is not None:
                    await self.encoders.encode(encoder, [role])
            except EncoderError as why:
                log.warning("new texts can't be encoded", extra={"why": str(why)})

    async def catch_up(self) -> None:
        """Take in the items that changed since the last time."""
        async with self._changing:
            self.served = await self._grown(self.served)

    async def put(self, items: Sequence[Mapping[str, Value]]) -> int:
        """Keep new or changed items, encoded for all workers; gives the version of the items.

        Raises
        ------
        EncoderError
            Where the model's encoder is missing.
        StateError
            Where they can't be kept.
        """
        served = self.served
        texts = served.texts(items)
        vectors: list[dict[str, bytes]] = [{} for _ in items]
        for role in ROLES:
            encoder = await self.encoders.load(served.reranker.about, role)
            if encoder is not None:
                rows = await self.encoders.encode(encoder, texts)
                for each, row in zip(vectors, rows, strict=True):
                    each[encoder.fingerprint] = row.astype("<f4").tobytes()
        pairs = zip(items, vectors, strict=True)
        changes = [ItemChange(str(i[Columns.ITEM]), msgspec.json.encode(i), v) for i, v in pairs]
        return await self._change(changes)

    async def delete(self, item_id: str) -> int:
        """Forget an item; gives the version of the items.

        Raises
        ------
        StateError
            Where that can't be kept.
        """
        return await self._change([ItemChange(item_id, None, {})])

    def columns(self, item_id: str) -> dict[str, Value]:
        """Give an item's columns as they are now; none where it isn't known."""
        if item_id in self._fields:
            found: dict[str, Value] = msgspec.json.decode(self._fields[item_id])
            return found
        catalogue = self.served.reranker.catalogue
        [code] = catalogue.codes_of([item_id]).tolist()
        return catalogue.items.row(code, named=True) if 0 <= code < len(catalogue.items) else {}

    async def watch(self) -> None:
        """Follow the model folder and the items, for ever."""
        looked = 0.0
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(CATCH_UP_EVERY)
            try:
                await self.catch_up()
                if loop.time() - looked > LOOK_EVERY:
                    looked = loop.time()
                    await self._look()
            except TailrankError as why:
                log.warning("items can't be brought up to date", extra={"why": str(why)})
                await asyncio.sleep(LOOK_EVERY)
            except Exception:  # whatever it is, the next look may go better
                log.exception("items can't be brought up to date")
                await asyncio.sleep(LOOK_EVERY)

    async def _look(self) -> None:
        """Serve a new model where there is one; a broken one is refused, and the old one stays."""
        found = _signature(self.folder)
        if found in ((), self._seen):
            return
        try:
            new = await asyncio.to_thread(LoadedModel.load, self.folder)
            async with self._changing:
                grown = await self._grown(new)
                if _signature(self.folder) != found:
                    return  # replaced meanwhile, so what was read may be of two models
                self.served = grown
        except StateError:
            raise
        except Exception as why:  # noqa: BLE001 - whatever is wrong with it, the old one stays
            if _signature(self.folder) == found:
                self._seen = found
                self.metrics.refused.inc()
                log.error("new model refused", extra={"why": str(why), "model": self.served.name})
            return
        self._seen = found
        self.metrics.serves(new.name)
        log.info("new model", extra={"model": new.name})

    async def _change(self, changes: Sequence[ItemChange]) -> int:
        version = await self.state.change_items(changes)
        await self.catch_up()
        return version

    async def _grown(self, served: LoadedModel) -> LoadedModel:
        """Add what changed since a model's version."""
        version, changes = await self.state.item_changes(served.version)
        if version == served.version:
            return served
        put = [change for change in changes if change.fields is not None]
        reranker = served.reranker
        self._fields |= {change.item_id: change.fields for change in put if change.fields is not None}
        if put:
            texts = served.texts([msgspec.json.decode(change.fields or b"") for change in put])
            vectors = [await self._vectors(reranker, role, put, texts) for role in ROLES]
            reranker = reranker.with_items([change.item_id for change in put], texts, *vectors)
        gone = [change.item_id for change in changes if change.fields is None]
        for name in gone:
            self._fields.pop(name, None)
        return replace(served, reranker=reranker.without(gone) if gone else reranker, version=version)

    async def _vectors(
        self, reranker: Reranker, role: str, changes: Sequence[ItemChange], texts: Sequence[str]
    ) -> Floats | None:
        """Take the vectors that came with the changes, and encode where another encoder made those."""
        if reranker.about.get(role, "none") == "none":
            return None
        encoder = await self.encoders.load(reranker.about, role)
        if encoder is None:
            return None
        held = [change.vectors.get(encoder.fingerprint) for change in changes]
        if None in held:
            return await self.encoders.encode(encoder, texts)
        return np.frombuffer(b"".join(v for v in held if v), "<f4").reshape(len(held), -1).astype(np.float32)


def _signature(folder: Path) -> tuple[int, ...]:
    """Tell one writing of a model folder from another; empty where there is none at the moment."""
    try:
        found = (folder / MANIFEST).stat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _written(value: Value) -> str:
    """Write a column's value as a data folder's reader would."""
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
