"""The encoders of a model, loaded when a text first needs one, and run beside the event loop, in turns."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from threading import get_native_id
from typing import Final, Literal, TypeAlias, TypeVar, get_args

import numpy as np

from tailrank.arrays import Floats
from tailrank.errors import EncoderError
from tailrank.language.batches import batch_rows
from tailrank.language.onnx_encoder import OnnxEncoder
from tailrank.language.reading import Reading
from tailrank.language.vectors import EncoderIdentity
from tailrank.stages import stage

T = TypeVar("T")

Lane: TypeAlias = Literal["items", "documents", "changes"]
"""Whose texts they are: of items that are put, of documents to re-rank, of items that another worker put."""

MAX_WAITING: Final = 16
"""Calls whose texts a lane encodes in turns; one more is refused."""

TURN_CHARACTERS: Final = 4_096
"""Of the texts that are encoded in one turn: about one batch of the encoder."""


NICENESS: Final = 10
"""Added for the thread that encodes, as `nice` counts: rankings go first where both want the same core."""


class EncoderBusyError(EncoderError):
    """So many texts wait to be encoded that another one would wait too long."""


class Encoders:
    """Encodes texts on one thread, so that rankings go on meanwhile.

    Texts are encoded a batch at a time. The lanes take turns and so do the calls in each, so neither a long
    call nor many of them keep a short one waiting. A call that is cancelled ends with its batch.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "encoding", _let_others_go_first)
        # Both sorts of lock are given to who waited longest. Only the first of each lane waits for a turn.
        self._turn = asyncio.Lock()
        self._lanes = {lane: asyncio.Lock() for lane in get_args(Lane)}
        self._calls = Counter[Lane]()
        self._loaded: dict[tuple[str, str, Reading], OnnxEncoder] = {}
        """By name, sha256 and reading: an encoder that is tuned again into the same folder is another one."""

    async def load(self, identity: EncoderIdentity) -> OnnxEncoder:
        """Load the encoder that vectors came from.

        Raises
        ------
        EncoderError
            If it is missing, or has changed since.
        """
        loaded = self._loaded.get((identity.name, identity.sha256, identity.reading))
        if loaded is None:
            loop = asyncio.get_running_loop()
            loaded = await loop.run_in_executor(self._thread, self._load, identity)
        return loaded

    async def encode(
        self, encoder: OnnxEncoder, texts: Sequence[str], lane: Lane = "changes", *, queries: bool = False
    ) -> Floats:
        """Encode; unit vectors of shape (texts, dimension), zero for blank texts.

        Parameters
        ----------
        encoder, texts, lane
            Which one encodes what, in whose turn.
        queries
            Whether the texts are words of users, not those of items.

        Raises
        ------
        EncoderBusyError
            If the lane is full.
        """
        vectors = np.zeros((len(texts), encoder.dimension), np.float32)
        loop = asyncio.get_running_loop()
        encode = encoder.encode_queries if queries else encoder.encode
        with self._place(lane), stage("encode"):
            for rows in batch_rows(np.array([len(text) for text in texts], np.int64), TURN_CHARACTERS):
                batch = [texts[row] for row in rows]
                async with self._lanes[lane], self._turn:
                    vectors[rows] = await loop.run_in_executor(self._thread, encode, batch)
        return vectors

    async def run(self, work: Callable[[], T], lane: Lane) -> T:
        """Do what encodes a few short texts of its own, as one turn.

        Raises
        ------
        EncoderBusyError
            If the lane is full.
        """
        loop = asyncio.get_running_loop()
        with self._place(lane):
            async with self._lanes[lane], self._turn:
                return await loop.run_in_executor(self._thread, work)

    def load_named(self, name: str) -> OnnxEncoder:
        """Load an encoder by its name alone, before anything is served: it blocks.

        Raises
        ------
        EncoderError
            If it is missing.
        """
        for (known, _, reading), loaded in self._loaded.items():
            if (known, reading) == (name, Reading()):
                return loaded
        encoder = OnnxEncoder.load(name)
        return self._loaded.setdefault((name, encoder.sha256, Reading()), encoder)

    def close(self) -> None:
        """End the thread once its batch is done."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    @contextmanager
    def _place(self, lane: Lane) -> Iterator[None]:
        """Count a call among those of its lane."""
        if self._calls[lane] >= MAX_WAITING:
            raise EncoderBusyError("too many texts wait to be encoded: try again later, with fewer at once")
        self._calls[lane] += 1
        try:
            yield
        finally:
            self._calls[lane] -= 1

    def _load(self, identity: EncoderIdentity) -> OnnxEncoder:
        key = identity.name, identity.sha256, identity.reading
        if key not in self._loaded:
            how = asdict(identity.reading)
            self._loaded[key] = OnnxEncoder.load(identity.name, sha256=identity.sha256, **how)
        return self._loaded[key]


def _let_others_go_first() -> None:
    if sys.platform == "linux":  # elsewhere it would be the niceness of the process
        here = get_native_id()
        os.setpriority(os.PRIO_PROCESS, here, os.getpriority(os.PRIO_PROCESS, here) + NICENESS)
