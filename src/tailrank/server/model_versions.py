"""The versions of the model that serves, if its folder is one of a registry."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from tailrank.api_live import ModelVersion, ModelVersions
from tailrank.errors import RequestError
from tailrank.ranking.registry import Registry
from tailrank.ranking.version_rows import version_row

UNVERSIONED: Final = (
    "The model is a folder of its own, without versions: take it into a registry by `tailrank models promote "
    "MODELS MODEL`, and start the server with --model MODELS/current."
)


async def model_versions(model: Path) -> ModelVersions:
    """List the versions.

    Raises
    ------
    RequestError
        If the model has none.
    ModelError
        If they can't be read.
    """
    return await asyncio.to_thread(_listed, _registry(model))


async def promote(model: Path, version: str) -> ModelVersions:
    """Let a version serve, by its whole name; raises as `Registry.promote` and `model_versions` do."""
    registry = _registry(model)
    await asyncio.to_thread(_promote, registry, version)
    return await model_versions(model)


async def roll_back(model: Path) -> ModelVersions:
    """Let the version serve that served before; raises as `Registry.rollback` and `model_versions` do."""
    await asyncio.to_thread(_registry(model).rollback)
    return await model_versions(model)


def _listed(registry: Registry) -> ModelVersions:
    return ModelVersions([ModelVersion(**version_row(registry, each)) for each in registry.versions()])


def _promote(registry: Registry, version: str) -> None:
    if version not in {each.name for each in registry.versions()}:
        raise RequestError(f"version: there is none called {version[:40]!r}: GET /v1/models names them")
    registry.promote(version)


def _registry(model: Path) -> Registry:
    found = Registry.of(model)
    if found is None:
        raise RequestError(UNVERSIONED)
    return found
