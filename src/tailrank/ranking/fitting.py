"""How a `Reranker` is fitted: signals with and without the latest events, then fusion on those events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple, get_args

import numpy as np

from tailrank.arrays import Floats
from tailrank.data.histories import Queries
from tailrank.data.splits import Split
from tailrank.errors import DataError, RequestError
from tailrank.language.text import item_texts
from tailrank.language.whitening import Whitening
from tailrank.metrics.popularity import count_buckets
from tailrank.policy.long_tail import check_dial, rarity
from tailrank.ranking.fusion import Fusion, Loss
from tailrank.ranking.sampled_candidates import draw_candidates
from tailrank.ranking.tail_strength import affordable_dial
from tailrank.reporting import Progress, silent
from tailrank.signals.base import Signal
from tailrank.signals.covisitation import CoVisitation, ItemKNN
from tailrank.signals.lexical import Lexical
from tailrank.signals.popularity import Popularity, best_half_life
from tailrank.signals.recency_decay import Fading, with_best_recency_decay
from tailrank.signals.repetition import Frequency, RelativeFrequency
from tailrank.signals.semantic import SemanticAttention, TunedAttention
from tailrank.signals.sequence.config import SASRecConfig
from tailrank.signals.sequence.model import SequenceModel

CELLS: Final = 120_000_000
"""Scores of validation queries times items that fitting computes at most, for each signal."""

DECAY_QUERIES: Final = 1_000

PUSH_QUERIES: Final = 200
"""Validation queries from which on the long tail is pushed unasked."""


@dataclass(frozen=True)
class Settings:
    """How to fit.

    Attributes
    ----------
    dimensions
        Whitened dimensions kept of the language model's vectors.
    max_history
        Latest events that a ranking looks at.
    queries
        Validation queries that fusion learns from, at most; fewer for catalogues above 20,000 items.
    loss
        Listwise softmax, or binary cross-entropy.
    shrinkage
        Pull of fusion's buckets toward the shared weights.
    tail
        Dial of the long-tail policy, 0 to 1; None chooses the highest that `tail_cost` affords, or 0
        where fewer than 200 queries could tell.
    tail_cost
        Share of ndcg@10 on validation that a dial chosen by itself may give up.
    upstream_weight
        Weight of the caller's own scores, standardised within the list.
    template
        Item text, such as "{title}. {genres}"; by default all text columns.
    seed
        Of every sample drawn.
    sequence_epochs
        Epochs that the sequence model is trained for, at most; 0 leaves it out. Training needs torch.

    Raises
    ------
    RequestError
        On an unknown loss, a number that must be positive and is not, a negative number of epochs, or a
        dial or a share outside 0 to 1.
    """

    dimensions: int = 256
    max_history: int = 50
    queries: int = 6_000
    loss: Loss = "listwise"
    shrinkage: float = 1.0
    tail: float | None = None
    tail_cost: float = 0.01
    upstream_weight: float = 1.0
    template: str | None = None
    seed: int = 0
    sequence_epochs: int = 0

    def __post_init__(self) -> None:
        if self.loss not in get_args(Loss):
            raise RequestError(f"loss must be one of {', '.join(get_args(Loss))}, not {self.loss!r}")
        if min(self.dimensions, self.max_history, self.queries) < 1 or self.shrinkage <= 0:
            raise RequestError("dimensions, max_history, queries and shrinkage must be above 0")
        if self.sequence_epochs < 0:
            raise RequestError("sequence_epochs must be at least 0")
        if not 0 <= self.tail_cost <= 1:
            raise RequestError(f"tail_cost is a share from 0 to 1, not {self.tail_cost:g}")
        check_dial(self.tail or 0)


class Signals(NamedTuple):
    """The same signals twice: as fusion learns to weigh them, and as they rank.

    Attributes
    ----------
    before
        Fitted on `Split.train`, so that the validation targets are new to them.
    after
        Fitted on `Split.full_train`.
    whitening
        Of the vectors that both were given; None without vectors.
    """

    before: tuple[Signal, ...]
    after: tuple[Signal, ...]
    whitening: Whitening | None = None


class Weighing(NamedTuple):
    """How signals are weighed: the fusion, and the dial of the long-tail policy."""

    fusion: Fusion
    tail: float


def fit_signals(
    split: Split,
    vectors: Floats | None,
    settings: Settings,
    progress: Progress = silent,
    checkpoint: Path | None = None,
    tuned: Floats | None = None,
) -> Signals:
    """Fit every signal on what came before validation, choose its settings there, and fit it on all.

    Parameters
    ----------
    split
        Signals learn from `train` and are checked on `validation`; what is kept learns from `past`.
    vectors
        The encoder's vectors, shape (items, d); None leaves the semantic signal out.
    settings
        How to fit.
    progress
        Is told how far the training of the sequence model is.
    checkpoint
        Where that training notes how far it is, and goes on from after an interruption: see
        `checkpoint_files`.
    tuned
        Vectors of a fine-tuned encoder, shape (items, dimensions), as a second semantic signal; they are
        not whitened again.

    Raises
    ------
    DataError
        Where nothing can be learned from, or there isn't one vector an item.
    RequestError
        Where the sequence model is wanted and torch is missing.
    ModelError
        Where its training diverges, or the checkpoint can't be used.
    """
    train, past, validation = split.train, split.full_train, validation_sample(split, settings)
    for given in (vectors, tuned):
        if given is not None and len(given) != past.n_items:
            raise DataError(f"{past.name}: {len(given)} vectors for {past.n_items} items: give one each")
    some = validation.sample(DECAY_QUERIES, settings.seed)

    def faded(signal: Fading, prior: Floats | None = None) -> Fading:
        return with_best_recency_decay(signal, some, past.n_items, settings.max_history, split.repeats, prior)

    unchanging: list[Signal] = [faded(Lexical.fit(item_texts(train.items, settings.template)))]
    white, whitening, n_types = None, None, len(train.event_types)
    if tuned is not None:
        unchanging.insert(0, TunedAttention.fit(tuned, n_types, validation, settings.seed))
    if vectors is not None:
        whitening = _whitening(vectors, settings)
        white = whitening.transform(vectors)
        unchanging.insert(0, SemanticAttention.fit(white, n_types, validation, settings.seed))
    half_life = best_half_life(train, validation)
    counting: list[CoVisitation | ItemKNN | Frequency] = [
        faded(CoVisitation.fit(train)),
        faded(ItemKNN.fit(train)),
    ]
    if split.repeats:
        loyalty = RelativeFrequency.fit(train)
        counting += [faded(Frequency.fit(train)), faded(loyalty, np.log(loyalty.expected))]
    before: list[Signal] = [*unchanging, *counting, Popularity.fit(train, half_life)]
    after = before
    if past is not train:
        refitted = [
            replace(type(signal).fit(past), recency_decay=signal.recency_decay) for signal in counting
        ]
        after = [*unchanging, *refitted, Popularity.fit(past, half_life)]
    if settings.sequence_epochs:
        earlier, later = _sequence_models(split, white, settings, progress, checkpoint)
        before, after = [*before, earlier], [*after, later]
    return Signals(tuple(before), tuple(after), whitening)


def fit_fusion(split: Split, signals: tuple[Signal, ...], settings: Settings) -> Weighing:
    """Weigh signals on validation queries, and choose how far the long tail is pushed.

    Parameters
    ----------
    split
        Whose validation queries to learn from.
    signals
        Fitted without their targets.
    settings
        How to fit.

    Raises
    ------
    DataError
        Where there is no validation query.
    """
    counts, validation = split.train.counts, validation_sample(split, settings)
    rng = np.random.default_rng(settings.seed)
    buckets = count_buckets(counts)
    pool, codes = draw_candidates(signals, validation, buckets, settings.max_history, split.repeats, rng)
    names, half = tuple(s.name for s in signals), len(validation) // 2
    tail = settings.tail
    if tail is None and len(validation) < PUSH_QUERIES:
        tail = 0.0
    elif tail is None:
        earlier, later = slice(0, half), slice(half, len(validation))
        part = Fusion.fit(names, pool.take(earlier), settings.loss, settings.shrinkage)
        tail = affordable_dial(part, pool.take(later), rarity(counts)[codes[later]], settings.tail_cost)
    return Weighing(Fusion.fit(names, pool, settings.loss, settings.shrinkage), tail)


def whitened(vectors: Floats, settings: Settings) -> Floats:
    """Whiten the encoder's vectors, shape (items, d), to `settings.dimensions` or d, whichever is less."""
    return _whitening(vectors, settings).transform(vectors)


