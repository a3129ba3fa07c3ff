"""Commands whose modules are imported when they are called."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.main import get_command, get_group

from tailrank.cli.lazy import LazyCommand
from tailrank.cli.main import COMMANDS, app


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_list_of_commands_says_of_each_what_its_own_help_says(command: LazyCommand) -> None:
    assert command.loaded.help.split("\n")[0] == command.help


def test_a_command_is_run_by_its_own_context() -> None:
    context = get_command(app).make_context("tailrank", ["serve", "--help"])
    found = get_group(app).commands["serve"].make_context("serve", [], resilient_parsing=True, parent=context)
    assert "state" in found.params


def test_help_waits_for_none_of_them() -> None:
    program = (
        "import sys; from tailrank.cli.main import app; app(['--help'], standalone_mode=False); "
        "print(sorted({'numpy', 'polars', 'torch'} & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"
