"""`LoadedModel`: a model as it serves, with what the server needs to know of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from tailrank.api import Value
from tailrank.api_stored import Item
from tailrank.data.columns import Columns
from tailrank.language.text import default_template, item_texts, template_columns
from tailrank.language.vectors import EncoderIdentity, VectorSpace
from tailrank.metrics.popularity import DECILES, popularity_deciles, tail_items
from tailrank.policy.base import Policy
from tailrank.ranking.model_folder import read_fitted
from tailrank.ranking.readiness import check_ranks
from tailrank.ranking.reranker import Reranker
from tailrank.screening.pushed_texts import TextScreen
from tailrank.screening.reviews import Reviews
from tailrank.screening.screen import Screen
from tailrank.server.items import as_text
from tailrank.state.base import ItemChange

SHOWN: Final = 10
"""Ranks that count as shown."""

PREFERRED: Final = "semantic"


@dataclass(frozen=True)
class LoadedModel:
    """A model as it serves. It never changes, so a request sees one model from its first step to its last.

    Attributes
    ----------
    reranker
        Changed items included.
    name
        Of the model: its folder's name and the start of its digest.
    head
        Ids of the most popular 20% of the items that it was trained with.
    version
        Changes of items that are in it.
    lacks_vectors
        Whether an item that changed is without a vector, because its encoder can't be loaded.
    reviews
        Which items were held, approved or rejected.
    text_screen
        What is usual in the texts of the items that it was trained with; None if nobody asks.
    """

    reranker: Reranker
    name: str
    head: frozenset[str] = frozenset()
    version: int = 0
    lacks_vectors: bool = False
    reviews: Reviews = field(default_factory=Reviews)
    text_screen: TextScreen | None = field(default=None, repr=False)

    @classmethod
    def load(
        cls,
        folder: Path,
        copies: Path | None = None,
        standing: Sequence[Policy] = (),
        screen: Screen | None = None,
    ) -> LoadedModel:
        """Load a model folder and rank once, so that a model that can't rank is never served.

        `copies` is a folder in which workers share the arrays, as in `read_model`; `standing` are steps that
        come after all others; `screen` judges items that are put.

        Raises
        ------
        ModelError
            If the folder is missing, damaged or of another format, or a score is no number.
        """
        fitted, digest = read_fitted(folder, copies)
        items = fitted.catalogue.items
        counts = fitted.catalogue.counts[: len(items)]
        head = items[Columns.ITEM].filter(~tail_items(counts))
        name, ids = f"{folder.name}@{digest[:12]}", frozenset(head.to_list())
        loaded = cls(Reranker.from_fitted(fitted).with_standing(standing), name, ids)
        check_ranks(loaded.reranker, folder)
        if screen is not None and screen.pushed:
            texts = loaded.texts(items.to_dicts(), screen.template)
            loaded = replace(loaded, text_screen=TextScreen.from_texts(texts, counts, screen.pushed))
        return loaded

    def with_entries(self, entries: Sequence[ItemChange]) -> Self:
        """Take in entries of reviews: what they hold or reject leaves every list.

        Raises
        ------
        StateError
            If one can't be read.
        """
        reviews = self.reviews.with_entries(entries)
        return replace(self, reviews=reviews, reranker=replace(self.reranker, first=(reviews.step,)))

    def deciles_of(self, item_ids: Sequence[str]) -> bytes:
        """Give the tenth of the items that each of these belongs to, a byte each, by `popularity_deciles`.

        Items that came since training, or aren't known, count with the least popular.
        """
        catalogue = self.reranker.catalogue

        def by_code() -> npt.NDArray[np.uint8]:
            """Give deciles by codes, from that of no item, -1, to one beyond the items of training."""
            counts = catalogue.counts[: len(catalogue.items)]
            return np.pad(popularity_deciles(counts), 1, constant_values=DECILES - 1).astype(np.uint8)

        deciles = catalogue.attributes.once("deciles", by_code)
        return deciles.take(catalogue.codes_of(item_ids) + 1, mode="clip").tobytes()

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
    def reading_space(self) -> str | None:
        """The vector space whose encoder reads what is no item: `semantic`, or else the first with one."""
        return PREFERRED if PREFERRED in self.encoders else next(iter(self.encoders), None)

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

    @cached_property
    def columns_of_spaces(self) -> dict[str, tuple[str, VectorSpace]]:
        """The vector spaces that come from a column of items, each with its name, by that column."""
        spaces = self.reranker.spaces.items()
        return {space.column.name: (name, space) for name, space in spaces if space.column is not None}

    def columns(self, item_id: str) -> Item:
        """Return an item's columns as they are now; none if it isn't known."""
        catalogue = self.reranker.catalogue
        if item_id in catalogue.attributes.later:
            return dict(catalogue.attributes.later[item_id])
        [code] = catalogue.codes_of([item_id]).tolist()
        return catalogue.items.row(code, named=True) if 0 <= code < len(catalogue.items) else {}

    def texts(self, items: Sequence[Mapping[str, Value]], template: str | None = None) -> list[str]:
        """Write item texts, as in training by default; columns that an item lacks are empty."""
        template = template or self.template
        columns = dict.fromkeys(template_columns(template))
        rows = {name: [as_text(item.get(name)) for item in items] for name in columns}
        return item_texts(pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String)), template)
