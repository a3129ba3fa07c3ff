"""A `Reranker` as a model folder, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tailrank.language.whitening import Whitening
from tailrank.ranking.catalogue import Catalogue
from tailrank.ranking.fitting import Settings
from tailrank.ranking.fusion import Fusion
from tailrank.ranking.storage import read_model, write_model
from tailrank.signals.base import Arrays, Signal
from tailrank.signals.covisitation import CoVisitation, ItemKNN
from tailrank.signals.lexical import Lexical
from tailrank.signals.popularity import Popularity
from tailrank.signals.repetition import Frequency, RelativeFrequency
from tailrank.signals.semantic import SemanticAttention, TunedAttention
from tailrank.signals.sequence.model import SequenceModel

if TYPE_CHECKING:
    from tailrank.ranking.reranker import Reranker

SIGNALS: Final[dict[str, type[Signal]]] = {
    signal.name: signal
    for signal in (
        SemanticAttention,
        TunedAttention,
        Lexical,
        SequenceModel,
        Frequency,
        RelativeFrequency,
        CoVisitation,
        ItemKNN,
        Popularity,
    )
}
"""Every signal that a model folder may hold."""


def write_reranker(reranker: Reranker, folder: Path, about: Mapping[str, object] | None) -> None:
    """Write a model folder, as `Reranker.save` does."""
    parts = {signal.name: signal.arrays() for signal in reranker.signals}
    parts |= {"fusion": reranker.fusion.arrays(), "items": {"counts": reranker.catalogue.counts}}
    parts |= {} if reranker.whitening is None else {"whitening": vars(reranker.whitening)}
    arrays = {f"{part}/{name}": array for part, inner in parts.items() for name, array in inner.items()}
    description = {
        "signals": [signal.name for signal in reranker.signals],
        "event_types": list(reranker.catalogue.event_types),
        "clock": reranker.catalogue.clock,
        "changed": dict(reranker.catalogue.changed),
        "tail": reranker.tail,
        "upstream": dict(reranker.upstream),
        "settings": asdict(reranker.settings),
        "about": dict(reranker.about if about is None else about),
    }
    write_model(folder, reranker.catalogue.items, arrays, description)


def read_fields(folder: Path) -> dict[str, Any]:
    """Read the fields of a `Reranker`, as `Reranker.load` does."""
    items, arrays, manifest = read_model(folder)

    def part(name: str) -> Arrays:
        prefix = f"{name}/"
        return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}

    names, whitening = tuple(manifest["signals"]), part("whitening")
    types, clock, changed = (manifest[name] for name in ("event_types", "clock", "changed"))
    return {
        "catalogue": Catalogue.of(items, part("items")["counts"], tuple(types), clock, changed),
        "signals": tuple(SIGNALS[name].from_arrays(part(name)) for name in names),
        "fusion": Fusion.from_arrays(names, part("fusion")),
        "tail": float(manifest["tail"]),
        "settings": Settings(**manifest["settings"]),
        "upstream": manifest["upstream"],
        "whitening": Whitening(**whitening) if whitening else None,
        "about": manifest["about"],
    }
