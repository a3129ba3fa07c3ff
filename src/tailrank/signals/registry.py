"""The signals that there are, in the order in which fusion weighs them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from typing import Any, Final

from tailrank import plugins
from tailrank.errors import ModelError
from tailrank.reporting import Progress
from tailrank.signals.base import Signal
from tailrank.signals.covisitation import CoVisitation, ItemKNN
from tailrank.signals.knowledge import Knowledge
from tailrank.signals.lexical import Lexical
from tailrank.signals.popularity import Popularity
from tailrank.signals.repetition import Frequency, RelativeFrequency
from tailrank.signals.semantic import SemanticAttention
from tailrank.signals.sequence.signal import SequenceSignal
from tailrank.signals.taste import PopularityTaste
from tailrank.signals.taught import Taught
from tailrank.signals.training_data import TrainingData

SIGNALS: Final[dict[str, type[Any]]] = {
    "attention": SemanticAttention,
    "lexical": Lexical,
    "knowledge": Knowledge,
    "taught": Taught,
    "covisitation": CoVisitation,
    "item-knn": ItemKNN,
    "frequency": Frequency,
    "relative-frequency": RelativeFrequency,
    "popularity": Popularity,
    "taste": PopularityTaste,
    "sequence": SequenceSignal,
}
"""Classes of signals by their type, as model folders name it; installed packages add to them."""


def signal_types() -> dict[str, type[Any]]:
    """List all classes of signals by their type: ours, then those of installed packages."""
    others = plugins.plugged_names(plugins.SIGNALS)
    return SIGNALS | {name: signal_type(name) for name in others if name not in SIGNALS}


def signal_type(name: str) -> type[Any]:
    """Find a class of signals by its type.

    Raises
    ------
    ModelError
        If there is none of that name.
    """
    found: type[Any] | None = SIGNALS.get(name) or plugins.plugged(plugins.SIGNALS, name)
    if found is None:
        raise ModelError(
            f"no signal is of the type {name!r}: there are {', '.join(signal_types())}; if a package "
            "brought it, install that"
        )
    return found


def fit_signals(data: TrainingData) -> tuple[Signal, ...]:
    """Fit every signal that the data have a use for on the events before validation."""
    types = signal_types()
    found = _told("fitting signals", types, data.progress)
    return tuple(chain.from_iterable(types[name].fit(data) for name in found))


def refit_signals(signals: Iterable[Signal], data: TrainingData) -> tuple[Signal, ...]:
    """Fit signals anew on all events of training; they stay as they are if there are no more than before."""
    if data.split.full_train is data.split.train:
        return tuple(signals)
    by_name = {signal.name: signal for signal in signals}
    found = _told("fitting signals on all events", by_name, data.progress)
    return tuple(by_name[name].refit(data) for name in found)


def _told(task: str, names: Collection[str], progress: Progress) -> Iterator[str]:
    """Give names one by one, and tell which of them is under way."""
    for done, name in enumerate(names):
        progress(task, done, len(names), name)
        yield name
    progress(task, len(names), len(names))


def type_of(signal: Signal) -> str:
    """Name the type of a signal, a key of `signal_types`."""
    ours = (name for name, kind in SIGNALS.items() if type(signal) is kind)
    return next(ours, None) or next(name for name, kind in signal_types().items() if type(signal) is kind)
