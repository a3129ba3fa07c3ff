"""Which versions of a model have served, one after the other: a file of JSON Lines beside them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from tailrank.errors import ModelError
from tailrank.files import written_file

Deed = Literal["promote", "rollback"]


class Promotion(Struct, frozen=True, forbid_unknown_fields=True):
    """That another version is to serve.

    Attributes
    ----------
    time
        When, in UTC.
    did
        Whether it was promoted, or was back because the one after it went.
    version, before
        The one that is to serve, and the one that served until then; None if there was none.
    """

    time: str
    did: Deed
    version: str
    before: str | None


def read_promotions(file: Path) -> list[Promotion]:
    """Read the file, the oldest first; without a file, nothing was promoted.

    Raises
    ------
    ModelError
        If a line is none of those that `add_promotion` writes.
    """
    lines = file.read_bytes().splitlines() if file.exists() else []
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(msgspec.json.decode(line, type=Promotion))
        except msgspec.DecodeError as why:
            raise ModelError(f"{file}, line {number}: {why}: correct or remove the line") from None
    return found


def add_promotion(file: Path, did: Deed, version: str, before: str | None) -> None:
    """Write down what is about to be done; `served` finds out whether it was.

    Raises
    ------
    OSError
        If that can't be written. What was there stays.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    known = file.read_bytes() if file.exists() else b""
    with written_file(file) as new:
        new.write_bytes(known + msgspec.json.encode(Promotion(now, did, version, before)) + b"\n")


def served(promotions: Sequence[Promotion], serving: str | None) -> list[str]:
    """List the versions that rolling back would go through, the one that serves last.

    A promotion is written before it is done, so who is killed in between leaves one that never happened: then
    another version served before the next, or serves now.

    Examples
    --------
    >>> lines = [Promotion("", "promote", "a", None), Promotion("", "promote", "b", "a")]
    >>> served(lines, "b"), served(lines, "a")
    (['a', 'b'], ['a'])
    >>> served([*lines, Promotion("", "rollback", "a", "b")], "a")
    ['a']
    """
    found: list[str] = []
    befores = [*(each.before for each in promotions), serving]
    for each, then in zip(promotions, befores[1:], strict=True):
        if each.version != then:
            continue
        if each.did == "promote":
            found.append(each.version)
        while each.did == "rollback" and found and found[-1] != each.version:
            found.pop()
    return found
