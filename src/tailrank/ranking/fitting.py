"""How a model is fitted: signals with and without the latest events, then fusion on those events."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

from tailrank.data.dataset import Dataset
from tailrank.data.histories import Queries
from tailrank.data.splits import Split, hold_out
from tailrank.errors import DataError, RequestError
from tailrank.language.text import default_template, item_texts, template_columns
from tailrank.language.vectors import ItemVectors, VectorSpace
from tailrank.policy.registry import POLICIES
from tailrank.policy.tail import TailBoost
from tailrank.processes import joined
from tailrank.ranking.catalogue import Catalogue
from tailrank.ranking.fitted import Fitted
from tailrank.ranking.sequence_plan import SequencePlan, outcome, plan_sequence
from tailrank.ranking.settings import Settings
from tailrank.ranking.weighing import halves, learn_weights
from tailrank.reporting import Progress, silent, step
from tailrank.running import Run, run_here
from tailrank.signals.base import Signal
from tailrank.signals.out_of_core import OutOfCore
from tailrank.signals.registry import SIGNALS, fit_signals, refit_signals
from tailrank.signals.sequence.signal import SequenceSignal
from tailrank.signals.training_data import TrainingData

Vectors: TypeAlias = ItemVectors | Mapping[str, ItemVectors] | None
"""Of one vector space, which is called `semantic`, or of several by their names."""

SPACE_NAME: Final = re.compile(r"[\w.-]+")

RESERVED_NAMES: Final = {"base", "fusion", "items", "upstream", *SIGNALS, *POLICIES}
"""Names that mean something else in explanations or model folders."""

CELLS: Final = 120_000_000
"""Scores of validation queries times items that fitting computes at most, for each signal."""


@dataclass(frozen=True)
class FittedSignals:
    """Signals as fusion learns to weigh them: fitted without the validation targets.

    Attributes
    ----------
    before
        Fitted on `Split.train`.
    data
        What they are fitted on, and those that stay are fitted on again.
    spaces
        The vector spaces that they use.
    plan
        Of the sequence model.
    """

    before: tuple[Signal, ...]
    data: TrainingData
    spaces: Mapping[str, VectorSpace]
    plan: SequencePlan


def fit(
    data: Dataset | Split,
    vectors: Vectors,
    settings: Settings | None = None,
    progress: Progress = silent,
    checkpoint: Path | None = None,
    counting: OutOfCore | None = None,
    run: Run = run_here,
) -> Fitted:
    """Fit signals, then fusion; the parameters are those of `Reranker.fit`."""
    split = data if isinstance(data, Split) else hold_out(data)
    settings = with_template(settings or Settings(), split.train)
    return fuse(fit_before(split, vectors, settings, progress, checkpoint, counting, run), settings)


def fit_before(
    split: Split,
    vectors: Vectors,
    settings: Settings,
    progress: Progress = silent,
    checkpoint: Path | None = None,
    counting: OutOfCore | None = None,
    run: Run = run_here,
) -> FittedSignals:
    """Fit every signal on what came before validation, and choose its settings there.

    Parameters
    ----------
    split
        Signals learn from `train` and are checked on `validation`.
    vectors
        One vector an item in each space; None leaves the semantic signal out.
    settings
        How to fit.
    progress
        Called with the epochs of the sequence model that are done.
    checkpoint
        File in which that training notes how far it is, and continues from after an interruption; see
        `checkpoint_files`.
    counting
        Counts pairs of items in bounded memory; None counts all at once.
    run
        As of `TrainingData`.

    Raises
    ------
    DataError
        If nothing can be learned from, or there isn't one vector an item.
    RequestError
        If a vector space can't have its name, or the sequence model is wanted and torch is missing.
    ModelError
        If its training diverges, or the checkpoint can't be used.
    """
    named, items = _named(vectors), split.train.items
    for name, given in named.items():
        if given.column is not None and given.column.name in template_columns(settings.template or ""):
            raise RequestError(
                f"the template reads `{given.column.name}`, which the space {name!r} comes from: leave it out"
            )
        if len(given) != len(items):
            raise DataError(f"{split.train.name}: {len(given)} vectors for {len(items)} items: give one each")
    with step(progress, "whitening vectors"):
        spaces = {name: given.space(settings.dimensions) for name, given in named.items()}
        vectors_of = {name: space.transform(named[name].values) for name, space in spaces.items()}
    data = TrainingData(
        split,
        validation_sample(split, settings),
        item_texts(items, settings.template),
        vectors_of,
        settings.max_history,
        settings.seed,
        _known_only(split, spaces),
        sequence_debias=settings.debias,
        progress=progress,
        checkpoint=checkpoint,
        counting=counting,
        run=run,
    )
    plan = plan_sequence(data, settings)
    # What a trial is decided by may not have decided before when training stopped.
    early = data.validation.take(halves(split, data.validation)[0]) if plan.on_trial else None
    data = replace(data, sequence_epochs=plan.epochs, sequence_seconds=plan.seconds, stopping=early)
    return FittedSignals(fit_signals(data), data, spaces, plan)


def fuse(signals: FittedSignals, settings: Settings) -> Fitted:
    """Weigh signals on validation queries, and fit those that stay on all events.

    Raises
    ------
    ModelError
        If training the sequence model diverges, or its checkpoint can't be used.
    """
    data, plan = signals.data, signals.plan
    on_trial = SequenceSignal.name if plan.on_trial else None
    given = data.split, data.validation, signals.before, data.texts, settings, on_trial, data.progress
    fusion, trial = learn_weights(*given, data.counting, data.run)
    _check_agreement(SequenceSignal.name in fusion.signals)
    kept = refit_signals([signal for signal in signals.before if signal.name in fusion.signals], data)
    train = data.split.full_train
    items = train.items.drop(space.column.name for space in signals.spaces.values() if space.column)
    catalogue = Catalogue.from_items(items, train.counts, train.event_types, train.clock)
    policy = (TailBoost(settings.tail or 0.0),)
    about = {"sequence": outcome(plan, trial, signals.before)}
    return Fitted(catalogue, kept, fusion, policy, settings, signals.spaces, about=about, as_of=train.read_at)


def _check_agreement(kept: bool) -> None:
    """Refuse to train on if others don't: each process of torchrun has judged by its own arithmetic.

    Raises
    ------
    RequestError
        If the first process judged otherwise.
    """
    if joined().agreed(kept) != kept:
        raise RequestError(
            "torchrun: this process and the first one disagree whether the sequence model pays: "
            "start them on machines of one kind"
        )


def _known_only(split: Split, spaces: Mapping[str, VectorSpace]) -> list[str]:
    """Name the spaces of `TrainingData.known_only`; none if no other space places new items.

    Vectors that aren't whitened are those that learned from behaviour (`ItemVectors.whiten`). Those of a
    column place no item that brings none.
    """
    learned = [name for name, space in spaces.items() if space.whitening is None]
    others = [name for name, space in spaces.items() if space.whitening is not None and space.column is None]
    return learned if split.least_count and others else []


def _named(vectors: Vectors) -> Mapping[str, ItemVectors]:
    """Name the spaces, and check their names: signals, explanations and model folders go by them.

    Raises
    ------
    RequestError
        On a name that can't be one, or vectors that are no `ItemVectors`.
    """
    named = {"semantic": vectors} if isinstance(vectors, ItemVectors) else {} if vectors is None else vectors
    if not isinstance(named, Mapping) or not all(isinstance(v, ItemVectors) for v in named.values()):
        raise RequestError("vectors must be ItemVectors, or a dict of them by the names of their spaces")
    for name in named:
        check_space_name(name)
    columns = [given.column.name for given in named.values() if given.column is not None]
    if len(set(columns)) < len(columns):  # a new item's could not be told apart
        raise RequestError("two vector spaces come from one column of items: give each a column of its own")
    return named


def check_space_name(name: str) -> None:
    """Refuse a name that a vector space can't have.

    Raises
    ------
    RequestError
        On one with other signs than letters, digits, '-', '_' and '.', or that means something else.
    """
    if not isinstance(name, str) or not SPACE_NAME.fullmatch(name) or name in RESERVED_NAMES:
        raise RequestError(
            f"a vector space can't be called {name!r}: use letters, digits, '-', '_' and '.', "
            f"and none of {', '.join(sorted(RESERVED_NAMES))}"
        )


def with_template(settings: Settings, dataset: Dataset) -> Settings:
    """Settle how item texts are written, so that new items are written the same way."""
    return replace(settings, template=settings.template or default_template(dataset.items))


def validation_sample(split: Split, settings: Settings) -> Queries:
    """Draw the validation queries that are learned from, in time order if times are comparable.

    Raises
    ------
    DataError
        If there is none.
    """
    enough = min(settings.queries, max(1, CELLS // split.full_train.n_items))
    validation = split.validation.sample(enough, settings.seed)
    if not len(validation):
        name = split.full_train.name
        raise DataError(f"{name}: no query to learn fusion from under the protocol {split.protocol}")
    return validation.in_time_order() if split.train.clock == "timestamp" else validation
