"""How long work says how far it is: a callback, so that no library module draws anything."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Is told how far a task is; `tailrank.cli.progress` draws bars."""

    def __call__(self, task: str, done: int, total: int | None, note: str = "") -> None:
        """Note how far the task is.

        Parameters
        ----------
        task
            What is being done, such as `encoding`; one name is one task.
        done, total
            Steps done, and how many there are; None if that isn't known. A task ends with `done == total`.
        note
            What else is worth showing, such as the loss so far.
        """


def silent(task: str, done: int, total: int | None, note: str = "") -> None:
    """Show nothing."""
