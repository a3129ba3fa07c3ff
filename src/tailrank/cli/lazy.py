"""Commands whose modules are imported when they are called, so that none waits for the others."""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from typing import Any

from typer import Typer
from typer.core import TyperCommand
from typer.main import get_command, get_group


class LazyCommand(TyperCommand):
    """A command of which only its name and its help are known at first.

    Parameters
    ----------
    name
        On the command line.
    source
        Its function or its `Typer`, as `module:name`, in this room.
    help
        The first line of its own help.
    """

    def __init__(self, name: str, source: str, help: str) -> None:  # noqa: A002 - click's word
        super().__init__(name, help=help)
        self.source = source

    @cached_property
    def loaded(self) -> Any:
        """The command itself."""
        module, name = self.source.split(":")
        found = getattr(import_module(f"tailrank.cli.{module}"), name)
        if isinstance(found, Typer):
            return get_group(found)
        app = Typer(add_completion=False)
        app.command(self.name)(found)
        return get_command(app)

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Go on with the command itself: its context names it, and that is what runs."""
        return self.loaded.make_context(*args, **options)
