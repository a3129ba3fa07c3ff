"""What signals are fitted on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from tailrank.arrays import Floats
from tailrank.data.histories import Queries
from tailrank.data.splits import Split
from tailrank.reporting import Progress, silent
from tailrank.running import Run, run_here
from tailrank.signals.out_of_core import OutOfCore


@dataclass(frozen=True)
class TrainingData:
    """Events, texts and vectors, and how much of them a signal may use.

    Attributes
    ----------
    split
        Signals learn from `train`, choose settings by `validation`, and learn anew from `full_train`.
    validation
        Those validation queries that settings and fusion are learned from.
    texts
        Of the items, shape (items,).
    vectors
        By the name of a vector space, shape (items, dimensions); whitened, if the space is.
    max_history
        Latest events that a ranking looks at.
    seed
        Of every sample drawn.
    known_only
        Names of the spaces whose vectors have learned from `split.train`, where counts give targets away.
        Fusion would judge them by items that they have learned, seen as new, and trust them with items that
        really are: so those without an event have no score there.
    sequence_epochs, sequence_seconds
        Epochs of the sequence model at most, 0 leaves it out; and time for training it, both times together.
    sequence_debias
        `SASRecConfig.debias`: how far its training corrects for popularity.
    stopping
        Validation queries that say when to stop long training; None takes all of the split's.
    progress
        Is told how far long training is.
    checkpoint
        File that long training writes as it goes and continues from; `checkpoint_files` names a second one,
        for the training on `full_train`.
    counting
        Counts pairs of items in bounded memory; None counts all at once.
    run
        Who ranks the validation queries that settings and fusion are learned from.
    """

    split: Split
    validation: Queries
    texts: Sequence[str]
    vectors: Mapping[str, Floats] = field(default_factory=dict)
    max_history: int = 50
    seed: int = 0
    known_only: Collection[str] = ()
    sequence_epochs: int = 0
    sequence_seconds: float = inf
    sequence_debias: float = 0.0
    stopping: Queries | None = None
    progress: Progress = silent
    checkpoint: Path | None = None
    counting: OutOfCore | None = None
    run: Run = run_here


def checkpoint_files(checkpoint: Path) -> tuple[Path, Path]:
    """Name the files of the two trainings: without the latest events, and with them."""
    return checkpoint, checkpoint.with_name(f"{checkpoint.name}.again")
