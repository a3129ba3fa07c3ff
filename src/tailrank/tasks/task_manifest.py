"""What the manifest of a task's folder says."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from tailrank.language.vectors import EncoderIdentity

FORMAT: Final = "tailrank task 1"

Sha256: TypeAlias = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class StoredWords(Struct, frozen=True, forbid_unknown_fields=True):
    """What the manifest says of the head that reads words."""

    share: Annotated[float, Meta(gt=0, le=1e6)]
    arrays: Sha256


class TaskManifest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What the manifest says, checked field by field before anything is made of it."""

    format: Literal["tailrank task 1"]
    packages: dict[str, str]
    kind: str
    labels: Annotated[tuple[str, ...], Meta(min_length=1)]
    encoder: EncoderIdentity
    tuned: bool
    temperature: Annotated[float, Meta(gt=0, le=1e6)]
    threshold: float | None
    arrays: Sha256
    about: dict[str, Any]
    words: StoredWords | None = None
