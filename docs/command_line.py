"""Write the page of all commands from the commands themselves: `python docs/command_line.py`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import typer

from tailrank.cli.main import COMMANDS, app

PAGE: Final = Path(__file__).with_name("command-line.md")
START: Final = """\
# The command line

<!-- Written by docs/command_line.py: change the help in src/tailrank/cli instead. -->

What `--help` says of each command. [A file](operations.md#options-in-a-file) can hold the options. A user's
mistake is one message and exit code 2.

```sh
tailrank [--config FILE] COMMAND [OPTIONS]
```
"""


def page() -> str:
    """Write all commands as Markdown."""
    root = typer.Context(typer.main.get_command(app), info_name="tailrank")
    parts = [START, table("option", records(root.command, root))]
    for lazy in COMMANDS:
        parts += command(lazy.loaded, str(lazy.name), root)
    return "\n".join(parts)


def command(found: Any, name: str, parent: typer.Context) -> Iterator[str]:
    """Write one command and those below it."""
    context = typer.Context(found, info_name=name, parent=parent)
    yield f"## {context.command_path}\n"
    yield f"{linked(found.help)}\n"
    below = [(each, found.get_command(context, each)) for each in getattr(found, "commands", ())]
    if below:
        yield table("command", ((f"`{each}`", one.help) for each, one in below))
    else:
        usage = " ".join((context.command_path, *found.collect_usage_pieces(context)))
        yield f"```sh\n{usage}\n```\n"
        yield table("argument or option", records(found, context))
    for each, one in below:
        yield from command(one, each, context)


def records(found: Any, context: typer.Context) -> Iterator[tuple[str, str]]:
    """Give the arguments and options of a command and what `--help` says of them."""
    for parameter in found.get_params(context):
        record = parameter.get_help_record(context)
        if record and not {"--help", "--install-completion", "--show-completion"} & {*parameter.opts}:
            name, about = record
            yield f"`{name}`", about


def table(first: str, rows: Iterable[tuple[str, str]]) -> str:
    """Write a table of two columns; nothing, if there are no rows."""
    lines = [f"| {name.replace('|', chr(92) + '|')} | {linked(about)} |" for name, about in rows]
    return "\n".join([f"| {first} | |", "|---|---|", *lines, ""]) if lines else ""


def linked(help_text: str) -> str:
    """Write help in one line of Markdown, with links to the pages that it names."""
    line = re.sub(r"\s+", " ", help_text).strip().replace("<", "&lt;").replace("|", "\\|")
    line = re.sub(r"\[((?:default|required|env var|x|\d)[^\]]*)\]", r"(\1)", line)
    return re.sub(r"docs/([\w-]+)\.md", r"[\1.md](\1.md)", line)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
