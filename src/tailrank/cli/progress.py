"""Progress of the command line: bars on a terminal, and the only place that draws them; lines elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from rich import progress as rich
from rich.console import Console
from rich.filesize import pick_unit_and_suffix
from rich.text import Text

from tailrank.processes import Processes, started_processes
from tailrank.reporting import Progress, progress_lines


class _Count(rich.ProgressColumn):
    """Steps done, how many there are, and how many go by a second."""

    def render(self, task: rich.Task) -> Text:
        total = "" if task.total is None else f"/{_short(task.total)}"
        speed = task.finished_speed or task.speed
        rate = "" if speed is None else f" {_short(speed)}/s"
        return Text(f"{_short(task.completed)}{total}{rate}")


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Draw a bar for each task on the error stream; they go when the block ends.

    Where there is no terminal, a task that takes long gets a line now and then.

    Yields
    ------
    Progress
        What library functions take as `progress`. A task that starts again starts its bar again.
    """
    console = Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        with progress_lines() as lines:
            yield lines
        return
    columns = (
        rich.TextColumn("{task.description}", markup=False),
        rich.BarColumn(),
        _Count(),
        rich.TimeElapsedColumn(),
        rich.TimeRemainingColumn(),
    )
    bars: dict[str, rich.TaskID] = {}
    # An epoch may take minutes: a shorter memory would never know how much time is left.
    with rich.Progress(*columns, console=console, transient=True, speed_estimate_period=3600) as drawn:

        def draw(task: str, done: int, total: int | None, note: str = "") -> None:
            if task not in bars:
                bars[task] = drawn.add_task(task, total=total)
            bar = bars[task]
            if done < drawn.tasks[bar].completed:
                drawn.reset(bar, total=total)
            drawn.update(bar, total=total, completed=done, description=f"{task}: {note}" if note else task)

        yield draw


def _short(number: float) -> str:
    """Write a number with at most a handful of digits.

    Examples
    --------
    >>> _short(12), _short(0.25), _short(31_415), _short(2_718_281)
    ('12', '0.25', '31.4k', '2.7M')
    """
    unit, suffix = pick_unit_and_suffix(int(number), ["", "k", "M", "G", "T"], 1000)
    return f"{number / unit:.1f}{suffix}" if suffix else f"{number:.3g}"


@contextmanager
def one_voice() -> Iterator[Processes]:
    """Join the processes of torchrun, as `started_processes`, of which only the first one prints."""
    with started_processes() as processes:
        if not processes.rank:
            yield processes
            return
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            yield processes
