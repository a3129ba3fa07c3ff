"""`tailrank models`: versions of a model, and which of them serves."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tailrank.errors import ModelError
from tailrank.folders import MANIFEST, MODEL, VERSIONS, check_kind, kind_of
from tailrank.ranking.registry import CURRENT, Registry
from tailrank.ranking.version_rows import version_row
from tailrank.ranking.versions import version_folders

app = typer.Typer(
    no_args_is_help=True,
    help="Versions of a model: list them, promote one, roll back to the one before.",
)
Models = Annotated[Path, typer.Argument(help="Folder of versions, with a link `current` to one of them.")]


@app.command("list")
def list_(
    models: Models, as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False
) -> None:
    """List the versions, the latest first, and say which one serves."""
    registry = _registry(models)
    rows = [version_row(registry, version) for version in registry.versions()]
    if as_json:
        typer.echo(json.dumps({"models": str(models), "versions": rows}))
        return
    table = Table("version", "", "data", "learned until", "ndcg@10", "was", "MB", box=SIMPLE_HEAD)
    for row in rows:
        gate = row["gate"] or {}
        ndcg = [f"{gate[name]:.4f}" if gate else "" for name in ("candidate", "current")]
        cells = [row["version"], row["status"], row["data"], row["learned_until"], *ndcg]
        table.add_row(*(escape(cell or "") for cell in cells), f"{row['bytes'] / 1e6:.1f}")
    Console().print(table)


@app.command()
def show(
    models: Models,
    version: Annotated[
        str | None, typer.Argument(help="Its name, or a part of it; else the one that serves.")
    ] = None,
) -> None:
    """Print as JSON what a version is: how it did at the gate, settings, signals, and what was noted."""
    registry = _registry(models)
    found = registry.find(version or registry.serving or "")
    if found.manifest is None:
        raise ModelError(found.damage)
    manifest = found.manifest
    parts = {name: getattr(manifest, name) for name in ("signals", "upstream", "policy", "packages", "about")}
    shown = version_row(registry, found) | {"settings": asdict(manifest.settings)} | parts
    typer.echo(json.dumps(shown, indent=2))


@app.command()
def promote(
    models: Models,
    version: Annotated[
        str, typer.Argument(help="Its name, or a part of it; or a model folder, of which a copy is taken in.")
    ],
) -> None:
    """Let a version serve, after it was read and has ranked; servers take it up at once."""
    registry, folder = _registry(models), Path(version).resolve()
    if (folder / MANIFEST).is_file() and folder not in version_folders(models.resolve()):
        name = registry.copy(folder)
    else:
        name = registry.find(folder.name).name
    registry.promote(name)
    _say(registry, name)


@app.command()
def rollback(models: Models) -> None:
    """Let the version serve again that served before; once more goes back one more."""
    registry = _registry(models)
    _say(registry, registry.rollback())


def _registry(models: Path) -> Registry:
    if kind_of(models) == MODEL:
        raise ModelError(f"{models}: a model, not the folder of its versions: give the folder above")
    check_kind(models, VERSIONS, ModelError)
    return Registry(models)


def _say(registry: Registry, name: str) -> None:
    before = f"; before: {registry.before}" if registry.before else ""
    typer.echo(f"{registry.folder / CURRENT}: {name} serves{before}")
