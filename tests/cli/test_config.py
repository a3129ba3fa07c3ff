"""`tailrank.toml`: options of commands in a file."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tailrank.cli.config import read_config_file
from tailrank.cli.main import app
from tailrank.errors import RequestError


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "items.csv").write_text("item_id,title\na,Tea\nb,\nc,Mug\n")
    (tmp_path / "events.csv").write_text("user_id,item_id,position\nu,b,1\nu,b,2\nu,a,3\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_options_of_the_working_folder(shop: Path) -> None:
    Path("tailrank.toml").write_text('[label]\ndata = "."\nout = "next.csv"\nwords = 2\n[columns.items]\n')
    done = call("label")
    assert done.exit_code == 0, done.output
    assert "next.csv: 3 of 3 items with fewer than 2 words" in done.output
    assert "1 of 1 items with fewer than 1 words" in call("label", "--words", 1).output


def test_a_file_elsewhere(shop: Path) -> None:
    (shop / "nightly.toml").write_text('[label]\ndata = "."\nout = "elsewhere.csv"\n')
    assert call("--config", "nightly.toml", "label").exit_code == 0
    assert (shop / "elsewhere.csv").is_file()


def test_policies_of_the_working_folder(shop: Path) -> None:
    tail = '[[policy]]\nname = "tail"\n'
    Path("tailrank.toml").write_text(tail)
    options = {"serve": {"policies": "policies"}, "label": {"budget": "budget"}}
    assert read_config_file(Path("tailrank.toml"), options) == {"serve": {"policies": "tailrank.toml"}}
    Path("tailrank.toml").write_text(f'[serve]\npolicies = "rules.toml"\n{tail}')
    assert read_config_file(Path("tailrank.toml"), options)["serve"] == {"policies": "rules.toml"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[label]\nbugdet = 3", r"\[label\] has no option `bugdet`: did you mean `budget`\?"),
        ("[lable]\nbudget = 3", r"\[lable\] is no command: did you mean `label`\?"),
        ("budget = 3", r"\[budget\] is no command"),
        ("[label", "tailrank.toml: can't be read"),
    ],
)
def test_mistakes(shop: Path, text: str, message: str) -> None:
    Path("tailrank.toml").write_text(text)
    refused = call("label", "--data", ".", "--out", "next.csv")
    with pytest.raises(RequestError, match=message):
        raise refused.exception


def test_a_value_of_the_wrong_type(shop: Path) -> None:
    Path("tailrank.toml").write_text('[label]\nbudget = "many"')
    refused = call("label", "--data", ".", "--out", "next.csv")
    assert refused.exit_code == 2
    assert "Invalid value for '--budget'" in refused.output
