"""`tailrank task serve`: tasks over HTTP where there is no model that ranks."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from tailrank.cli.task import app
from tailrank.errors import RequestError
from tailrank.language.encoder import TextEncoder
from tailrank.tasks.classifier import TextClassifier

SAID = ["my card is lost", "the card was stolen", "what does it cost", "how high is the fee"]
LABELS = ["card", "card", "fee", "fee"]


@pytest.fixture(scope="module")
def task(encoder: TextEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks") / "intents"
    TextClassifier.fit(SAID, LABELS, encoder).save(folder)
    return folder


@pytest.fixture(scope="module")
def client(task: Path) -> Iterator[httpx.Client]:
    program = str(Path(sys.executable).with_name("tailrank"))
    command = [program, "task", "serve", f"intents={task}", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline() + process.stderr.readline()
            found = re.search(r"listens at (http://[\d.:]+)", said)
            assert found, said
            with httpx.Client(base_url=found[1], timeout=120) as client:
                yield client
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_texts_are_labelled_without_a_model(client: httpx.Client) -> None:
    assert client.get("/readyz").json() == {"status": "ready"}
    [told] = client.get("/v1/tasks").json()["tasks"]
    assert told["labels"] == ["card", "fee"]
    found = client.post("/v1/tasks/intents", json={"texts": ["someone stole my card"]}).json()
    assert found["predictions"][0]["label"] == "card"
    assert 'endpoint="label",le="+Inf",status="200"} 1.0' in client.get("/metrics").text


def test_what_ranks_isnt_there_nor_described_nor_linked_to(client: httpx.Client) -> None:
    answer = client.post("/v1/rank", json={"user": "ada", "candidates": ["a"]})
    assert (answer.status_code, answer.json()["error"]) == (404, "there is nothing here: see /docs")
    described = set(client.get("/openapi.json").json()["paths"])
    assert {"/v1/tasks/{name}", "/v1/support/ask", "/v1/monitor/texts", "/", "/healthz"} <= described
    assert not described & {"/v1/rank", "/v1/events", "/dashboard"}
    assert "/v1/rank" not in client.get("/docs").text
    assert client.get("/").text == client.get("/tasks").text
    assert 'data-tasks="only"' in client.get("/").text


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "nothing to serve: give NAME=FOLDER of a task"),
        (["intents"], "write NAME=FOLDER"),
        (["a=b", "--host", "0.0.0.0"], "others would reach the server without a key"),
    ],
)
def test_mistakes_are_told(arguments: list[str], error: str) -> None:
    done = CliRunner().invoke(app, ["serve", *arguments])
    assert isinstance(done.exception, RequestError)
    assert error in str(done.exception)


def test_a_task_that_isnt_there_is_said_at_the_start(tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("tailrank"))
    command = [program, "task", "serve", "a=missing", "--port", "0"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 2
    assert "missing: there is no such folder: name that of a task" in done.stderr
    assert "Traceback" not in done.stderr
