"""A label of one entity in a text: what a headline means for one of the companies that it names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Final

from tailrank.errors import RequestError
from tailrank.tasks.one_label import OneLabel

MASK: Final = "this company"
"""Stands for the entity, so that what is learned doesn't depend on its name."""


class EntityLabel(OneLabel):
    """Each text is given once for each entity that it names, with the label of that entity."""

    name: ClassVar[str] = "entity"
    templates: ClassVar[tuple[str, ...]] = ("{masked}", "{entity}: {masked}", "{marked}", "{entity}: {text}")
    tuned_template: ClassVar[str] = "{masked}"

    def texts(self, texts: Sequence[str], entities: Sequence[str] | None, template: str) -> list[str]:
        """Write texts so that the encoder knows which entity is meant.

        Examples
        --------
        >>> EntityLabel().texts(["Acme beats Bolt"], ["Bolt"], "{entity}: {masked}")
        ['Bolt: Acme beats this company']
        """
        if entities is None or len(entities) != len(texts):
            raise RequestError(
                f"a task of the kind {self.name!r} needs an entity for each text: in `entities` or,"
                " on the command line, in the column that --entity names"
            )
        return [
            template.format(text=text, entity=entity, **_written(text, entity))
            for text, entity in zip(texts, entities, strict=True)
        ]


def _written(text: str, entity: str) -> dict[str, str]:
    """Write a text with its entity masked, and with it marked; one that isn't there is named in front."""
    pattern = re.compile(rf"(?<!\w){re.escape(entity)}(?!\w)", re.IGNORECASE)
    if not pattern.search(text):
        return {"masked": f"{MASK}: {text}", "marked": f"* {entity} * {text}"}
    return {"masked": pattern.sub(MASK, text), "marked": pattern.sub(lambda found: f"* {found[0]} *", text)}
