"""What the manifest of a model folder may say, checked field by field before anything is made of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import PurePath
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct, field

from tailrank.data.dataset import Clock
from tailrank.errors import ModelError
from tailrank.language.reading import Reading
from tailrank.language.vector_column import VectorColumn
from tailrank.language.vectors import EncoderIdentity
from tailrank.ranking.settings import Settings

FORMAT: Final = "tailrank model 7"
PLAIN_NAMES: Final = "tailrank model 4"
"""Whose files are not named by their content, and which doesn't say when its data were read."""

READABLE: Final = (FORMAT, "tailrank model 6", "tailrank model 5", PLAIN_NAMES)
"""Before 7, nothing was said of items that changed; before 6, fusion had buckets of counts, not knots."""

ITEMS: Final = "items.parquet"
ARRAYS: Final = "signals.safetensors"

Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Weight = Annotated[float, Meta(ge=-1e6, le=1e6)]


class Digests(Struct, frozen=True, forbid_unknown_fields=True):
    """Sha256 of each of the other files."""

    items: Digest = field(name=ITEMS)
    signals: Digest = field(name=ARRAYS)


class SpaceDescription(Struct, frozen=True, forbid_unknown_fields=True):
    """A vector space: the encoder of its texts or its column of items if there is one, and the width."""

    encoder: EncoderIdentity | None
    width: Annotated[int, Meta(ge=1, le=65_536)]
    column: VectorColumn | None = None


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The manifest; docs/models.md describes its fields."""

    format: str
    packages: dict[str, str]
    files: Digests
    signals: dict[str, str]
    spaces: dict[str, SpaceDescription]
    event_types: Annotated[tuple[str, ...], Meta(min_length=1)]
    clock: Clock
    changed: dict[str, Annotated[int, Meta(ge=-1)]]
    columns: dict[str, dict[str, Any]] = {}
    as_of: Annotated[float, Meta(ge=0, le=1e12)] = 0.0
    policy: list[dict[str, Any]]
    upstream: dict[str, Weight]
    settings: Settings
    about: dict[str, Any]
    sha256: Digest

    @property
    def file_names(self) -> tuple[str, str]:
        """Names of the files of items and arrays: none is taken from the manifest, so none is a path."""
        if self.format == PLAIN_NAMES:
            return ITEMS, ARRAYS
        return named_by_content(ITEMS, self.files.items), named_by_content(ARRAYS, self.files.signals)


def named_by_content(name: str, digest: str) -> str:
    """Put the start of a file's sha256 into its name.

    Examples
    --------
    >>> named_by_content("items.parquet", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db")
    'items-53aa51172d142c89.parquet'
    """
    plain = PurePath(name)
    return f"{plain.stem}-{digest[:16]}{plain.suffix}"


def read_manifest(given: Mapping[str, Any]) -> Manifest:
    """Check a manifest as JSON gives it.

    Raises
    ------
    ModelError
        Naming the field that is unknown, missing, of another type or out of bounds.
    """
    try:
        found = msgspec.convert(given, Manifest)
    except msgspec.ValidationError as error:
        raise ModelError(re.sub(r" - at `\$\.?(.+)`$", r" in `\1`", str(error))) from None
    _refuse_unknown(Settings, given["settings"], "settings")
    for name, space in given["spaces"].items():
        if space["encoder"] is not None:
            place = f"spaces.{name}.encoder"
            _refuse_unknown(EncoderIdentity, space["encoder"], place)
            _refuse_unknown(Reading, space["encoder"].get("reading", {}), f"{place}.reading")
        if space.get("column") is not None:
            _refuse_unknown(VectorColumn, space["column"], f"spaces.{name}.column")
    if len(set(found.event_types)) < len(found.event_types):
        raise ModelError("repeated names in `event_types`")
    return found


def _refuse_unknown(kind: Any, given: Mapping[str, Any], place: str) -> None:
    """Refuse fields that a dataclass doesn't have: msgspec passes over those."""
    for name in sorted(given.keys() - {each.name for each in fields(kind)}):
        raise ModelError(f"unknown field {name!r} in `{place}`")
