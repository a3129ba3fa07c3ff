"""A folder of rankings: Parquet parts beside a manifest that says what they were made from."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

import msgspec

from tailrank.errors import RequestError
from tailrank.files import is_writable, written_file
from tailrank.folders import MANIFEST, RANKINGS, check_own_folder

FORMAT: Final = "tailrank rankings 1"
_MEANING: Final = {
    "model": "another model",
    "candidates": "other candidates or users",
    "histories": "other events",
    "policies": "other policies",
    "k": "another length (-k)",
    "users_per_part": "parts of another size",
}
"""What it means that a field of the manifest differs."""


@dataclass(frozen=True)
class RankingsManifest:
    """What the parts of a folder of rankings are made from, and so which run may go on in it.

    Attributes
    ----------
    model
        sha256 of the model's manifest.
    candidates, histories
        Fingerprints of the lists and of the events; the latter is `state` for what a server stores, which
        changes.
    policies
        Version of the file of standing policies; empty without one.
    k
        Length of a ranking.
    users, users_per_part
        How many users there are, and how many a part holds.
    time
        When the first run began, in seconds since 1970, for policies that go by it.
    format
        Of the folder.
    """

    model: str
    candidates: str
    histories: str
    policies: str
    k: int
    users: int
    users_per_part: int
    time: float
    format: str = FORMAT

    @property
    def n_parts(self) -> int:
        """How many parts there are when all is done."""
        return -(-self.users // self.users_per_part)


@dataclass(frozen=True)
class RankingsFolder:
    """The place of rankings.

    Attributes
    ----------
    folder
        Where the parts go.
    manifest
        What they are made from.
    """

    folder: Path
    manifest: RankingsManifest

    @classmethod
    def begin(cls, folder: Path, manifest: RankingsManifest) -> Self:
        """Make the folder, or go on in one that was begun with the same.

        Raises
        ------
        RequestError
            If it holds something else or rankings made from something else, or can't be written to.
        """
        check_own_folder(folder, RANKINGS, RequestError)
        file = folder / MANIFEST
        if file.is_file():
            return cls(folder, replace(manifest, time=_same(file, manifest).time))
        if not is_writable(folder):
            raise RequestError(f"{folder}: can't be written to: name another folder")
        with written_file(file) as new:
            new.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
        return cls(folder, manifest)

    def part(self, number: int) -> Path:
        """Name the file of a part."""
        return self.folder / f"part-{number:05}.parquet"

    def missing(self) -> list[int]:
        """List the parts that aren't there yet."""
        return [number for number in range(self.manifest.n_parts) if not self.part(number).is_file()]

    def clean(self) -> None:
        """Remove what writers left that were killed."""
        for left in self.folder.glob(".part-*"):
            shutil.rmtree(left, ignore_errors=True)


def _same(file: Path, wanted: RankingsManifest) -> RankingsManifest:
    """Read the manifest of a folder, and refuse one that was made from something else."""
    try:
        found = msgspec.json.decode(file.read_bytes(), type=RankingsManifest)
    except (OSError, msgspec.DecodeError) as why:
        raise RequestError(f"{file}: not that of rankings ({why}): name another folder") from None
    if found.format != FORMAT:
        raise RequestError(f"{file}: not of the format {FORMAT!r}: name another folder")
    for name, meaning in _MEANING.items():
        then, now = getattr(found, name), getattr(wanted, name)
        if then != now:
            raise RequestError(
                f"{file.parent} holds rankings of {meaning}: {name} is {json.dumps(then)} there, "
                f"{json.dumps(now)} now: name another folder"
            )
    return found
