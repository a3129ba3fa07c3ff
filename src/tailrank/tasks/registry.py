"""The kinds of tasks, to which installed packages add: docs/plugins.md."""

from __future__ import annotations

from typing import Final

from tailrank import plugins
from tailrank.errors import RequestError, instead_of
from tailrank.tasks.entity_label import EntityLabel
from tailrank.tasks.kinds import Kind
from tailrank.tasks.one_label import OneLabel
from tailrank.tasks.pair_label import PairLabel
from tailrank.tasks.several_labels import SeveralLabels

_ALL: Final[tuple[Kind, ...]] = (OneLabel(), SeveralLabels(), EntityLabel(), PairLabel())

KINDS: Final = {kind.name: kind for kind in _ALL}


def kind_named(name: str) -> Kind:
    """Find a kind.

    Raises
    ------
    RequestError
        If there is none of that name.
    """
    found: Kind | None = KINDS.get(name) or plugins.plugged(plugins.TASKS, name)
    if found is None:
        known = {each: each for each in [*KINDS, *plugins.plugged_names(plugins.TASKS)]}
        raise RequestError(f"no kind of task {name!r}: {instead_of(name, known)}")
    return found
