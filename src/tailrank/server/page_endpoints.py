"""What the page at `/` asks of the server beside rankings: on threads, so that no ranking waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from tailrank.api_page import (
    CandidatesRequest,
    Cards,
    CardsRequest,
    FoundCandidates,
    ItemsRequest,
    OwnRequest,
    Page,
    Prices,
    Story,
)
from tailrank.arrays import Offsets
from tailrank.errors import EncoderError
from tailrank.policy.exploration import Exploration
from tailrank.server.call import Call, encode
from tailrank.server.card_index import CardIndex
from tailrank.server.decoding import Body
from tailrank.server.exchange import Answer
from tailrank.server.item_map import item_map
from tailrank.server.loaded_model import LoadedModel
from tailrank.server.model_manager import ModelManager
from tailrank.server.own_items import rank_own
from tailrank.server.plain_candidates import as_answer, plain_candidates
from tailrank.server.relevance import is_blank

ITEMS: Final[Body[ItemsRequest]] = Body(ItemsRequest)
CARDS: Final[Body[CardsRequest]] = Body(CardsRequest)
CANDIDATES: Final[Body[CandidatesRequest]] = Body(CandidatesRequest)
OWN: Final[Body[OwnRequest]] = Body(OwnRequest)

ENCODER_SECONDS: Final = 1.0
"""How long to wait for encoders that may still be loading."""


class PageEndpoints:
    """The endpoints of the page at `/`.

    Parameters
    ----------
    models
        Gives the model that serves.
    story
        Users to begin with; None if there are none.
    prices
        What policies cost; None if that wasn't measured.
    exploration
        How far the server explores; None if it doesn't.
    beside
        Gives the models that requests may name, by what they call them.
    policies
        Version of the file of policies that rank for everybody; empty if there is none.
    """

    def __init__(
        self,
        models: ModelManager,
        story: Story | None = None,
        prices: Prices | None = None,
        exploration: Exploration | None = None,
        beside: Mapping[str, ModelManager] = MappingProxyType({}),
        policies: str = "",
    ) -> None:
        self.models, self._story, self._prices = models, story, prices
        self._beside, self._policies = beside, policies
        self._explore_moves = None if exploration is None else exploration.moves
        self._index: CardIndex | None = None
        self._map: tuple[CardIndex, bytes] | None = None
        self._indexing, self._drawing = asyncio.Lock(), asyncio.Lock()

    async def page(self, _: Call) -> Answer:
        """Say what there is to show."""
        index = await self._indexed()
        served = index.served
        return Answer(
            encode(
                Page(
                    served.name,
                    len(index.ids),
                    [signal.name for signal in served.reranker.signals],
                    served.reranker.text_signals,
                    await self._loaded(served) is not False,
                    self._story,
                    self._prices,
                    self._explore_moves,
                    {name: each.served.name for name, each in self._beside.items()},
                    self._policies,
                )
            )
        )

    async def page_items(self, call: Call) -> Answer:
        """Find items by words of their titles, then by meaning."""
        asked = ITEMS.decode(call.body)
        index = await self._indexed()
        rows = await asyncio.to_thread(index.find, asked.query, asked.k)
        if len(rows) < asked.k and not is_blank(asked.query):
            rows = np.concatenate([rows, await self._alike(index, asked.query, asked.k - len(rows), rows)])
        return Answer(encode(Cards(await asyncio.to_thread(index.cards, rows))))

    async def page_cards(self, call: Call) -> Answer:
        """Give titles, texts and training events of items."""
        asked = CARDS.decode(call.body)
        index = await self._indexed()
        cards = await asyncio.to_thread(lambda: index.cards(index.rows_of(asked.ids)))
        return Answer(encode(Cards(cards)))

    async def page_candidates(self, call: Call) -> Answer:
        """Find candidates as a plain recommender does."""
        asked = CANDIDATES.decode(call.body)
        index = await self._indexed()

        def find() -> FoundCandidates:
            reranker = index.served.reranker
            return as_answer(reranker, plain_candidates(reranker, asked.history, asked.k, index.codes))

        return Answer(encode(await asyncio.to_thread(find)))

    async def page_map(self, _: Call) -> Answer:
        """Draw the catalogue by what its items mean."""
        index = await self._indexed()
        async with self._drawing:
            if self._map is None or self._map[0] is not index:
                self._map = index, await asyncio.to_thread(lambda: encode(item_map(index)))
            return Answer(self._map[1])

    async def page_own(self, call: Call) -> Answer:
        """Rank items that were sent, by what they mean; nothing is kept."""
        return Answer(encode(await rank_own(self.models.served, self.models.encoders, OWN.decode(call.body))))

    async def _indexed(self) -> CardIndex:
        """Give the index of the items as they are now."""
        async with self._indexing:
            served = self.models.served
            if self._index is None or not self._index.is_of(served):
                self._index = await asyncio.to_thread(CardIndex.from_model, served)
            return self._index

    async def _loaded(self, served: LoadedModel) -> bool | None:
        """Whether the encoders for texts of users are there; None if they are still being loaded."""
        try:
            async with asyncio.timeout(ENCODER_SECONDS):
                for identity in served.encoders.values():
                    await self.models.encoders.load(identity)
        except TimeoutError:
            return None
        except EncoderError:
            return False
        return bool(served.encoders)

    async def _alike(self, index: CardIndex, query: str, k: int, found: Offsets) -> Offsets:
        """Find the items whose texts are nearest to a query in meaning, but for those found already."""
        served = index.served
        space = served.reading_space
        if space is None or not await self._loaded(served):
            return found[:0]
        encoder = await self.models.encoders.load(served.encoders[space])
        [vector] = await self.models.encoders.encode(encoder, [query], "documents", queries=True)
        return await asyncio.to_thread(index.nearest, space, vector, k, found)
