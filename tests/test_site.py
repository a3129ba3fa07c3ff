"""What is checked of the built site: links, anchors, other hosts, and pages that the navigation lacks."""

import json
import re
from pathlib import Path

from docs.build_site import FORMULA, ROOT, library_page, mathml, notebook_page, problems, unlisted

import tailrank

MATHML = "http://www.w3.org/1998/Math/MathML"


def test_links_that_lead_nowhere_are_named(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "style.css").touch()
    (tmp_path / "index.html").write_text(
        """<link rel="stylesheet" href="style.css"><h1 id="top"></h1><a href="docs/a.html#there">a</a>
        <a href="#top">up</a><a href="https://example.org">elsewhere</a>
        <a href="docs/a.html#gone">b</a><a href="missing.html">c</a>
        <script src="https://cdn.example.org/x.js"></script>"""
    )
    (tmp_path / "docs" / "a.html").write_text("""<h2 id="there"></h2><a href="../index.html">home</a>""")
    assert list(problems(tmp_path)) == [
        "index.html loads https://cdn.example.org/x.js",
        "index.html links to docs/a.html#gone",
        "index.html links to missing.html",
    ]


def test_pages_that_the_navigation_lacks_are_named(tmp_path: Path) -> None:
    for name in ("a.md", "b.md"):
        (tmp_path / name).touch()
    assert unlisted({"docs_dir": str(tmp_path), "nav": [{"Part": ["a.md"]}]}) == {"b.md"}


def test_notebooks_become_pages_with_what_they_print(tmp_path: Path) -> None:
    printed = [{"output_type": "stream", "text": ["42\n"]}]
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "Text"]},
        {"cell_type": "code", "source": ["print(42)"], "outputs": printed},
    ]
    path = tmp_path / "one.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    assert notebook_page(path) == "# Title\nText\n\n```python\nprint(42)\n```\n\n```\n42\n```\n"


def test_the_reference_has_all_that_the_library_exports() -> None:
    named = {line.removeprefix("::: tailrank.") for line in library_page().splitlines() if ":::" in line}
    assert named == set(tailrank.__all__) - {"__version__"}


def test_formulas_become_mathml() -> None:
    block, inline = FORMULA.sub(mathml, "```math\nz^2\n```\n$`x`$ costs $3").splitlines()
    square = "<mrow><msup><mi>z</mi><mn>2</mn></msup></mrow>"
    assert block == f'<math xmlns="{MATHML}" display="block">{square}</math>'
    assert (
        inline
        == f'<span><math xmlns="{MATHML}" display="inline"><mrow><mi>x</mi></mrow></math></span> costs $3'
    )


def test_each_formula_names_what_computes_it_and_a_test_that_is_there() -> None:
    page = ROOT / "docs" / "mathematics.md"
    sections = [part for part in page.read_text(encoding="utf-8").split("\n## ") if "```math" in part]
    for section in sections:
        *_, pointer = (line for line in section.splitlines() if line.startswith("In the code: "))
        code, held_by = pointer.split(" Held by: ")
        for part in (code, held_by):
            files = re.findall(r"\]\(([^)]+)\)", part)
            source = "".join((page.parent / file).read_text(encoding="utf-8") for file in files)
            names = [name for path in re.findall(r"`([\w.]+)`", part) for name in path.split(".")]
            missing = [name for name in names if not re.search(rf"^ *(def|class) {name}\b", source, re.M)]
            assert (bool(names), missing) == (True, []), section.splitlines()[0]
    assert len(sections) == 7


def test_every_page_of_the_docs_is_in_the_navigation() -> None:
    text = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    pages = [*ROOT.glob("docs/*.md"), *ROOT.glob("docs/recipes/*.md")]
    assert [page.name for page in pages if f'"{page.relative_to(ROOT).as_posix()}"' not in text] == []
