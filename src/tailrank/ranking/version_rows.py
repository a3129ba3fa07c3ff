"""What a list of versions says of each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tailrank.ranking.registry import Registry
from tailrank.ranking.versions import Version


def version_row(registry: Registry, version: Version) -> dict[str, Any]:
    """Say of a version how it stands, when it was made from what, how it did at the gate, and its size."""
    status = {registry.before: "before", registry.serving: "serves"}.get(version.name)
    until = version.about.get("learned_until")
    moment = None if until is None else datetime.fromtimestamp(until, UTC).isoformat(" ", "seconds")
    return {
        "version": version.name,
        "status": status or ("damaged" if version.damage else "refused" if version.refused else ""),
        "made": version.made.isoformat(),
        "data": version.about.get("data"),
        "learned_until": moment,
        "gate": version.gate,
        "bytes": version.size,
    }
