"""`Conversing`: what users say of a list, read with the encoders of the server and ranked by its models."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

import msgspec
import polars as pl

from tailrank import api
from tailrank.api_conversation import Conversation, ConversationAnswer, ConversationRequest, Reading
from tailrank.conversation.acts import ENCODER
from tailrank.conversation.reader import TurnReader
from tailrank.conversation.said import after, showing, told
from tailrank.language.vectors import EncoderIdentity
from tailrank.ranking.catalogue import Catalogue
from tailrank.server.ranker import Ranker
from tailrank.server.user_texts import texts_of

READERS: Final = 4
"""Models whose words are remembered: those that serve, and the one before."""

NOTHING: Final = Reading("", [], [])


class Conversing:
    """Answers turns; the conversation itself is kept by who asks."""

    def __init__(self) -> None:
        self._readers: OrderedDict[int, tuple[pl.DataFrame, TurnReader]] = OrderedDict()
        self._learning = asyncio.Lock()

    async def answer(self, asked: ConversationRequest, ranker: Ranker, arrived: float) -> ConversationAnswer:
        """Read a turn, and rank by the conversation with it.

        Parameters
        ----------
        asked
            What was said, before and now, and what to rank.
        ranker
            By the model that the request names.
        arrived
            When, on the clock of `time.perf_counter`.

        Raises
        ------
        RequestError
            On what the sender can mend.
        EncoderError
            If what was said has to be encoded, and the encoder is missing or busy.
        """
        reading = NOTHING
        if asked.text is not None:
            reading = await self._read(asked.text, asked.conversation, ranker)
        conversation = after(asked.conversation, reading)
        asks = told(conversation)
        room = max(api.MAX_TEXTS - len(texts_of(asked.request.history)), 0)
        liked = [api.HistoryEvent(item) for item in asks.liked]
        texts = [api.HistoryEvent(text=text) for text in asks.texts[max(len(asks.texts) - room, 0) :]]
        request = msgspec.structs.replace(asked.request, history=[*asked.request.history, *liked, *texts])
        ranking = await ranker.rank(request, arrived, asks.wishes)
        seen = showing(conversation, [item.id for item in ranking.items], asked.request.k)
        return ConversationAnswer(reading.understood, reading.not_understood, seen, ranking)

    async def _read(self, text: str, conversation: Conversation, ranker: Ranker) -> Reading:
        """Say what a turn means; what has to be encoded is, once."""
        catalogue = ranker.models.served.reranker.catalogue
        reader = await self._reader(catalogue)
        parsed = await asyncio.to_thread(reader.parse, text, conversation)
        written = parsed.to_encode
        identity = EncoderIdentity(ENCODER, reader.acts.encoder_sha256, "")
        vectors = await ranker.texts.vectors(written, identity) if written else []
        by_text = dict(zip(written, vectors, strict=True))
        return reader.understand(parsed, by_text, conversation, catalogue)

    async def _reader(self, catalogue: Catalogue) -> TurnReader:
        """Give what knows the words of a model's items."""
        async with self._learning:
            items = catalogue.items
            known = self._readers.get(id(items))
            if known is None:
                known = items, await asyncio.to_thread(TurnReader.from_catalogue, catalogue)
                self._readers[id(items)] = known
            self._readers.move_to_end(id(items))
            while len(self._readers) > READERS:
                self._readers.popitem(last=False)
            return known[1]
