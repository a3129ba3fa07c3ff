"""Write docs/benchmarks.md and its charts from what is stored; the same figures give the same page."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bench import evaluated, losses, service, studies, tuned
from bench.run import RESULTS
from bench.stored import Evaluated, Json, evaluations, read

PUBLISHED: Final = Path(__file__).with_name("published.json")
DOCS: Final = Path(__file__).parents[1] / "docs"
INTRODUCTION: Final = """\
# Benchmarks

Everything here is computed from the files in [`bench/results`](../bench/results) and
[`bench/published.json`](../bench/published.json); `make benchmarks` writes the page anew. How data are split,
what each figure means and how models are tuned is in [evaluation.md](evaluation.md). Every model ranks the
whole catalogue.

**tail** is NDCG@10 for targets outside the most popular 20% of items, **≤5** for targets with one to five
interactions in training. Where seeds differ, a figure is their mean ± standard deviation. Published figures
are other people's, from other programs, and stand in tables of their own: leave-one-out, all items ranked,
events in the order of the files, but for those with a dagger (†), whose data or protocol are others."""


def build(results: Path, published: Path) -> tuple[str, dict[str, str]]:
    """Make the page and its charts.

    Parameters
    ----------
    results
        Folder of the stored figures.
    published
        The file of published figures.

    Returns
    -------
    tuple[str, dict[str, str]]
        The page in Markdown, and SVG by file name.

    Raises
    ------
    SystemExit
        Where no evaluation is stored.
    """
    found = evaluations(results)
    if not found:
        raise SystemExit(f"{results} holds no evaluation: make some with `python -m bench.run DATA`")
    rows: list[Json] = read(published)["rows"]
    studied = studies.sections(results, found)
    sections = [
        INTRODUCTION,
        evaluated.conditions(found),
        evaluated.summary(found, rows),
        losses.section(found, rows),
        *(_each(one, rows) for one in found),
        *(text for text, _ in studied),
        *service.sections(results),
        *tuned.sections(results),
        evaluated.sources(found, rows),
    ]
    charts = {name: svg for _, drawn in studied for name, svg in drawn.items()}
    return "\n\n".join(filter(None, sections)) + "\n", charts


def _each(one: Evaluated, rows: list[Json]) -> str:
    parts = [evaluated.models(one), evaluated.published(one, rows), evaluated.differences(one)]
    return "\n\n".join(filter(None, [f"## {one.title}", *parts]))


def write(results: Path = RESULTS, published: Path = PUBLISHED, docs: Path = DOCS) -> None:
    """Write the page and its charts, and remove charts that are no longer drawn."""
    text, charts = build(results, published)
    for old in docs.glob("benchmarks-*.svg"):
        old.unlink()
    (docs / "benchmarks.md").write_text(text, encoding="utf-8")
    for name, svg in charts.items():
        (docs / name).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    write()
