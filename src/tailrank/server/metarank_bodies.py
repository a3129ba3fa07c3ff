"""Metarank's events as its HTTP API takes them: a field that isn't Metarank's is a mistake, and refused.

Exports may hold more, so these shapes are stricter than those of `data/imports`. What is declared here is
accepted and not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from tailrank.data.imports import metarank_schema as schema
from tailrank.data.imports.metarank_schema import read_time
from tailrank.server.batches import Entries
from tailrank.server.decoding import Body


class RankItemBody(schema.RankItem, frozen=True, forbid_unknown_fields=True):
    """An item of a list."""

    label: Any = None


class ItemBody(schema.ItemEvent, frozen=True, tag="item", forbid_unknown_fields=True):
    """What is known of an item."""

    tenant: Any = None
    env: Any = None


class MetadataBody(ItemBody, frozen=True, tag="metadata"):
    """An item, in the words of Metarank before 0.5."""


class UserBody(schema.UserEvent, frozen=True, tag="user", forbid_unknown_fields=True):
    """What is known of a user."""

    fields: Any = None
    tenant: Any = None
    env: Any = None


class RankingBody(schema.RankingEvent, frozen=True, kw_only=True, tag="ranking", forbid_unknown_fields=True):
    """A list that was shown, or is to be ranked; its fields are what is known of the request."""

    items: Sequence[RankItemBody]
    fields: list[schema.Field] | None = None
    tenant: Any = None
    env: Any = None


class InteractionBody(
    schema.InteractionEvent, frozen=True, kw_only=True, tag="interaction", forbid_unknown_fields=True
):
    """What a user did with an item."""

    fields: Any = None
    tenant: Any = None
    env: Any = None


EventBody: TypeAlias = ItemBody | MetadataBody | UserBody | RankingBody | InteractionBody

FEEDBACK: Final[Entries[EventBody]] = Entries(EventBody, hook=read_time, lines=True)
RANKING: Final[Body[RankingBody]] = Body(RankingBody, partial(read_time, earliest=0))
"""Of a request to rank, which happens now, whatever time it has."""
