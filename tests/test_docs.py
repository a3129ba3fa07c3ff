"""The pages: every example runs, every link leads somewhere, every promise of the README holds."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tailrank.cli.main import app

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]

TABLE = re.compile(r"`([^`]+\.csv)`:\n\n```csv\n(.*?)```", re.S)
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
MAKE = re.compile(r"^make (\w+)|`make (\w+)", re.M)


def blocks(page: Path, language: str, heading: str = "") -> list[tuple[int, str]]:
    """List the code blocks of a page, or of one of its sections, each with its first line's number."""
    text = page.read_text(encoding="utf-8")
    start = text.index(f"\n## {heading}\n") if heading else 0
    end = text.find("\n## ", start + 1) if heading else len(text)
    found = re.compile(rf"^```{language}\n(.*?)^```", re.M | re.S).finditer(text, start, end)
    return [(text.count("\n", 0, block.start(1)) + 1, block[1]) for block in found]


def anchors(page: Path) -> set[str]:
    """Name the headings of a page as GitHub does."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, but for the two tables that the README shows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAILRANK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "160")
    for name, table in TABLE.findall(README.read_text(encoding="utf-8")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(table, encoding="utf-8")


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("page", ["README.md", "docs/library.md"])
def test_the_python_examples_run(page: str) -> None:
    names: dict[str, object] = {}
    for line, code in blocks(ROOT / page, "python"):
        exec(compile("\n" * (line - 1) + code, page, "exec"), names)
    assert names


def tailrank(command: str) -> str:
    result = CliRunner().invoke(app, shlex.split(command)[1:], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.usefixtures("shop")
def test_the_shell_lines_do_what_the_readme_says() -> None:
    [(_, lines)] = blocks(README, "sh", "Your own data in ten lines")
    validate, train, rank = lines.splitlines()
    assert "0 failed" in tailrank(validate)
    assert "semantic" in tailrank(train)
    printed = tailrank(rank)
    assert "lexical" in printed
    camping, coffee = moves(printed), moves(tailrank(rank.replace("t1,t2", "p1,p3")))
    assert camping["n1"] > 0 >= camping["n2"]
    assert coffee["n2"] > 0 >= coffee["n1"]
    assert list(camping).index("n1") < list(camping).index("p1")


def moves(printed: str) -> dict[str, int]:
    """Read a printed ranking: how many places each item went up, the first item first."""
    rows = re.findall(r"^\s+(\d+)\s+(\d+)\s+(\w+) ", printed, re.M)
    return {item: int(was) - int(place) for place, was, item in rows}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        if path.startswith("http"):
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {path}"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {path}#{anchor}"


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = {a or b for page in PAGES for a, b in MAKE.findall(page.read_text(encoding="utf-8"))}
    assert {"demo", "test"} <= named <= targets
