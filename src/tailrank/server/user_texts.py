"""Texts of users in the histories of requests, encoded for the model that serves."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, NamedTuple

from tailrank import api
from tailrank.arrays import Floats
from tailrank.errors import RequestError
from tailrank.language.reading import Reading
from tailrank.language.vectors import EncoderIdentity
from tailrank.ranking.text_events import TextEvent, as_item_texts
from tailrank.server.encoding import Encoders
from tailrank.server.loaded_model import LoadedModel

KEPT: Final = 1_000
"""Vectors that are remembered: who asks with a text asks again, with other items or policies."""


class Said(NamedTuple):
    """A text of a request's history, and how many events of that come before it."""

    text: str
    after: int


def texts_of(history: Sequence[str | api.HistoryEvent]) -> list[Said]:
    """Find the texts of a request's history.

    Raises
    ------
    RequestError
        If they are too many.
    """
    found, events = list[Said](), 0
    for element in history:
        if isinstance(element, str) or not element.text:
            events += 1
        else:
            found.append(Said(element.text, events))
    if len(found) > api.MAX_TEXTS:
        raise RequestError(f"{len(found)} texts in a history: send at most {api.MAX_TEXTS} - at `$.history`")
    return found


class UserTexts:
    """Encodes texts of users, and remembers the latest.

    Parameters
    ----------
    encoders
        Those of the server.
    """

    def __init__(self, encoders: Encoders) -> None:
        self._encoders = encoders
        self._vectors: OrderedDict[tuple[str, str, Reading, str], Floats] = OrderedDict()

    async def encoded(self, said: Sequence[Said], served: LoadedModel, n_stored: int) -> list[TextEvent]:
        """Encode for each vector space that has an encoder.

        Parameters
        ----------
        said
            By one user.
        served
            The model that is to rank.
        n_stored
            How many stored events come before the history of the request.

        Raises
        ------
        EncoderError
            If an encoder is missing, or too many texts wait for it.
        """
        texts = [each.text for each in said]
        vectors = {name: await self._encode(texts, one) for name, one in served.encoders.items()}
        return [
            TextEvent(text, {name: rows[at] for name, rows in vectors.items()}, n_stored + after)
            for at, (text, after) in enumerate(said)
        ]

    async def _encode(self, texts: Sequence[str], identity: EncoderIdentity) -> list[Floats]:
        return await self.vectors(await asyncio.to_thread(as_item_texts, texts, identity.template), identity)

    async def vectors(self, written: Sequence[str], identity: EncoderIdentity) -> list[Floats]:
        """Encode words of users as they are.

        Raises
        ------
        EncoderError
            As `encoded` does.
        """
        keys = [(identity.name, identity.sha256, identity.reading, text) for text in written]
        found = {key: self._vectors[key] for key in keys if key in self._vectors}
        if new := [key for key in dict.fromkeys(keys) if key not in found]:
            encoder = await self._encoders.load(identity)
            words = [text for *_, text in new]
            rows = await self._encoders.encode(encoder, words, "documents", queries=True)
            found.update(zip(new, rows, strict=True))
        for key in keys:
            self._vectors[key] = found[key]
            self._vectors.move_to_end(key)
        while len(self._vectors) > KEPT:
            self._vectors.popitem(last=False)
        return [found[key] for key in keys]
