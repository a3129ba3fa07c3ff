"""Build the site of these pages, check every link of it, and pack it for `tailrank docs`.

Run by `make docs`: `python docs/build_site.py`.

The pages are laid out below `build/docs` as they are in the repository, so that the same relative links lead
from page to page there and here. Added are the notebooks, as pages, and the reference of the library.
Formulas become MathML, which browsers draw without a script.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from latex2mathml.converter import convert

ROOT: Final = Path(__file__).parents[1]
LINK: Final = re.compile(r"\]\(([^)#\s:]+)(#[^)\s]+)?\)")
PLACES: Final = ("*.md", "docs/*.md", "docs/recipes/*.md", "peers/README.md", "bench/results/README.md")
FORMULA: Final = re.compile(r"^```math\n(?P<block>.*?)^```|\$`(?P<inline>[^`]+)`\$", re.M | re.S)
"""As the repository's host writes them."""
NOTEBOOKS: Final = "docs/notebooks/*.ipynb"
API: Final = "docs/api.md"
PACKED: Final = ROOT / "src" / "tailrank" / "docs.zip"


class Links(HTMLParser):
    """Collect what a page links to, what it loads, and its anchors."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at the attributes that hold addresses and names."""
        found = {name: value for name, value in attrs if value}
        self.anchors.update(found[name] for name in ("id", "name") if name in found)
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and found.get("rel") != "canonical" and "href" in found:
            self.loaded.append(found["href"])
        elif "src" in found:
            self.loaded.append(found["src"])


def lay_out(source: Path) -> None:
    """Copy the pages and whatever they link to, write notebooks as pages, and the page of the library."""
    shutil.rmtree(source, ignore_errors=True)
    pages = {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in _pages()}
    pages |= {path.relative_to(ROOT).with_suffix(".md"): notebook_page(path) for path in ROOT.glob(NOTEBOOKS)}
    pages[Path(API)] = library_page()
    for path, text in pages.items():
        target = source / path
        target.parent.mkdir(parents=True, exist_ok=True)
        linked_pages = LINK.sub(lambda link: link[0].replace(".ipynb", ".md"), text)
        target.write_text(FORMULA.sub(mathml, linked_pages), encoding="utf-8")
        for linked in {(ROOT / path.parent / link[1]).resolve() for link in LINK.finditer(text)}:
            copy = source / linked.relative_to(ROOT)
            if linked.is_file() and linked.suffix not in {".md", ".ipynb"} and not copy.exists():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(linked, copy)


def mathml(found: re.Match[str]) -> str:
    """Write a formula as MathML; a bare one that begins a line would be a paragraph of its own."""
    if found["block"]:
        return convert(found["block"], display="block")
    return f"<span>{convert(found['inline'])}</span>"


def notebook_page(path: Path) -> str:
    """Write a notebook as Markdown: its texts, its code, and what the code printed."""
    parts: list[str] = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
        parts += [
            f"```\n{printed.rstrip()}\n```" for out in cell.get("outputs", []) if (printed := _printed(out))
        ]
    return "\n\n".join(parts) + "\n"


def library_page() -> str:
    """Write the page that names what `tailrank` exports; the docstrings come from the source."""
    source = (ROOT / "src" / "tailrank" / "__init__.py").read_text(encoding="utf-8")
    [exported] = re.findall(r"^__all__ = \[(.*?)\]", source, re.M | re.S)
    names = [name for name in re.findall(r'"(\w+)"', exported) if name != "__version__"]
    about = "What `from tailrank import …` gives; [the library](library.md) shows it at work."
    return "\n\n".join(["# The Python API", about, *(f"::: tailrank.{name}" for name in names)]) + "\n"


def problems(site: Path) -> Iterator[str]:
    """Name the links of a site that lead nowhere, and what it would load from another host."""
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        where = path.relative_to(site)
        yield from (
            f"{where} loads {link}"
            for link in page.loaded
            if not (_is_local(link) or link.startswith("data:"))
        )
        for link in filter(_is_local, page.links + page.loaded):
            if path.name != "404.html" and not _leads_somewhere(link, path, pages):
                yield f"{where} links to {link}"


def _is_local(link: str) -> bool:
    parts = urlsplit(link)
    return not (parts.scheme or parts.netloc)


def _leads_somewhere(link: str, page: Path, pages: dict[Path, Links]) -> bool:
    parts = urlsplit(link)
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    target = target / "index.html" if target.is_dir() else target
    anchor = unquote(parts.fragment)
    return anchor in pages[target].anchors if anchor and target in pages else target.is_file()


def pack(site: Path, archive: Path) -> None:
    """Write a site into an archive that is the same, byte by byte, if the site is."""
    with ZipFile(archive, "w") as packed:
        for file in sorted(path for path in site.rglob("*") if path.is_file()):
            entry = ZipInfo(file.relative_to(site).as_posix())  # without the file's time and rights
            packed.writestr(entry, file.read_bytes(), ZIP_DEFLATED, compresslevel=9)


def unlisted(project: dict[str, Any]) -> set[str]:
    """Name the pages that the navigation lacks."""
    source = ROOT / project["docs_dir"]
    listed = set(re.findall(r"[\w./-]+\.md", json.dumps(project["nav"])))
    return {path.relative_to(source).as_posix() for path in source.rglob("*.md")} - listed


def main() -> None:
    """Build the site below `build`."""
    project = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    lay_out(ROOT / project["docs_dir"])
    if missing := unlisted(project):
        raise SystemExit(f"zensical.toml: add to `nav`: {', '.join(sorted(missing))}")
    subprocess.run([sys.executable, "-m", "zensical", "build", "--clean", "--strict"], cwd=ROOT, check=True)
    site = ROOT / project["site_dir"]
    if found := list(problems(site)):
        raise SystemExit("\n".join(found))
    pack(site, PACKED)
    print(f"{project['site_dir']}: {len(list(site.rglob('*.html')))} pages, every link leads somewhere")


def _pages() -> Iterator[Path]:
    for place in PLACES:
        yield from ROOT.glob(place)


def _printed(output: dict[str, Any]) -> str:
    """Read what a cell printed, as text."""
    text = output.get("text") or output.get("data", {}).get("text/plain", "")
    return "".join(text)


if __name__ == "__main__":
    main()
