"""Tasks over HTTP: texts are labelled as the library labels them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tailrank.benchmarks.launcher import Server, free_port
from tailrank.client import Client
from tailrank.language.encoder import TextEncoder
from tailrank.tasks.classifier import TextClassifier
from tailrank.tasks.settings import ClassifierSettings

SAID = {
    "card": ["my card is lost", "the card was stolen", "I can't find my card", "my card has gone"],
    "fee": ["what does a transfer cost", "how high is the fee", "why was I charged", "is there a charge"],
    "login": ["I forgot my password", "I can't log in", "reset my password", "my login doesn't work"],
}
TEXTS = [text for each in SAID.values() for text in each]
LABELS = [label for label, each in SAID.items() for _ in each]
NEWS = ["Acme beats Bolt", "Bolt loses to Acme", "Acme soars as Bolt sinks", "Bolt falls behind Acme"]
HOSTILE = "<img src=x onerror=alert(1)> \u202e\x00'\"; DROP TABLE {text} {0}"


@pytest.fixture(scope="module")
def intents(encoder: TextEncoder) -> TextClassifier:
    return TextClassifier.fit(TEXTS, LABELS, encoder)


@pytest.fixture(scope="module")
def folders(intents: TextClassifier, encoder: TextEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    intents.save(folder / "intents")
    entities = ["Acme"] * len(NEWS) + ["Bolt"] * len(NEWS)
    labels = ["good"] * len(NEWS) + ["bad"] * len(NEWS)
    settings = ClassifierSettings(kind="entity")
    TextClassifier.fit(NEWS * 2, labels, encoder, settings, entities=entities).save(folder / "news")
    return folder


@pytest.fixture(scope="module")
def url(model: Path, folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    options = [word for name in ("intents", "news") for word in ("--task", f"{name}={folders / name}")]
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text("read:reads-only-this-key\nwrite:writes-only-this-key\n")
    state = tmp_path_factory.mktemp("state")
    with Server(model, state, *options, "--keys", str(keys)) as server:
        yield server.url


def ask(url: str, path: str, body: object = None, status: int = 200, key: str = "reads-only-this-key") -> Any:
    headers = {"authorization": f"Bearer {key}"}
    method = "GET" if body is None else "POST"
    response = httpx.request(method, url + path, json=body, headers=headers, timeout=60)
    assert response.status_code == status, response.text
    return response.json()


def test_the_tasks_are_listed(url: str, intents: TextClassifier) -> None:
    said, news = ask(url, "/v1/tasks")["tasks"]
    about = {"texts": 12, "held_out": intents.about["held_out"]}
    assert said == {"name": "intents", "kind": "one", "labels": ["card", "fee", "login"], **about}
    assert (news["name"], news["kind"]) == ("news", "entity")


def test_texts_are_labelled_as_by_the_library(url: str, intents: TextClassifier) -> None:
    texts = ["somebody took my card", "how expensive is it?", HOSTILE, "x" * 10_000, "卡丢了"] * 12
    found = ask(url, "/v1/tasks/intents", {"texts": texts})
    assert found["task"] == "intents"
    expected = intents.predict(texts)
    assert [one["label"] for one in found["predictions"]] == [label for label, _ in expected.best()]
    for one, chances in zip(found["predictions"], expected.chances.tolist(), strict=True):
        told = {each["label"]: each["chance"] for each in one["labels"]}
        assert told == pytest.approx(dict(zip(expected.labels, chances, strict=True)), abs=0.01)  # ONNX
        assert (one["label"], one["chance"]) == next(iter(told.items()))
        assert list(told.values()) == sorted(told.values(), reverse=True)
    assert found["predictions"][0]["label"] == "card"


def test_the_client_labels_texts(url: str) -> None:
    with Client(url, "reads-only-this-key") as client:
        assert [each.name for each in client.tasks().tasks] == ["intents", "news"]
        assert client.label("intents", ["somebody took my card"]).predictions[0].label == "card"
        found = client.label("news", [NEWS[0]] * 2, entities=["Acme", "Bolt"]).predictions
        assert [each.label for each in found] == ["good", "bad"]


def test_entities_of_one_text_have_labels_of_their_own(url: str) -> None:
    body = {"texts": [NEWS[0]] * 2, "entities": ["Acme", "Bolt"]}
    first, second = ask(url, "/v1/tasks/news", body)["predictions"]
    assert (first["label"], second["label"]) == ("good", "bad")


@pytest.mark.parametrize(
    ("task", "body", "fault"),
    [
        ("intents", {"texts": ["a"], "entites": ["b"]}, "did you mean `entities`?"),
        ("intents", {"texts": ["a"], "entities": ["b"]}, "reads no entities"),
        ("news", {"texts": ["a"]}, "needs an entity for each text"),
        ("news", {"texts": ["a"], "entities": ["a", "b"]}, "needs an entity for each text"),
        ("intents", {"texts": []}, "$.texts"),
        ("intents", {"texts": ["a"] * 65}, "$.texts"),
        ("intents", {"texts": ["a" * 10_001]}, "$.texts"),
        ("intents", {"texts": ["a", " \n"]}, "`texts[1]` is blank"),
        ("intents", {}, "texts"),
    ],
)
def test_faults_are_named(url: str, task: str, body: object, fault: str) -> None:
    assert fault in ask(url, f"/v1/tasks/{task}", body, 422)["error"]


def test_an_unknown_task_is_told_which_there_are(url: str) -> None:
    error = ask(url, "/v1/tasks/intent", {"texts": ["a"]}, 404)["error"]
    assert error == "there is no task 'intent'; there are 'intents', 'news'"


def test_halves_of_surrogate_pairs_are_refused(url: str) -> None:
    headers = {"authorization": "Bearer reads-only-this-key"}
    body = rb'{"texts": ["\ud800"]}'
    assert httpx.post(f"{url}/v1/tasks/intents", content=body, headers=headers).status_code in {400, 422}


def test_labelling_needs_a_key_that_reads(url: str) -> None:
    for key, status in (("writes-only-this-key", 403), ("somebody-elses-key", 401)):
        ask(url, "/v1/tasks/intents", {"texts": ["a"]}, status, key)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--task", "intents"], "write NAME=FOLDER"),
        (["--task", "in/tents=there"], "write NAME=FOLDER"),
        (["--task", "a=b", "--task", "a=c"], "'a' is another one already"),
        (["--task", "a=missing"], "missing: there is no such folder: name that of a task, or train one by"),
        (["--task", "a=missing", "--workers", "2"], "train one by `tailrank task train`"),
        (["--support", "missing"], "make one by `tailrank support train`"),
        (["--monitor", "missing"], "a monitor, or let one run there by `tailrank monitor run`"),
    ],
)
def test_what_cant_be_served_is_said_at_the_start(
    model: Path, tmp_path: Path, options: list[str], error: str
) -> None:
    program = str(Path(sys.executable).with_name("tailrank"))
    command = [program, "serve", "--model", str(model), "--state", "state", "--port", str(free_port())]
    done = subprocess.run(
        [*command, *options], check=False, capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert done.returncode == 2, done.stderr
    assert error in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
