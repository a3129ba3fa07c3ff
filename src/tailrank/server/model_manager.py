"""The model that serves: replaced when its folder is, and kept up to date with items that changed."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Final

import msgspec

from tailrank.api import Value
from tailrank.api_stored import Item
from tailrank.data.columns import Columns
from tailrank.errors import EncoderError, TailrankError
from tailrank.folders import MANIFEST
from tailrank.policy.base import Policy
from tailrank.ranking.fusion import Fusion
from tailrank.screening.reviews import Entry
from tailrank.screening.screen import Screen
from tailrank.server.backoff import Backoff
from tailrank.server.changed_items import with_changes
from tailrank.server.encoding import Encoders
from tailrank.server.item_vectors import vector_key
from tailrank.server.loaded_model import LoadedModel
from tailrank.server.metrics import SHARED_FOLDER, Metrics
from tailrank.server.reviewing import screened
from tailrank.state.base import ItemChange, State, StateError

CHECK_EVERY: Final = 0.5
"""Seconds between two checks of the model folder."""

CATCH_UP_EVERY: Final = 0.05
"""Seconds between two checks for items that changed."""

log = logging.getLogger("tailrank.server")


class ModelManager:
    """The model of one worker, kept up to date by two loops beside the requests.

    Attributes
    ----------
    served
        What ranks now.
    """

    served: LoadedModel

    def __init__(
        self,
        folder: Path,
        state: State,
        encoders: Encoders,
        metrics: Metrics,
        standing: Sequence[Policy] = (),
        screen: Screen | None = None,
    ) -> None:
        self.folder, self.state, self.encoders, self.metrics = folder, state, encoders, metrics
        self._standing, self.screen = standing, screen
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
        log.info("loading the model", extra={"folder": str(self.folder)})
        self._signature_seen = _signature(self.folder)
        self._loaded = await asyncio.to_thread(self._load)
        self.served = await with_changes(self._loaded, self.state, self.encoders)
        self.metrics.serves(self.served.name)

    def _load(self) -> LoadedModel:
        return LoadedModel.load(self.folder, self._copies, self._standing, self.screen)

    async def warm(self) -> None:
        """Load the encoders before a text needs them; if one is missing, only texts have to do without."""
        identities = dict(self.served.encoders)
        if self.screen is not None and self.screen.encoder is not None:
            identities["screen"] = self.screen.encoder
        for name, identity in identities.items():
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
            self.served = await with_changes(self.served, self.state, None)

    async def put(self, items: Sequence[Mapping[str, Value]]) -> int:
        """Store new or changed items, encoded for all workers and screened; returns the version of the items.

        Raises
        ------
        EncoderError
            If the encoder of the model or of the screen is missing.
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
        entries: list[Entry] = []
        if self.screen is not None:
            entries = await screened(self.screen, served, items, vectors, self.encoders)
        ids, fields = [str(item[Columns.ITEM]) for item in items], map(msgspec.json.encode, items)
        changes = list(map(ItemChange, ids, fields, vectors, repeat(self._time_of_change())))
        return await self._change([*changes, *(entry.as_change() for entry in entries)])

    async def delete(self, item_id: str) -> int:
        """Delete an item; returns the version of the items.

        Raises
        ------
        StateError
            If that can't be stored.
        """
        return await self._change([ItemChange(item_id, None, {}, self._time_of_change())])

    async def judge(self, entry: Entry) -> None:
        """Store a verdict on an item: every ranking that follows goes by it.

        Raises
        ------
        StateError
            If it can't be stored.
        """
        await self._change([entry.as_change()])

    @property
    def offline(self) -> Fusion:
        """The weights of the model that serves, as training left them."""
        return self._loaded.reranker.fusion

    async def rank_by(self, fusion: Fusion, model: str) -> None:
        """Rank by other weights, as long as a model serves."""
        async with self._changing:
            if self.served.name == model:
                self.served = replace(self.served, reranker=replace(self.served.reranker, fusion=fusion))

    def columns(self, item_id: str) -> Item:
        """Return an item's columns as they are now; none if it isn't known."""
        return self.served.columns(item_id)

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
            new = await asyncio.to_thread(self._load)
            changed = await with_changes(new, self.state, self.encoders)
            if _signature(self.folder) != found:
                return  # replaced meanwhile, so another one is next
            await self._serve(changed)
            before, self._loaded = self._loaded, new
        except StateError:
            raise
        except Exception as why:  # noqa: BLE001 - whatever is wrong with it, the old one stays
            if _signature(self.folder) == found:
                self._refuse(found, why)
            return
        self._signature_seen, self._refused = found, ()
        self.metrics.serves(new.name, before.name)
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
            reranker = replace(self._loaded.reranker, fusion=self.served.reranker.fusion)
            again = replace(self._loaded, reranker=reranker)
            await self._serve(await with_changes(again, self.state, self.encoders))
            if not self.served.lacks_vectors:
                self._encode_again = Backoff(CHECK_EVERY)

    async def _serve(self, model: LoadedModel) -> None:
        """Serve a model, with what changed while it was prepared."""
        async with self._changing:
            self.served = await with_changes(model, self.state, None)

    def _time_of_change(self) -> float:
        """Return the time or, if the clock of whoever trained the model is ahead, when its data were read."""
        return max(time.time(), self.served.reranker.as_of)

    async def _change(self, changes: Sequence[ItemChange]) -> int:
        version = await self.state.change_items(changes)
        await self.catch_up()
        return version


def _signature(folder: Path) -> tuple[int, ...]:
    """Return what differs between two writings of a model folder; empty if there is none at the moment."""
    try:
        found = (folder / MANIFEST).stat()
    except OSError:
        return ()
    # Copies may keep the time of writing, and take the place of a file of the same size: ctime is their own.
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size
