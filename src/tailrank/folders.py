"""What a folder holds, by what lies in it, so that no command destroys or mixes up what another one wrote.

A folder that is replaced must be new, empty or of the same kind. One that files are only added to may be any,
but none that is read as a whole: data, a model, a task.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from tailrank.errors import RequestError, TailrankError, first_line

MANIFEST: Final = "manifest.json"
"""Names what lies beside it, and the format of it all, of which this goes by the words before the number."""

SHARED: Final = "../encoder"
"""Where a task finds the encoder that was tuned on it and others together."""

MODEL: Final = "model"
TASK: Final = "task"
DESK: Final = "support desk"
RANKINGS: Final = "folder of rankings"
TOGETHER: Final = "folder of tasks tuned together"
TUNED: Final = "tuned encoder"
STATE: Final = "server's state"
MONITOR: Final = "monitor"
VERSIONS: Final = "folder of a model's versions"
DATA: Final = "data folder"

_MADE_BY: Final = {
    TASK: "train one by `tailrank task train`",
    DESK: "make one by `tailrank support train`",
    MONITOR: "let one run there by `tailrank monitor run`",
}
_FORMATS: Final = {
    "tailrank model": MODEL,
    "tailrank task": TASK,
    "tailrank support desk": DESK,
    "tailrank rankings": RANKINGS,
}
_MARKS: Final = {
    TUNED: ("tuning.json",),
    STATE: ("data.mdb",),
    MONITOR: ("monitor.sqlite",),
    VERSIONS: ("history.jsonl", "current"),
}
"""What lies in a folder that has no manifest."""

_TABLES: Final = ("items", "events")
_CLOSED: Final = (MODEL, TASK, DESK, RANKINGS, TOGETHER, TUNED, DATA)
"""What is read as a whole, or replaced as one, so that nothing else belongs in it."""


def kind_of(folder: Path) -> str | None:
    """Name what a folder holds; None if it is none of what tailrank writes or reads, or can't be read.

    Any version's is of its kind. A manifest that is damaged says nothing.
    """
    try:
        if (folder / MANIFEST).is_file():
            written = str(_manifest(folder).get("format"))
            if written.startswith("tailrank "):
                return _FORMATS.get(written.rpartition(" ")[0])
        for kind, names in _MARKS.items():
            if all((folder / name).exists() for name in names):
                return kind
        parts = list(folder.iterdir())
    except (OSError, ValueError, RecursionError):
        return None
    if any(part.name.partition(".")[0] in _TABLES for part in parts):
        return DATA
    return TOGETHER if _are_tuned_together(folder, parts) else None


def check_own_folder(folder: Path, own: str, error: type[TailrankError]) -> None:
    """Refuse to replace a folder, unless it is new, empty or of the kind that is written.

    Parameters
    ----------
    folder
        Where to write.
    own
        What: the name of a kind.
    error
        What to raise.

    Raises
    ------
    TailrankError
        Of that type, if it is something else.
    """
    try:
        parts = sorted(folder.iterdir()) if folder.is_dir() else None
    except OSError as why:
        raise error(f"{folder}: can't be read ({first_line(why)}): choose another folder") from None
    kind = kind_of(folder)
    if not folder.exists() or parts == [] or kind == own:
        return
    what = f", but a {kind or 'file'}" if kind or not parts else f": it holds {_told(parts[0])}"
    raise error(f"{folder} exists and is no {own}{what}: choose another folder, or remove it")


def check_room(folder: Path, what: str, error: type[TailrankError], known_by: str | None = None) -> None:
    """Refuse to put files into a folder that is read as a whole, such as data or a model.

    Parameters
    ----------
    folder
        Where they go.
    what
        They are, for the message.
    error
        What to raise.
    known_by
        Name of one of them: where that is already, others may follow.

    Raises
    ------
    TailrankError
        Of that type, if it is.
    """
    if known_by is not None and (folder / known_by).exists():
        return
    kind = kind_of(folder)
    if kind in _CLOSED:
        raise error(f"{folder} is a {kind}, no place for {what}: choose another folder")


def check_room_for_report(folder: Path) -> None:
    """Refuse to put a report into such a folder, unless there is one already.

    Raises
    ------
    RequestError
        If it is one.
    """
    check_room(folder, "a report", RequestError, "metrics.json")


def check_kind(folder: Path, wanted: str, error: type[TailrankError]) -> None:
    """Refuse to read a folder that is of another kind; whoever reads it says what else may be wrong.

    Raises
    ------
    TailrankError
        Of the type given, if it is.
    """
    kind = kind_of(folder)
    if kind not in (None, wanted):
        raise error(f"{folder} is a {kind}, not a {wanted}: name another folder")


def check_there(folder: Path, wanted: str, error: type[TailrankError]) -> None:
    """Refuse to read a folder that is missing, or of another kind.

    Raises
    ------
    TailrankError
        Of the type given, if it is.
    """
    if not folder.is_dir():
        raise error(f"{folder}: there is no such folder: name that of a {wanted}, or {_MADE_BY[wanted]}")
    check_kind(folder, wanted, error)


def _manifest(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / MANIFEST).read_bytes())
    return found if isinstance(found, dict) else {}


def _are_tuned_together(folder: Path, parts: list[Path]) -> bool:
    """Whether a folder holds an encoder, and beside it nothing but tasks that share it."""
    encoder = folder / Path(SHARED).name
    tasks = [part for part in parts if part != encoder]
    return encoder.is_dir() and bool(tasks) and all(map(_shares_encoder, tasks))


def _shares_encoder(task: Path) -> bool:
    if kind_of(task) != TASK:
        return False
    encoder = _manifest(task).get("encoder")
    return isinstance(encoder, dict) and encoder.get("name") == SHARED


def _told(part: Path) -> str:
    kind = kind_of(part) if part.is_dir() else None
    return part.name if kind is None else f"{part.name}, a {kind}"
