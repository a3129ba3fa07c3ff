"""What was fitted as a model folder, and back; nothing of a folder is used before it has been checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from tailrank.arrays import Offsets
from tailrank.errors import ModelError, TailrankError
from tailrank.folders import MANIFEST
from tailrank.language.text import item_texts
from tailrank.language.vectors import VectorSpace
from tailrank.language.whitening import Whitening
from tailrank.policy.registry import described, from_description
from tailrank.ranking.catalogue import Catalogue
from tailrank.ranking.fitted import Fitted
from tailrank.ranking.fusion import Fusion
from tailrank.ranking.manifest import SpaceDescription
from tailrank.ranking.storage import StoredModel, read_model, write_model
from tailrank.signals.base import Arrays, Signal
from tailrank.signals.registry import signal_type, type_of
from tailrank.signals.semantic import SemanticAttention
from tailrank.signals.sequence.model import SequenceModel
from tailrank.signals.stored import StoredArrays

MOST_EVENTS: Final = 10**15
"""Of an item, in a model folder."""

STEEPEST: Final = 1e12
"""Largest number of a whitening's matrix: vectors of very little spread are scaled up."""


def write_fitted(fitted: Fitted, folder: Path) -> None:
    """Write a model folder, as `Reranker.save` does."""
    catalogue = fitted.catalogue
    description = {
        "signals": {signal.name: type_of(signal) for signal in fitted.signals},
        "spaces": {name: _described(space) for name, space in fitted.spaces.items()},
        "event_types": list(catalogue.event_types),
        "clock": catalogue.clock,
        "changed": dict(catalogue.changed),
        "columns": dict(catalogue.attributes.later),
        "as_of": fitted.as_of,
        "policy": described(fitted.policy),
        "upstream": dict(fitted.upstream),
        "settings": asdict(fitted.settings),
        "about": dict(fitted.about),
    }
    write_model(folder, catalogue.items, _arrays(fitted), description)


def read_fitted(folder: Path, copies: Path | None = None) -> tuple[Fitted, str]:
    """Read a model folder, as `Reranker.load` does; returns the sha256 of its manifest, too.

    `copies` is as in `read_model`.
    """
    stored = read_model(folder, copies)
    try:
        return _fitted(stored), stored.manifest.sha256
    except TailrankError as error:
        raise ModelError(
            f"{folder}: holds what this version doesn't know ({error}): train it again with this version"
        ) from None


def _arrays(fitted: Fitted) -> Arrays:
    """Give everything numeric, by the names that it is stored under."""
    parts = {signal.name: signal.arrays() for signal in fitted.signals}
    parts |= {"fusion": fitted.fusion.arrays(), "items": {"counts": fitted.catalogue.counts}}
    whitenings = {name: space.whitening for name, space in fitted.spaces.items()}
    parts |= {_space_part(name): vars(found) for name, found in whitenings.items() if found is not None}
    return {f"{part}/{name}": array for part, inner in parts.items() for name, array in inner.items()}


def _fitted(stored: StoredModel) -> Fitted:
    """Make of a stored model what ranks."""
    manifest, arrays = stored.manifest, StoredArrays(stored.arrays, place=f"{stored.arrays_file.name}: ")
    counts = arrays.part("items").offsets("counts", None, largest=MOST_EVENTS)
    arrays = replace(arrays, n_items=len(counts), n_types=len(manifest.event_types))
    spaces = {name: _space(name, about, arrays) for name, about in manifest.spaces.items()}
    fitted = Fitted(
        _catalogue(stored, counts),
        tuple(_signal(name, kind, arrays, spaces) for name, kind in manifest.signals.items()),
        Fusion.from_arrays(tuple(manifest.signals), arrays.part("fusion")),
        from_description(manifest.policy),
        manifest.settings,
        spaces,
        manifest.upstream,
        manifest.about,
        manifest.as_of,
    )
    for template in (manifest.settings.template, *(s.encoder.template for s in spaces.values() if s.encoder)):
        item_texts(stored.items.clear(), template)
    if unknown := stored.arrays.keys() - _arrays(fitted).keys():
        raise arrays.error(min(unknown), "of nothing that the manifest names")
    return fitted


def _catalogue(stored: StoredModel, counts: Offsets) -> Catalogue:
    """Make the catalogue; items that came later follow those of training."""
    manifest, n_trained = stored.manifest, len(stored.items)
    changed = manifest.changed
    found = Catalogue.from_items(
        stored.items, counts, manifest.event_types, manifest.clock, changed, manifest.columns
    )
    later = [code for code in changed.values() if code >= 0]
    possible = len(set(later)) == len(later) and all(n_trained <= code < len(counts) for code in later)
    if (
        len(counts) < n_trained
        or not possible
        or not all(name in found.trained for name, code in changed.items() if code < 0)
    ):
        raise ModelError(
            f"{MANIFEST}: `changed` doesn't fit {n_trained} items, {len(counts)} with later ones"
        )
    return found


def _signal(name: str, kind: str, arrays: StoredArrays, spaces: Mapping[str, VectorSpace]) -> Signal:
    """Make a signal, which must bear its name and, if it compares vectors, have a space of their width."""
    try:
        found = signal_type(kind)
    except ModelError as error:
        raise ModelError(f"{MANIFEST}: {error}") from None
    part = arrays.part(name)
    signal: Signal = found.from_arrays(part)
    if signal.name != name:
        raise part.error("space", f"belongs to a signal called {signal.name!r}")
    compared = dict[str, int]()
    if isinstance(signal, SemanticAttention):
        compared[signal.space] = signal.vectors.width
    elif isinstance(signal, SequenceModel) and signal.map is not None:
        compared[signal.space] = len(signal.map)
    for space, width in compared.items():
        if space not in spaces or spaces[space].dimensions != width:
            raise part.error("space", f"the manifest names no space {space!r} of {width} dimensions")
    return signal


def _space(name: str, about: SpaceDescription, arrays: StoredArrays) -> VectorSpace:
    """Make a vector space; its arrays are those of the whitening, or none."""
    part = arrays.part(_space_part(name))
    if not part.arrays:
        return VectorSpace(about.encoder, None, about.width, about.column)
    mean = part.floats("mean", about.width)
    matrix = part.floats("matrix", about.width, None, least=-STEEPEST, largest=STEEPEST)
    return VectorSpace(about.encoder, Whitening(mean, matrix), about.width, about.column)


def _described(space: VectorSpace) -> dict[str, object]:
    """Describe a space; without a column, just as earlier versions did, which read it."""
    about: dict[str, object] = {
        "encoder": None if space.encoder is None else asdict(space.encoder),
        "width": space.width,
    }
    return about if space.column is None else about | {"column": asdict(space.column)}


def _space_part(name: str) -> str:
    return f"space {name}"
