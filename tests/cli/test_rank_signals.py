"""`tailrank rank` without some of the signals, and by words of the user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.data.histories import Event
from tailrank.errors import RequestError
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.text_events import TextEvent

CANDIDATES = ["219", "56", "1", "200"]


def ranked(model: Path, *options: str) -> list[dict[str, Any]]:
    command = ["rank", "--model", str(model), "--candidates", ",".join(CANDIDATES), "--history", "50,172"]
    done = CliRunner().invoke(app, [*command, "--json", *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)["items"]
    return found


def test_the_command_line_ranks_as_the_library_does(model: Path, reranker: Reranker) -> None:
    words, without = ("a scary horror film", "at night"), ["popularity", "taste", "lexical"]
    options = ["--without", "popularity, taste", "--without", "lexical", "--say", words[0], "--say", words[1]]
    found = ranked(model, *options)
    said = [TextEvent.encode(text, reranker.spaces) for text in words]
    history: list[str | Event | TextEvent] = ["50", "172", *said]
    expected = reranker.rank(history, CANDIDATES, without=without)
    assert [each["id"] for each in found] == expected.item_ids
    assert [each["score"] for each in found] == pytest.approx(expected.scores, abs=1e-6)
    with pytest.raises(RequestError, match="did you mean `lexical`"):
        ranked(model, "--without", "lexcal")
