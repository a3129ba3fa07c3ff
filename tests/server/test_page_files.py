"""A story and an evaluation for the page at `/`, checked before the server starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tailrank.api_page import Story, StoryUser
from tailrank.cli.main import app
from tailrank.errors import RequestError
from tailrank.ranking.reranker import Reranker
from tailrank.server.page_files import check_story, read_prices, read_story


def written(folder: Path, text: str) -> Path:
    file = folder / "file.json"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "no JSON"),
        ('{"rule": "r", "users": []}', "users"),
        ('{"rule": "r", "user": []}', "did you mean `users`"),
        (
            '{"rule": "r", "users": [{"id": "u", "name": "U", "history": [""], "target": "1", "why": ""}]}',
            "history",
        ),
    ],
)
def test_a_story_of_another_shape_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(RequestError, match=rf"file\.json: .*{fault}"):
        read_story(written(tmp_path, text))


def test_a_story_names_only_items_that_the_model_knows(reranker: Reranker) -> None:
    check_story(Story("r", [StoryUser("u", "U", ["50"], "1", "")]), reranker)
    with pytest.raises(
        RequestError, match="user 'u' has 2 items that the model doesn't know, such as 'x', 'y'"
    ):
        check_story(Story("r", [StoryUser("u", "U", ["50", "x"], "y", "")]), reranker)


def test_an_evaluation_must_have_measured_policies(tmp_path: Path) -> None:
    with pytest.raises(
        RequestError, match="no policy was measured: write it by `tailrank evaluate --frontier"
    ):
        read_prices(written(tmp_path, json.dumps({"dataset": "films", "models": {}})))
    with pytest.raises(RequestError, match="can't be read"):
        read_prices(tmp_path / "missing.json")


def test_serve_says_what_is_wrong_before_it_loads_a_model(tmp_path: Path) -> None:
    command = ["serve", "--model", str(tmp_path / "none"), "--state", str(tmp_path / "state")]
    done = CliRunner().invoke(app, [*command, "--story", str(written(tmp_path, "[]"))])
    assert done.exit_code != 0
    assert "file.json" in str(done.exception) + done.output
