"""One version of a model, as its folder in a registry says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tailrank.errors import ModelError
from tailrank.folders import MANIFEST
from tailrank.ranking.manifest import Manifest
from tailrank.ranking.storage import model_manifest

NAMED: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{12}")
"""Names of versions: when they came, and the start of the manifest's sha256."""

_MOMENT: Final = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Version:
    """A version of a model.

    Attributes
    ----------
    folder
        Its model folder, whose name is the version's.
    manifest
        What it says of itself; None if that is damaged.
    damage
        What is wrong with the manifest, or nothing.
    """

    folder: Path
    manifest: Manifest | None
    damage: str = ""

    @classmethod
    def read(cls, folder: Path) -> Version:
        """Read a version; one whose manifest is damaged is one, too."""
        try:
            return cls(folder, model_manifest(folder))
        except ModelError as why:
            return cls(folder, None, str(why))

    @property
    def name(self) -> str:
        """Name of the version."""
        return self.folder.name

    @property
    def made(self) -> datetime:
        """When it came into the registry."""
        return datetime.strptime(self.name.partition("-")[0], _MOMENT).replace(tzinfo=UTC)

    @property
    def about(self) -> Mapping[str, Any]:
        """What its trainer noted."""
        return {} if self.manifest is None else self.manifest.about

    @property
    def gate(self) -> Mapping[str, Any] | None:
        """How it did at the gate, as `retrain` logs it; None if it didn't come through one."""
        found = self.about.get("metrics")
        return found if isinstance(found, dict) and "passed" in found else None

    @property
    def refused(self) -> bool:
        """Whether the gate refused it."""
        return self.gate is not None and not self.gate["passed"]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file in self.folder.iterdir())


def version_folders(registry: Path) -> list[Path]:
    """List the folders of versions, the latest first."""
    found = registry.iterdir() if registry.is_dir() else ()
    named = [path for path in found if NAMED.fullmatch(path.name) and (path / MANIFEST).is_file()]
    return sorted(named, reverse=True)


def next_name(registry: Path, model: Path) -> str:
    """Name the version that a model folder becomes: later than all others, even if the clock was set back."""
    moment = datetime.now(UTC)
    for latest in version_folders(registry)[:1]:
        moment = max(moment, Version(latest, None).made + timedelta(seconds=1))
    return f"{moment:{_MOMENT}}-{model_manifest(model).sha256[:12]}"
