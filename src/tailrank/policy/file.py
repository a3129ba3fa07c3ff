"""A file of policies: the steps that rank for everybody, whatever a request asks for."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tailrank.errors import RequestError, instead_of
from tailrank.policy.base import Policy
from tailrank.policy.names import POLICY, RULE, TABLES, VERSION
from tailrank.policy.registry import from_description
from tailrank.policy.rule import Rule
from tailrank.policy.rules import Rules, read_rule

KEYS: Final = {key: key for key in (*TABLES, VERSION)}
DIGITS: Final = 12
"""Of a file's sha256, in its version."""


@dataclass(frozen=True)
class PolicyFile:
    """Steps, and which version of a file they come from.

    Attributes
    ----------
    steps
        In their order.
    version
        What the file calls its version, or the file's name, and the beginning of its sha256: `prices@0f3a…`.
    """

    steps: tuple[Policy, ...] = ()
    version: str = ""


def read_policies(file: Path) -> PolicyFile:
    """Read `[[policy]]` tables, each a step with its `name` and settings, and `[[rule]]` tables.

    The rules come where a step of the name `rules` is or, without one, after all steps.

    Sections such as `[serve]` are passed over, so that `tailrank.toml` may hold policies, too.

    Raises
    ------
    RequestError
        If the file can't be read or names no step; on unknown names and settings, and values out of bounds,
        naming the table.
    """
    try:
        content = file.read_bytes()
        tables = tomllib.loads(content.decode())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as why:
        raise RequestError(f"{file}: can't be read ({why}): fix it, or name another file") from None
    _check_keys(file, tables)
    given = tables.get(VERSION, file.name)
    if not isinstance(given, str):
        raise RequestError(f"{file}: {VERSION} must be text, not {given!r}")
    version = f"{given}@{hashlib.sha256(content).hexdigest()[:DIGITS]}"
    described = list(tables.get(POLICY, ()))
    rules = _rules(file, tables.get(RULE, ()))
    if rules and not any(_is_place(table) for table in described):
        described.append({"name": Rules.name})
    if not described:
        raise RequestError(f"{file}: names no step: write [[{POLICY}]] tables, each with the `name` of one")
    steps = (_step(file, number, table, rules) for number, table in enumerate(described, 1))
    return PolicyFile(tuple(steps), version)


def _check_keys(file: Path, tables: Mapping[str, Any]) -> None:
    for key, value in tables.items():
        if key in TABLES and not _are_tables(value):
            raise RequestError(f"{file}: `{key}` must be tables: write [[{key}]] above each")
        if key not in KEYS and not isinstance(value, dict):
            raise RequestError(f"{file}: `{key}` is unknown: {instead_of(key, KEYS)}")


def _are_tables(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _rules(file: Path, tables: Sequence[Mapping[str, Any]]) -> tuple[Rule, ...]:
    rules = list[Rule]()
    for number, table in enumerate(tables, 1):
        try:
            rules.append(read_rule(table))
        except RequestError as why:
            raise RequestError(f"{file}: [[{RULE}]] {number}: {why}") from None
    return tuple(rules)


def _is_place(table: Mapping[str, Any]) -> bool:
    """Whether a table says no more than where the rules of the file come."""
    return dict(table) == {"name": Rules.name}


def _step(file: Path, number: int, table: Mapping[str, Any], rules: tuple[Rule, ...]) -> Policy:
    try:
        if _is_place(table):
            return Rules(rules)
        [step] = from_description([table])
    except RequestError as why:
        raise RequestError(f"{file}: [[{POLICY}]] {number}: {why}") from None
    return step
