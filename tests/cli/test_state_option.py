"""Where the location of a state comes from, so that nobody else sees its password."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tailrank.cli import options
from tailrank.cli.main import app as tailrank

app = typer.Typer()
WARNING = "can see the password in --state: give --state @FILE, or set TAILRANK_STATE"
URL = "redis://:secret@example.org:6379/0"


@app.command()
def show(
    state: str = typer.Option(envvar="TAILRANK_STATE", callback=options.location),
) -> None:
    """Print what the option gives."""
    print(f"<{state}>")


def run(*words: str, **environment: str) -> Any:
    return CliRunner().invoke(app, words, env={"TAILRANK_STATE": None, **environment})


@pytest.mark.parametrize("location", ["state", "/var/lib/a@b", "redis://example.org/0"])
def test_a_location_without_a_password_is_taken_as_it_is(location: str) -> None:
    assert run("--state", location).output == run(TAILRANK_STATE=location).output == f"<{location}>\n"


def test_a_password_on_the_command_line_is_warned_of() -> None:
    shown = run("--state", URL)
    assert f"<{URL}>" in shown.output
    assert WARNING in shown.stderr
    assert "secret" not in shown.stderr
    assert run(TAILRANK_STATE=URL).stderr == ""


@pytest.mark.parametrize("how", ["option", "environment"])
def test_a_location_is_read_from_a_file(tmp_path: Path, how: str) -> None:
    (tmp_path / "state").write_text(f"{URL}\n")
    words = ["--state", f"@{tmp_path / 'state'}"] if how == "option" else []
    shown = run(*words, TAILRANK_STATE=f"@{tmp_path / 'state'}")
    assert (shown.output, shown.stderr) == (f"<{URL}>\n", "")


@pytest.mark.parametrize("content", [None, b"", b" \n", b"one\ntwo\n", b"\xff"])
def test_a_file_that_holds_no_location_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "state").write_bytes(content)
    refused = run("--state", f"@{tmp_path / 'state'}")
    assert "state" in str(refused.exception)
    assert type(refused.exception).__name__ == "RequestError"
    assert "two" not in str(refused.exception)


def test_loading_says_what_was_loaded_and_what_was_left_out(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("user_id,item_id,timestamp\nann,tea,1e9\nann,jam,7\nbob,tea,1e9\n")
    words = ["state", "load", "--data", str(tmp_path), "--state", str(tmp_path / "state")]
    for new in (2, 0):
        shown = CliRunner().invoke(tailrank, words)
        assert shown.exit_code == 0
        assert f"2 users with 2 latest events, {new} of them new" in shown.stderr
        assert "events left out: 1 before 1990: if their times are only an order" in shown.stderr
    shown = CliRunner().invoke(tailrank, [*words, "--ttl-days", "90"])
    assert "events left out: 2 older than 90 days: leave out --ttl-days to keep them" in shown.stderr
