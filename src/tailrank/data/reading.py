"""How the files of a data folder are to be read: as the caller asks, and as its `tailrank.toml` says."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from tailrank.data.bad_rows import BadRows
from tailrank.data.schema import EVENTS, IMPRESSIONS, ITEMS
from tailrank.errors import DataError, instead_of
from tailrank.files import written_file

SETTINGS: Final = "tailrank.toml"
TABLES: Final = {table.name: table for table in (ITEMS, EVENTS, IMPRESSIONS)}

Names = dict[str, dict[str, str]]
"""For each table, the file's name of columns of the contract."""


def _silent(note: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Reading:
    """How a data folder is read.

    Attributes
    ----------
    columns
        For each table, the file's name of columns of the contract; they go before those of `tailrank.toml`.
    note
        Is told in a line what was recognised in each file.
    bad_rows
        Takes the rows that break the contract; without it, the first of them is an error.
    """

    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    note: Callable[[str], None] = _silent
    bad_rows: BadRows | None = None

    def names(self, folder: Path, table: str) -> dict[str, str]:
        """Name the columns of one table of a folder, as asked and as its `tailrank.toml` says.

        Raises
        ------
        DataError
            If that file can't be read, or holds anything else.
        """
        return read_settings(folder).get(table, {}) | dict(self.columns.get(table, {}))

    def others_asked(self, table: str, name: str) -> list[str]:
        """List the other tables in which a column is asked for by the same name, if that is all that have it.

        Then it was asked for without a table, and some of them may lack it.
        """
        column = self.columns.get(table, {}).get(name)
        having = [known for known in TABLES if name in TABLES[known].columns]
        everywhere = column and all(self.columns.get(each, {}).get(name) == column for each in having)
        return [each for each in having if each != table] if everywhere else []


def column_names(given: Collection[str]) -> Names:
    """Read `user_id=userId`, or `events.timestamp=Datum` for one table only.

    Raises
    ------
    DataError
        If one is not of this form, or names no column or table of the contract.

    Examples
    --------
    >>> column_names(["user_id=userId", "items.title=Name"])["items"]
    {'title': 'Name'}
    """
    names: Names = {table: {} for table in TABLES}
    for each in given:
        key, equals, column = each.partition("=")
        table, dot, name = key.strip().rpartition(".")
        if not (equals and name and column.strip()):
            raise DataError(f"--map {each}: write NAME=COLUMN, such as user_id=userId.")
        having = [table] if dot else [known for known in TABLES if name in TABLES[known].columns]
        for one in having or [EVENTS.name]:
            _check(f"--map {each}", {one: {name: column.strip()}})
            names[one][name] = column.strip()
    return names


def read_settings(folder: Path) -> Names:
    """Read the `tailrank.toml` of a data folder; nothing without one.

    Raises
    ------
    DataError
        If it isn't TOML, or holds anything but names of columns.
    """
    path = folder / SETTINGS
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable TOML ({error}). Write it as in docs/data.md.") from None
    # In the working folder the file may hold options of commands, too, which the command line checks.
    if (other := settings.keys() - {"columns"}) and folder.resolve() != Path.cwd():
        raise DataError(f"{path}: unknown {min(other)!r}; there are [columns.{'], [columns.'.join(TABLES)}].")
    try:
        names = msgspec.convert(settings.get("columns", {}), Names)
    except msgspec.ValidationError as error:
        raise DataError(
            f'{path}: columns: {error}. Write user_id = "userId" below [columns.events].'
        ) from None
    _check(str(path), names)
    return names


def as_settings(names: Names) -> str:
    """Write names of columns as `tailrank.toml` holds them.

    Examples
    --------
    >>> print(as_settings({"events": {"user_id": "userId"}}))
    [columns.events]
    user_id = "userId"
    <BLANKLINE>
    """
    lines = []
    for table, columns in names.items():
        if columns:
            lines.append(f"[columns.{table}]")
            # A string of JSON is one of TOML, too.
            lines += [f"{name} = {msgspec.json.encode(each).decode()}" for name, each in columns.items()]
            lines.append("")
    return "\n".join(lines)


def keep_settings(folder: Path, names: Names) -> Path:
    """Write the `tailrank.toml` of a data folder that has none.

    Raises
    ------
    DataError
        If there is one, or the folder can't be written.
    """
    path = folder / SETTINGS
    if path.exists():
        raise DataError(f"{path} is there already. Write into it:\n\n{as_settings(names)}")
    try:
        with written_file(path) as new:
            new.write_text(as_settings(names), encoding="utf-8")
    except OSError as why:
        raise DataError(f"{path}: can't be written ({why}). Give the names with --map each time.") from None
    return path


def _check(source: str, names: Names) -> None:
    for table, columns in names.items():
        if table not in TABLES:
            raise DataError(f"{source}: unknown table {table!r}; {instead_of(table, _itself(TABLES))}")
        known = TABLES[table].columns
        for name in columns:
            if name not in known:
                raise DataError(
                    f"{source}: {name!r} is no column of {table}; {instead_of(name, _itself(known))}"
                )


def _itself(names: Collection[str]) -> dict[str, str]:
    return {name: name for name in names}
