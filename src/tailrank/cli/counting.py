"""`--memory` and `--on` of `tailrank train`: where long work runs, and what counting pairs takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Self

import typer

from tailrank.data.dataset import Dataset
from tailrank.memory import as_size, parse_size, peak
from tailrank.reporting import Progress
from tailrank.running import Run, run_here
from tailrank.signals.covisitation import CoVisitation, ItemKNN
from tailrank.signals.out_of_core import OutOfCore, check_memory

DEFAULT: Final = 4_000_000_000
"""Bytes of memory for each process on Ray, if nothing else is asked for."""


@dataclass(frozen=True)
class Counting:
    """What was asked for.

    Attributes
    ----------
    memory
        Bytes, of the process that trains and of each that counts; None if there is no bound.
    on
        Where Ray is, if anywhere.
    folder
        Where counting may write.
    """

    memory: int | None
    on: str | None
    folder: Path

    @classmethod
    def asked(cls, memory: str | None, on: str | None, out: Path) -> Self:
        """Read the options; `out` is the model folder, beside which counting may write.

        Raises
        ------
        RequestError
            If `memory` is no size.
        """
        return cls(None if memory is None else parse_size(memory), on, out.resolve().parent)

    def check(self, dataset: Dataset) -> None:
        """Refuse memory that is too little, before anything takes long.

        Raises
        ------
        RequestError
            If it is; the message says how much is needed.
        """
        if self.memory is not None:
            for kind in (CoVisitation, ItemKNN):
                check_memory(self.memory, kind.pair_count(), dataset)

    @contextmanager
    def ready(self, progress: Progress) -> Iterator[tuple[OutOfCore | None, Run]]:
        """Give what counts pairs, if not all at once, and who does the parts of long work: Ray, if asked."""
        here = OutOfCore(self.memory or DEFAULT, self.folder, progress=progress)
        if self.on is None:
            yield (None if self.memory is None else here), run_here
            return
        from tailrank.scale.on_ray import ray_cluster, run_tasks

        with ray_cluster(self.on) as ray:
            run = partial(run_tasks, ray)
            yield replace(here, run=run), run

    def report(self) -> None:
        """Say how much memory this process took, if that was to be bounded."""
        if self.memory is not None:
            most = peak()
            more = (
                "" if most <= self.memory else ": more than --memory, which bounds the counting of pairs only"
            )
            typer.echo(f"memory at its peak: {as_size(most)}{more}")
