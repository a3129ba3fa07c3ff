"""`tailrank rephrase` writes a phrasebook, and `tailrank rank --phrasing` says reasons in its words."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tailrank.cli import rephrase
from tailrank.cli.main import app
from tailrank.errors import RequestError

SENTENCE = re.compile(r"Sentence: (.+)\nAnswer:$")


class Rewording:
    """A writer that knows three words, and brags of what is new."""

    identity = "rewording"

    def __init__(self) -> None:
        self.asked = 0

    def complete(self, prompt: str, max_tokens: int, stop: Sequence[str] = ()) -> str:
        """Put other words for some, which is right, and praise what is chosen often, which is not."""
        self.asked += 1
        [sentence] = SENTENCE.findall(prompt)
        for old, new in {
            "chosen often": "rightly chosen often",
            "chosen": "picked",
            "seldom": "rarely",
        }.items():
            sentence = sentence.replace(old, new)
        return str(sentence)

    def log_probabilities(self, prompt: str, continuations: Sequence[str]) -> list[float]:
        """Know nothing."""
        raise NotImplementedError

    def log_probability(self, prompt: str, continuation: str) -> float:
        """Know nothing."""
        raise NotImplementedError


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> Rewording:
    found = Rewording()
    monkeypatch.setattr(rephrase, "load_generative_model", lambda _: found)
    return found


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_reasons_in_other_words(model: Path, writer: Rewording, tmp_path: Path) -> None:
    book = tmp_path / "book.json"
    command = [
        "rephrase",
        "--model",
        str(model),
        "--data",
        "movielens-100k",
        "--writer",
        "w",
        "--out",
        str(book),
    ]
    written = run(*command, "--users", "8")
    entries = json.loads(book.read_text())["sentences"]
    assert writer.asked == len(entries) > 0
    assert f"of {len(entries)} sentences pass the check" in written
    assert "it says `rightly`" in written
    run(*command, "--users", "8")
    assert writer.asked == len(entries)  # nothing is asked twice

    ranking = ["rank", "--model", str(model), "--history", "50,172", "--candidates", "181,1,56,1682,200"]
    plain, said = (
        [
            item["explanation"]["because"]
            for item in json.loads(run(*ranking, "--explain", "--json", *more))["items"]
        ]
        for more in ([], ["--phrasing", str(book)])
    )
    changed = [(old, new) for old, new in zip(plain, said, strict=True) if old != new]
    assert changed
    assert all(old.replace("chosen", "picked").replace("seldom", "rarely") == new for old, new in changed)
    told = run(*ranking, "--explain", "--phrasing", str(book))
    assert f"rephrased by rewording: {len(changed)} of 5" in " ".join(told.split())
    with pytest.raises(RequestError, match="English"):
        run(*ranking, "--explain", "--phrasing", str(book), "--language", "zh")
    for alone in (["--phrasing", str(book)], ["--language", "zh"]):
        with pytest.raises(RequestError, match="say how reasons read: give --explain"):
            run(*ranking, *alone)


def test_a_place_that_cannot_be_written_is_refused_before_a_model_is_asked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = "--out", str(tmp_path / "file" / "book.json")
    command = ["rephrase", "--model", "m", "--data", "movielens-100k", "--writer", "w", *place]
    with pytest.raises(RequestError, match=r"--out .*book\.json: can't be written: name another file"):
        CliRunner().invoke(app, command, catch_exceptions=False)