def checkpoint_files(checkpoint: Path) -> tuple[Path, Path]:
    """Name the files of the two trainings: without the latest events, and with them."""
    return checkpoint, checkpoint.with_name(f"{checkpoint.name}.again")


def validation_sample(split: Split, settings: Settings) -> Queries:
    """Draw the validation queries that are learned from, in time order where there are times.

    Raises
    ------
    DataError
        Where there is none.
    """
    enough = min(settings.queries, max(1, CELLS // split.full_train.n_items))
    validation = split.validation.sample(enough, settings.seed)
    if not len(validation):
        name = split.full_train.name
        raise DataError(f"{name}: no query to learn fusion from under the protocol {split.protocol}")
    return validation.in_time_order() if split.train.clock == "timestamp" else validation


def _whitening(vectors: Floats, settings: Settings) -> Whitening:
    return Whitening.fit(vectors, min(settings.dimensions, vectors.shape[1]))


def _sequence_models(
    split: Split,
    white: Floats | None,
    settings: Settings,
    progress: Progress,
    checkpoint: Path | None,
) -> tuple[SequenceModel, SequenceModel]:
    """Train on what came before validation, then anew on all, at the rates that proved good."""
    try:
        from tailrank.signals.sequence.training import train
    except ModuleNotFoundError as missing:
        raise RequestError(
            f"the sequence model needs {missing.name}: install it with `pip install 'tailrank[language]'`, "
            "or leave sequence_epochs at 0"
        ) from None
    length = min(settings.max_history, SASRecConfig.length)
    recipe = SASRecConfig(epochs=settings.sequence_epochs, length=length, seed=settings.seed)
    repeats, files = split.repeats, (None, None) if checkpoint is None else checkpoint_files(checkpoint)
    first = train(split.train, split.validation, repeats, white, recipe, progress, files[0])
    if split.full_train is split.train:
        return first.model, first.model
    again = train(split.full_train, None, repeats, white, recipe, progress, files[1], rates=first.rates)
    return first.model, again.model
