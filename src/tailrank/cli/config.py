"""`tailrank.toml`: what is given on every command line, written down once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import typer

from tailrank.errors import RequestError, instead_of
from tailrank.policy.names import TABLES, VERSION

CONFIG: Final = Path("tailrank.toml")

OTHER_SECTIONS: Final = {"columns", VERSION, *TABLES}
"""What isn't a command's: sections that data folders have, and policies."""

POLICIES: Final = "policies"
"""The option of commands that take a file of policies."""


def configure(context: typer.Context, config: Path | None) -> None:
    """Take options that the command line doesn't give from a file."""
    file = config or CONFIG
    if config is None and not file.is_file():
        return
    commands: Mapping[str, Any] = context.command.commands  # type: ignore[attr-defined]
    options = {
        name: {option.lstrip("-"): param.name for param in command.loaded.params for option in param.opts}
        for name, command in commands.items()
    }
    context.default_map = read_config_file(file, options)


def read_config_file(file: Path, options: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, Any]]:
    """Read options by command.

    Parameters
    ----------
    file
        TOML: a section a command, in it a key an option, such as `sequence-epochs = 12` under `[train]`.
        Policies in it go to every command that takes a file of them, unless another is named.
    options
        By command and by its name on the command line, without dashes, what the parameter is called.

    Returns
    -------
    dict[str, dict[str, Any]]
        Values by command and parameter.

    Raises
    ------
    RequestError
        If the file can't be read, or on a section or key that no command has.
    """
    try:
        sections = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as why:
        raise RequestError(f"{file}: can't be read ({why}): fix it, or name another with --config") from None
    found: dict[str, dict[str, Any]] = {}
    for section, values in sections.items():
        if section in OTHER_SECTIONS:
            continue
        if section not in options or not isinstance(values, dict):
            known = instead_of(section, {name: name for name in options})
            raise RequestError(f"{file}: [{section}] is no command: {known}")
        for key in values:
            if key not in options[section]:
                near = instead_of(key, {name: name for name in options[section]})
                raise RequestError(f"{file}: [{section}] has no option `{key}`: {near}")
        found[section] = {options[section][key]: value for key, value in values.items()}
    if any(name in sections for name in TABLES):
        for command in (name for name, known in options.items() if POLICIES in known):
            found.setdefault(command, {}).setdefault(options[command][POLICIES], str(file))
    return found
