"""The pages about the server: their lines run against one, and answer what the pages say."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from docs.shop import README, ROOT, run, write_tables

from tailrank.benchmarks.launcher import Server
from tailrank.server.metrics import Metrics
from tailrank.server.routes import ROUTES
from test_docs import blocks

DOCS = ROOT / "docs"
PAGE, API = DOCS / "serving.md", DOCS / "http-api.md"
PAGES = (PAGE, API, DOCS / "impressions.md", DOCS / "runbooks.md")
PLACE = "localhost:8000"
SHOWN = re.compile(r"^```sh\n(curl [^\n]+)\n```\n\n```json\n(.*?)^```", re.M | re.S)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Train and serve as the page says."""
    folder = tmp_path_factory.mktemp("shop")
    write_tables(README.read_text(encoding="utf-8"), folder)
    _, train, serve = blocks(PAGE, "sh")[0][1].splitlines()
    run(train.replace("--data shop --out model", f"--data {folder}/shop --out {folder}/model"))
    assert serve == "tailrank serve --model model --state state"
    with Server(folder / "model", folder / "state") as found:
        yield found.url


def ask(line: str, url: str) -> Any:
    """Run a line of curl; returns its answer."""
    there = url.removeprefix("http://")
    done = subprocess.run(
        line.replace(PLACE, there), shell=True, capture_output=True, check=True, timeout=300
    )
    answer = json.loads(done.stdout)
    assert "error" not in answer, answer
    return answer


def shape(value: Any) -> Any:
    """Give what an answer is made of, by its first elements."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items() if name not in {"meta", "contributions"}}
    return [shape(inner) for inner in value[:1]] if isinstance(value, list) else type(value)


def test_the_lines_answer_as_shown(url: str) -> None:
    shown = [pair for page in PAGES for pair in SHOWN.findall(page.read_text(encoding="utf-8"))]
    assert len(shown) >= 4
    for line, answer in shown:
        assert shape(ask(line, url)) == shape(json.loads(answer)), line
    for _, block in (each for page in PAGES for each in blocks(page, "sh")):
        for line in block.splitlines():
            if line.startswith("curl"):
                ask(line, url)


def test_the_python_examples_run(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for page in PAGES:
        for line, code in blocks(page, "python"):
            exec(compile("\n" * (line - 1) + code.replace(f"http://{PLACE}", url), str(page), "exec"), {})
    *_, last = capsys.readouterr().out.split()
    assert last == "1", "the document that the Cohere client finds"


def test_everything_is_on_the_pages() -> None:
    text = API.read_text(encoding="utf-8")
    named = set(re.findall(r"`(?:[A-Z]+ )?(/[\w/{}.]*)", text))
    assert {route.path for route in ROUTES} - named == {"/v1/users/{id}/history"}
    monitoring = (DOCS / "monitoring.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(tailrank_\w+)`", monitoring))
    registry = Metrics().registry
    assert documented == {
        metric.name + "_total" * (metric.type == "counter") for metric in registry.collect()
    }
