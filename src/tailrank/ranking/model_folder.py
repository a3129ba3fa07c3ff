"""What was fitted as a model folder, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from tailrank.errors import ModelError, TailrankError
from tailrank.language.vectors import EncoderIdentity, VectorSpace
from tailrank.language.whitening import Whitening
from tailrank.policy.registry import described, from_description
from tailrank.ranking.catalogue import Catalogue
from tailrank.ranking.fitted import Fitted
from tailrank.ranking.fusion import Fusion
from tailrank.ranking.settings import Settings
from tailrank.ranking.storage import read_model, write_model
from tailrank.signals.base import Arrays
from tailrank.signals.registry import SIGNALS, type_of


def write_fitted(fitted: Fitted, folder: Path) -> None:
    """Write a model folder, as `Reranker.save` does."""
    catalogue, spaces = fitted.catalogue, fitted.spaces
    parts = {signal.name: signal.arrays() for signal in fitted.signals}
    parts |= {"fusion": fitted.fusion.arrays(), "items": {"counts": catalogue.counts}}
    parts |= {f"space {name}": vars(s.whitening) for name, s in spaces.items() if s.whitening is not None}
    arrays = {f"{part}/{name}": array for part, inner in parts.items() for name, array in inner.items()}
    description = {
        "signals": {signal.name: type_of(signal) for signal in fitted.signals},
        "spaces": {
            name: {"encoder": None if s.encoder is None else asdict(s.encoder), "width": s.width}
            for name, s in spaces.items()
        },
        "event_types": list(catalogue.event_types),
        "clock": catalogue.clock,
        "changed": dict(catalogue.changed),
        "policy": described(fitted.policy),
        "upstream": dict(fitted.upstream),
        "settings": asdict(fitted.settings),
        "about": dict(fitted.about),
    }
    write_model(folder, catalogue.items, arrays, description)


def read_fitted(folder: Path) -> Fitted:
    """Read a model folder, as `Reranker.load` does."""
    items, arrays, manifest = read_model(folder)
    try:
        return _fitted(items, arrays, manifest)
    except (KeyError, TypeError, ValueError, TailrankError) as error:
        raise ModelError(
            f"{folder}: holds what this version doesn't know ({error!r}): train it again with this version"
        ) from None


def _fitted(items: pl.DataFrame, arrays: Arrays, manifest: Mapping[str, Any]) -> Fitted:
    types, clock, changed = (manifest[name] for name in ("event_types", "clock", "changed"))
    signals: Mapping[str, str] = manifest["signals"]
    return Fitted(
        Catalogue.from_items(items, _part(arrays, "items")["counts"], tuple(types), clock, changed),
        tuple(SIGNALS[kind].from_arrays(_part(arrays, name)) for name, kind in signals.items()),
        Fusion.from_arrays(tuple(signals), _part(arrays, "fusion")),
        from_description(manifest["policy"]),
        Settings(**manifest["settings"]),
        {name: _space(_part(arrays, f"space {name}"), **rest) for name, rest in manifest["spaces"].items()},
        manifest["upstream"],
        manifest["about"],
    )


def _part(arrays: Arrays, name: str) -> Arrays:
    prefix = f"{name}/"
    return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}


def _space(whitening: Arrays, encoder: Mapping[str, Any] | None, width: int) -> VectorSpace:
    identity = None if encoder is None else EncoderIdentity(**encoder)
    return VectorSpace(identity, Whitening(**whitening) if whitening else None, width)
