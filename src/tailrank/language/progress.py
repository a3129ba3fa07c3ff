"""Progress of long encodings: rate and time left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Rate(ProgressColumn):
    """Texts a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} texts/s")


def encoding_progress() -> Progress:
    """Build a progress bar on the error stream, to be used as a context manager."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))


def tracked(
    batches: Iterable[Sequence[str]], total: int, progress: Progress | None
) -> Iterator[Sequence[str]]:
    """Pass batches of texts on and report each one when the next is asked for."""
    task = None if progress is None else progress.add_task("encoding", total=total)
    for batch in batches:
        yield batch
        if progress is not None and task is not None:
            progress.advance(task, len(batch))
