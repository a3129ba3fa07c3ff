"""The pages: every example runs, every link leads somewhere, every promise of the README holds."""

import re
import tomllib
from pathlib import Path

import pytest
from docs.shop import (
    CHINESE,
    COLUMNS,
    PICTURE,
    PRINTED,
    QUICKSTART,
    README,
    ROOT,
    draw,
    run,
    with_output,
    with_output_of,
    write_tables,
)

RECIPES = sorted((ROOT / "docs" / "recipes").glob("*.md"))
DOCS = ROOT / "docs"
PAGES = [README, CHINESE[README], *sorted((ROOT / "docs").glob("*.md")), *RECIPES]

LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
SCORE = re.compile(r"\d+\.\d\d+")
REST = re.compile(r"\s+[+-]\s+rest\s+\d\.\d\d")
STEP = re.compile(r"^```(python|sh)\n(.*?)^```", re.M | re.S)
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
    """Work in an empty folder that holds only the two tables of the README."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAILRANK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", COLUMNS)
    write_tables(README.read_text(encoding="utf-8"), tmp_path)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    "page",
    [
        "docs/quickstart.md",
        "docs/quickstart.zh.md",
        "docs/library.md",
        "docs/modalities.md",
        "docs/search.md",
        "docs/policies.md",
        "docs/explanations.md",
        "docs/rules.md",
        "docs/conversation.md",
        "docs/learning.md",
        "docs/off_policy.md",
        "docs/experiments.md",
        "docs/tasks.md",
        "docs/monitor.md",
        "docs/support.md",
    ],
)
def test_the_python_examples_run(page: str) -> None:
    names: dict[str, object] = {}
    for line, code in blocks(ROOT / page, "python"):
        exec(compile("\n" * (line - 1) + code, page, "exec"), names)
    assert names


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("page", RECIPES, ids=lambda page: page.stem)
def test_the_recipes_run(page: Path) -> None:
    names: dict[str, object] = {}
    languages = set()
    for language, code in STEP.findall(page.read_text(encoding="utf-8")):
        languages.add(language)
        if language == "python":
            exec(compile(code, page.name, "exec"), names)
        else:
            for command in code.splitlines():
                run(command)
    assert languages == {"python", "sh"}


@pytest.mark.usefixtures("shop")
def test_the_shop_prints_what_the_pages_show() -> None:
    assert "0 failed" in run("tailrank validate shop")
    for path in (README, QUICKSTART):
        page = path.read_text(encoding="utf-8")
        (words, scores), (shown_words, shown_scores) = comparable(with_output(page)), comparable(page)
        assert words == shown_words, "write it anew: python docs/shop.py"
        assert scores == pytest.approx(shown_scores, abs=0.02)
        chinese = CHINESE[path].read_text(encoding="utf-8")
        assert with_output_of(chinese, page) == chinese, "write it anew: python docs/shop.py"
    assert draw(page) == PICTURE.read_text(encoding="utf-8"), "draw it anew: python docs/shop.py"


@pytest.mark.usefixtures("shop")
def test_meaning_decides_what_the_readme_says_it_does() -> None:
    page = QUICKSTART.read_text(encoding="utf-8")
    with_output(page)
    (ours, _), (without, _) = PRINTED.findall(page)
    camping, blind = order(run(ours)), order(run(without))
    assert camping.index("n1") < camping.index("p1") < camping.index("n2")
    assert blind.index("p1") < blind.index("n1")
    coffee = order(run(ours.replace("t1,t2", "p1,p3")))
    assert coffee.index("n2") < coffee.index("n1")


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").split()) <= 550


@pytest.mark.parametrize("page", CHINESE, ids=lambda page: page.stem)
def test_chinese_pages_run_the_same_code(page: Path) -> None:
    def code(path: Path, language: str) -> list[str]:
        return [re.sub(" *#.*", "", block) for _, block in blocks(path, language)]

    for language in ("csv", "sh", "python"):
        assert code(CHINESE[page], language) == code(page, language)


@pytest.mark.usefixtures("shop")
def test_the_commands_of_the_runbooks_run() -> None:
    train = "tailrank train --data shop --encoder none --out"
    run(f"{train} model")
    run("tailrank models promote models model")
    run(f"{train} models/current --seed 1")
    run("tailrank state load --state state --data shop")
    lines = [line for _, block in blocks(DOCS / "runbooks.md", "sh") for line in block.splitlines()]
    printed = [run(line, {0, 3}) for line in lines if line.startswith("tailrank")]
    told = ["before   shop", "models/current: stays: 0 new events", "before   shop", "serves", "MB before"]
    for what, text in zip(told, printed, strict=True):
        assert what in text


def test_the_examples_of_moving_become_data_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = DOCS / "migrating.md"
    examples = re.findall(r"`([\w/]+\.jsonl)`:\n\n```json\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    for name, lines in examples:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(lines, encoding="utf-8")
    printed = [run(line) for _, block in blocks(page, "sh") for line in block.splitlines()]
    assert ["0 failed" in text for text in printed] == [False, True, False, True]
    [table] = (tomllib.loads(block)["recommend"]["ranker"] for _, block in blocks(page, "toml"))
    assert table["reranker_api"]["url"].endswith("/v1/rerank")


def comparable(page: str) -> tuple[list[str], list[float]]:
    """Part words and numbers; what rounding leaves over differs between machines."""
    text = REST.sub("", page)
    return SCORE.sub("", text).split(), [float(score) for score in SCORE.findall(text)]


def order(printed: str) -> list[str]:
    """Read the items of a printed ranking, the first one first."""
    return re.findall(r"^\s+\d+\s+\d+\s+(\w+) ", printed, re.M)


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
