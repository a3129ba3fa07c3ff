"""Write docs/benchmarks.md from what is stored; the same figures give the same page."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bench import evaluated, losses
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


def build(results: Path, published: Path) -> str:
    """Make the page, in Markdown.

    Parameters
    ----------
    results
        Folder of the stored figures.
    published
        The file of published figures.

    Raises
    ------
    SystemExit
        Where no evaluation is stored.
    """
    found = evaluations(results)
    if not found:
        raise SystemExit(f"{results} holds no evaluation: make some with `python -m bench.run DATA`")
    rows: list[Json] = read(published)["rows"]
    sections = [
        INTRODUCTION,
        evaluated.conditions(found),
        evaluated.summary(found, rows),
        losses.section(found, rows),
        *(_each(one, rows) for one in found),
        evaluated.sources(found, rows),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def _each(one: Evaluated, rows: list[Json]) -> str:
    parts = [evaluated.models(one), evaluated.published(one, rows), evaluated.differences(one)]
    return "\n\n".join(filter(None, [f"## {one.title}", *parts]))


def write(results: Path = RESULTS, published: Path = PUBLISHED, docs: Path = DOCS) -> None:
    """Write the page."""
    (docs / "benchmarks.md").write_text(build(results, published), encoding="utf-8")


if __name__ == "__main__":
    write()
