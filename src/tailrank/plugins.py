"""What other packages plug in, by entry points: nothing is looked for in data or model folders."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from typing import Any, Final

from tailrank.errors import TailrankError, first_line

ENCODERS: Final = "tailrank.encoders"
MODELS: Final = "tailrank.models"
POLICIES: Final = "tailrank.policies"
SIGNALS: Final = "tailrank.signals"
STATES: Final = "tailrank.states"
TASKS: Final = "tailrank.tasks"
TRACKERS: Final = "tailrank.trackers"

OWED: Final[dict[str, Sequence[str]]] = {
    POLICIES: ("name", "listwise", "apply", "__dataclass_fields__"),
    SIGNALS: ("fit", "refit", "score", "by_event", "with_items", "arrays", "from_arrays"),
    TASKS: ("name", "exclusive", "templates", "tuned_template", "texts", "features", "measure"),
    TRACKERS: ("start", "log", "finish"),
}
"""What each thing must have to be one of a group."""


class PluginError(TailrankError):
    """What an installed package plugs in can't be used."""


@cache
def installed(group: str) -> EntryPoints:
    """Read what is registered in a group, once: it takes 10 ms and more, and requests name policies."""
    return entry_points(group=group)


def plugged_names(group: str) -> list[str]:
    """List the names that installed packages register in a group."""
    return sorted(installed(group).names)


def plugged(group: str, name: str) -> Any | None:
    """Import what an installed package registers under a name; None if none does.

    Parameters
    ----------
    group
        Such as `SIGNALS`.
    name
        The entry point's.

    Raises
    ------
    PluginError
        If two packages register the name, importing it fails, it lacks what `OWED` lists, or it is registered
        under another name than it bears and folders would note.
    """
    found = _entry_point(group, name)
    if found is None:
        return None
    try:
        thing = found.load()
    except Exception as error:  # noqa: BLE001 - whatever another's code raises
        why = first_line(error)
        raise PluginError(f"{_where(found)} can't be imported ({why}): fix or remove it") from None
    lacking = [each for each in OWED.get(group, ()) if not hasattr(thing, each)]
    if lacking:
        raise PluginError(f"{_where(found)} lacks {', '.join(lacking)}: see docs/plugins.md")
    if "name" in OWED.get(group, ()) and thing.name != name:
        raise PluginError(f"{_where(found)} calls itself {thing.name!r}: register it under that name")
    return thing


def plugged_folder(group: str, name: str) -> Path | None:
    """Find a folder that a package registers as PACKAGE:FOLDER; nothing is imported. None if none does."""
    found = _entry_point(group, name)
    if found is None or found.dist is None:
        return None
    return Path(str(found.dist.locate_file(found.value.replace(".", "/").replace(":", "/"))))


def _entry_point(group: str, name: str) -> EntryPoint | None:
    found = [*installed(group).select(name=name)]
    if len(found) > 1:
        packages = " and ".join(each.dist.name if each.dist else each.value for each in found)
        raise PluginError(f"{packages} both plug in {name!r} as one of {group}: remove one of them")
    return found[0] if found else None


def _where(found: EntryPoint) -> str:
    package = f" of the package {found.dist.name}" if found.dist else ""
    return f"{found.group}: {found.name!r}{package} ({found.value})"
