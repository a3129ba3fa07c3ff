"""Run the shop of the README and the quick start; write what it prints, and draw it: python docs/shop.py."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import tempfile
import textwrap
from collections.abc import Container
from pathlib import Path
from typing import NamedTuple

import jinja2
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.ranking.explanation import Explanation
from tailrank.ranking.reasons import LEAST, item_titles, phrase
from tailrank.ranking.reranker import Reranker

ROOT = Path(__file__).parents[1]
README, QUICKSTART = ROOT / "README.md", ROOT / "docs" / "quickstart.md"
PICTURE = ROOT / "docs" / "picture.svg"
CHINESE = {README: ROOT / "README.zh.md", QUICKSTART: ROOT / "docs" / "quickstart.zh.md"}
"""Which page tells the same in Chinese."""
COLUMNS, LINE = "90", 34
"""Width of what commands print, and of a line in the picture, in characters."""

TABLE = re.compile(r"`([^`]+\.csv)`:\n\n```csv\n(.*?)```", re.S)
SHELL = re.compile(r"^```sh\n(tailrank.*?)^```", re.M | re.S)
PRINTED = re.compile(r"^```console\n\$ (.*?)\n(.*?)^```", re.M | re.S)


class Row(NamedTuple):
    """An item of the picture: its rank, that without the language model, and why."""

    rank: int
    without: int
    title: str
    reason: list[str]


def write_tables(readme: str, folder: Path) -> None:
    """Write the data folder that a page shows."""
    for name, table in TABLE.findall(readme):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(table, encoding="utf-8")


def run(command: str, expected: Container[int] = (0,)) -> str:
    """Run a command in the current folder; what it prints, without spaces at the ends of lines."""
    result = CliRunner().invoke(app, shlex.split(command)[1:], catch_exceptions=False)
    if result.exit_code not in expected:
        raise SystemExit(f"{command}\n{result.output}")
    return "\n".join(map(str.rstrip, result.output.splitlines())).strip("\n") + "\n"


def with_output(page: str) -> str:
    """Run the commands of a page in the current folder, and put in what they print."""
    for command in SHELL.findall(page)[0].splitlines():
        run(command)
    return PRINTED.sub(lambda block: f"```console\n$ {block[1]}\n{run(block[1])}```", page)


def with_output_of(page: str, other: str) -> str:
    """Put in what the same commands print on another page."""
    printed = {block[1]: block[0] for block in PRINTED.finditer(other)}
    return PRINTED.sub(lambda block: printed[block[1]], page)


def draw(page: str) -> str:
    """Draw what the ranking of the shop in the current folder is made of."""
    (ours, *_), (without, *_) = PRINTED.findall(page)
    told, ranks = _ranked(ours), [each.item_id for each in _ranked(without)]
    titles = item_titles(Reranker.load(_option(ours, "model")).catalogue.items)
    rows = [
        Row(rank, 1 + ranks.index(each.item_id), titles[each.item_id], _reason(each, titles))
        for rank, each in enumerate(told, 1)
    ]
    named = {
        name: [titles[each] for each in _option(ours, name).split(",")] for name in ("history", "candidates")
    }
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string((ROOT / "docs" / "picture.svg.j2").read_text(encoding="utf-8"))
    return template.render(ranking=rows, **named) + "\n"


def _ranked(command: str) -> list[Explanation]:
    """Explain what a command ranks."""
    ids = (_option(command, name).split(",") for name in ("history", "candidates"))
    return Reranker.load(_option(command, "model")).explain(*ids)


def _option(command: str, name: str) -> str:
    words = shlex.split(command)
    return words[1 + words.index(f"--{name}")]


def _reason(explanation: Explanation, titles: dict[str, str]) -> list[str]:
    """Put the strongest reason for an item, else against it, into lines."""
    best, *_, worst = explanation.reasons
    told = phrase(best if best.lift >= LEAST else worst, explanation, titles)
    return textwrap.wrap(told.removeprefix("it "), LINE)


def main() -> None:
    """Write the pages and the picture anew."""
    os.environ["COLUMNS"] = COLUMNS
    readme, quickstart = (page.read_text(encoding="utf-8") for page in (README, QUICKSTART))
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_tables(readme, Path(folder))
        readme, quickstart = with_output(readme), with_output(quickstart)
        PICTURE.write_text(draw(quickstart), encoding="utf-8")
    for path, page in ((README, readme), (QUICKSTART, quickstart)):
        path.write_text(page, encoding="utf-8")
        chinese = CHINESE[path].read_text(encoding="utf-8")
        CHINESE[path].write_text(with_output_of(chinese, page), encoding="utf-8")


if __name__ == "__main__":
    main()
