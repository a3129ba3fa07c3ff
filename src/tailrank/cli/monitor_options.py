"""What the commands of the monitor share: options, and what is read by them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tailrank.errors import RequestError
from tailrank.language.encoder import TextEncoder
from tailrank.tasks.monitor.monitor_state import MonitorState, check_has_run, has_run
from tailrank.tasks.monitor.settings import MonitorSettings
from tailrank.tasks.monitor.summaries import Vectors, lexical_vectors

LEXICAL: Final = "none"

State = Annotated[Path, typer.Argument(metavar="STATE", help="Folder of the monitor.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON Lines.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="A setting, such as false_alarms_per_week=0.5; repeatable."
    ),
]
Encoder = Annotated[
    str, typer.Option(help="Reads texts for evidence and examples; none compares their words.")
]
File = Annotated[Path | None, typer.Option("--subscriptions", metavar="FILE", help="Who is told of what.")]


def existing_state(state: Path) -> Path:
    """Give a folder in which a monitor has run; raises DataError if none has."""
    check_has_run(state)
    return state


def changed_settings(state: Path, given: Sequence[str] | None) -> MonitorSettings | None:
    """Change the settings of before, or the defaults, by `--set`; None if nothing is set."""
    if not given:
        return None
    before = MonitorSettings()
    if has_run(state):
        kept = MonitorState(state, read_only=True)
        before = MonitorSettings.from_dict(kept.note("settings", {}))
        kept.close()
    values: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise RequestError(f"--set {text}: write NAME=VALUE")
        default = before.as_dict().get(name, "")
        try:
            values[name] = value if isinstance(default, str) else type(default)(value)
        except ValueError:
            kind = "whole number" if isinstance(default, int) else "number"
            raise RequestError(f"--set {text}: {name} is a {kind}") from None
    return MonitorSettings.from_dict(before.as_dict() | values)


def vectors_by(encoder: str) -> Vectors:
    """Give what makes vectors of texts: an encoder by its name, or their words."""
    return lexical_vectors if encoder == LEXICAL else TextEncoder.load(encoder).encode
