"""The kinds of tasks. To add one, write a file beside the others and add it to `KINDS`: docs/tasks.md."""

from __future__ import annotations

from typing import Final

from tailrank.errors import RequestError, instead_of
from tailrank.tasks.entity_label import EntityLabel
from tailrank.tasks.kinds import Kind
from tailrank.tasks.one_label import OneLabel
from tailrank.tasks.several_labels import SeveralLabels

_ALL: Final[tuple[Kind, ...]] = (OneLabel(), SeveralLabels(), EntityLabel())

KINDS: Final = {kind.name: kind for kind in _ALL}


def kind_named(name: str) -> Kind:
    """Find a kind.

    Raises
    ------
    RequestError
        If there is none of that name.
    """
    if name not in KINDS:
        raise RequestError(f"no kind of task {name!r}: {instead_of(name, {each: each for each in KINDS})}")
    return KINDS[name]
