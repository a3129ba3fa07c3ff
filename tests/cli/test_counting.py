"""`--memory` and `--on` of `tailrank train` are refused before anything is read."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.errors import RequestError


@pytest.mark.parametrize(
    ("option", "given", "why"),
    [
        ("--on", "spark", "--on spark: give `ray`, or `ray://HOST:PORT`"),
        ("--on", "", "--on : give `ray`, or `ray://HOST:PORT`"),
        ("--on", "ray://127.0.0.1:1", "--on ray://127.0.0.1:1: can't be reached (Connection refused)"),
        ("--memory", "4", "--memory '4' is no size of memory: write it as 500MB or 4GB"),
    ],
)
def test_what_names_no_place_or_size_is_refused_at_once(option: str, given: str, why: str) -> None:
    refused = CliRunner().invoke(app, ["train", "--data", "nowhere", "--out", "model", option, given])
    assert isinstance(refused.exception, RequestError)
    assert str(refused.exception).startswith(why)
