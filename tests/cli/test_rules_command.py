"""`tailrank rules test`: rules on real items, before anybody meets them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tailrank.cli.main import app

RULES = """
[[rule]]
id = "old"
when = "year < 1950"
then = "filter"
context = { market = "de" }

[[rule]]
id = "drama"
when = "array_contains(genres, 'Drama')"
then = "boost"
by = 0.5

[[rule]]
id = "future"
when = "year > 2100"
then = "bury"
"""


def run(file: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["rules", "test", str(file), *words], env={"COLUMNS": "120"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    return path


def test_it_says_which_items_meet_each_rule(file: Path, model: Path) -> None:
    tried = run(file, "--model", str(model), "--context", "market=de", "--candidates", "1,50,no such film")
    assert tried.exit_code == 0, tried.output
    lines = {line.split()[0]: line.split() for line in tried.output.splitlines() if line.strip()}
    assert lines["drama"][1:5] == ["boost", "+0.5", "725", "-"]
    assert lines["old"][1] == "filter"
    assert "warning: rule 'future': no item meets it" in tried.output
    assert "3 rules, 1,682 items; a request of 3 candidates takes" in tried.output


def test_a_data_folder_will_do(file: Path) -> None:
    tried = run(file, "--data", "movielens-100k")
    assert tried.exit_code == 0, tried.output
    assert "a request of 200 candidates takes" in tried.output


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('[[rule]]\nid = "x"\nwhen = "yaer > 1"\nthen = "filter"', "did you mean `year`?"),
        ('[[rule]]\nid = "x"\nwhen = "year = 1940"\nthen = "pin"\nrank = 1', "'old' (filter) and 'x' (pin)"),
        ('[[rule]]\nid = "old"\nwhen = "TRUE"\nthen = "filter"', "two rules have the id 'old'"),
    ],
)
def test_errors_end_with_exit_code_1(file: Path, model: Path, more: str, message: str) -> None:
    file.write_text(RULES + more)
    tried = run(file, "--model", str(model))
    assert tried.exit_code == 1
    assert message in tried.output.replace("\n", " ")


def test_items_to_try_them_on_have_to_be_named(file: Path) -> None:
    assert "either --model MODEL or --data DATA" in str(run(file).exception)
