"""Run the shop of the README; write what its commands print, and the picture of it: `python docs/shop.py`."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import tempfile
import textwrap
from pathlib import Path
from typing import NamedTuple

import jinja2
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.ranking.explanation import Explanation
from tailrank.ranking.reasons import LEAST, item_titles, phrase
from tailrank.ranking.reranker import Reranker

ROOT = Path(__file__).parents[1]
README, PICTURE = ROOT / "README.md", ROOT / "docs" / "picture.svg"
HEADING = "Your own data in ten lines"
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


def section(readme: str) -> tuple[int, int]:
    """Find the section about the shop: where it starts and ends."""
    start = readme.index(f"\n## {HEADING}\n")
    return start, readme.index("\n## ", start + 1)


def write_tables(readme: str, folder: Path) -> None:
    """Write the data folder that a page shows."""
    for name, table in TABLE.findall(readme):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(table, encoding="utf-8")


def run(command: str) -> str:
    """Run a command in the current folder; what it prints, without spaces at the ends of lines."""
    result = CliRunner().invoke(app, shlex.split(command)[1:], catch_exceptions=False)
    if result.exit_code:
        raise SystemExit(f"{command}\n{result.output}")
    return "\n".join(map(str.rstrip, result.output.splitlines())).strip("\n") + "\n"


def with_output(readme: str) -> str:
    """Run the commands of the shop in the current folder, and put in what they print."""
    start, end = section(readme)
    shop = readme[start:end]
    for command in SHELL.findall(shop)[0].splitlines():
        run(command)
    shown = PRINTED.sub(lambda block: f"```console\n$ {block[1]}\n{run(block[1])}```", shop)
    return readme[:start] + shown + readme[end:]


def draw(readme: str) -> str:
    """Draw what the ranking of the shop in the current folder is made of."""
    start, end = section(readme)
    (ours, *_), (without, *_) = PRINTED.findall(readme[start:end])
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


if __name__ == "__main__":
    page = README.read_text(encoding="utf-8")
    os.environ["COLUMNS"] = COLUMNS
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_tables(page, Path(folder))
        page = with_output(page)
        README.write_text(page, encoding="utf-8")
        PICTURE.write_text(draw(page), encoding="utf-8")
