"""Write docs/benchmarks.md, its charts and the table of the READMEs; the same results give the same text."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bench import charts, filters
from bench.grounds import COLD, COMPARED, FAIR, FROZEN, WORDS
from bench.losses import losses, published_losses
from bench.run import command
from bench.stored import OURS, WITHOUT, Evaluated, Published, Studies, evaluations, period, read
from bench.study import RESULTS, Json
from bench.summary import plain, summary, with_figures
from tailrank.evaluation.grounds import SWEPT

PUBLISHED: Final = Path(__file__).with_name("published.json")
TEMPLATES: Final = Path(__file__).with_name("templates")
ROOT: Final = Path(__file__).parents[1]
READMES: Final = ("README.md", "README.zh.md")
STEEP: Final = 1.1
"""Exponent above which a cost is said to grow worse than linearly."""

COSTS: Final = {
    "peak_mb": "peak memory, MB",
    "rank_ms_per_user": "ranking the catalogue, ms",
    "rank_1000_ms_per_user": "ranking 1,000 items, ms",
}
"""Of the study of scale, beside the steps of a fit."""


def build(results: Path, published: Path) -> tuple[str, str, dict[str, str]]:
    """Make the page and the table of the READMEs in Markdown, and charts as SVG by file name."""
    found, studies = evaluations(results), Studies(results)
    if not found:
        raise SystemExit(f"{results} holds no evaluation: make some with `python -m bench run DATA`")
    rows = Published(read(published)["rows"])
    context = {
        "found": found,
        "studies": studies,
        "published": rows,
        "conditions": _conditions(found),
        "summary": summary(found),
        "plain": plain(found),
        "losses": losses(found),
        "published_losses": published_losses(found, rows),
        "scale": _scale(studies.single("scale")),
        "sizes": studies.single("sizes"),
    }
    return render("page.md.j2", **context), render("readme.md.j2", **context), _charts(found, studies)


def render(template: str, **context: object) -> str:
    """Fill in a template; several empty lines become one."""
    environment = Environment(  # noqa: S701 - Markdown of our own numbers
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {each.__name__: each for each in filters.FILTERS}
    environment.globals |= {
        "OURS": OURS,
        "COLUMNS": filters.COLUMNS,
        "TARGETS": filters.TARGETS,
        "CHARTED": charts.NAMES,
        "BOUNDED": COMPARED,
        "FROZEN": FROZEN,
        "COLD": COLD,
        "FAIR": FAIR,
        "WITHOUT": WITHOUT,
        "WORDS": WORDS,
        "STEEP": STEEP,
        "SWEPT": SWEPT,
        "repeat": _repeat,
    }
    filled = environment.get_template(template).render(context)
    return re.sub(r"\n{3,}", "\n\n", filled).strip() + "\n"


def write(results: Path = RESULTS, published: Path = PUBLISHED, root: Path = ROOT) -> None:
    """Write the page, its charts and the table of the READMEs, and remove charts that are no longer drawn."""
    text, figures, drawn = build(results, published)
    docs = root / "docs"
    for name in READMES:
        shown = with_figures((root / name).read_text(encoding="utf-8"), figures)
        (root / name).write_text(shown, encoding="utf-8")
    for old in docs.glob("benchmarks-*.svg"):
        old.unlink()
    (docs / "benchmarks.md").write_text(text, encoding="utf-8")
    for name, svg in drawn.items():
        (docs / name).write_text(svg, encoding="utf-8")
    if tilt := Studies(results).single("tilt"):
        (docs / "fairness.svg").write_text(charts.svg(charts.tilt, tilt["sets"]), encoding="utf-8")
    if exposure := Studies(results).single("exposure"):
        (docs / "exposure.svg").write_text(charts.svg(charts.exposure, exposure), encoding="utf-8")
    if frontiers := Studies(results).each("frontier"):
        (docs / "frontier.svg").write_text(charts.svg(charts.dials, frontiers), encoding="utf-8")
    if explained := Studies(results).each("explain"):
        (docs / "explanations.svg").write_text(charts.svg(charts.deletion, explained), encoding="utf-8")


def main() -> None:
    """Write the page and the figures."""
    write()


def _conditions(found: list[Evaluated]) -> dict[str, str]:
    """Say where and when the evaluations ran, and with which versions."""
    settings = [run["settings"] for one in found for run in one.runs.values()]

    def distinct(show: Callable[[Json], str]) -> str:
        return "; ".join(sorted({show(each) for each in settings}))

    return {
        "machine": distinct(lambda each: f"{each['processor']}, {each['cores']} cores, {each['system']}"),
        "dates": period(each["date"] for each in settings),
        "versions": distinct(lambda each: ", ".join(f"{k} {v}" for k, v in sorted(each["versions"].items()))),
        "encoder": distinct(
            lambda each: "{name}, sha256 {sha256:.12}…".format_map(each["encoders"]["semantic"])
        ),
    }


def _repeat(one: Evaluated) -> str:
    """Write the command that repeats the first seed of an evaluation, from within the folder of data."""
    seed, run = next(iter(one.runs.items()))
    epochs, names = run["settings"]["sequence_epochs"], list(run["models"])
    return shlex.join(command(one.dataset, one.protocol, seed, names, one.dataset, "out", epochs))


def _scale(stored: Json | None) -> Json | None:
    """Give each cost by the number of events, and the slope between the first and the last, in logarithms."""
    if stored is None:
        return None
    points = sorted(stored["points"], key=lambda point: point["factor"])
    events = [point["events"] for point in points]
    costs = {f"{step}, s": [point["steps"][step] for point in points] for step in points[0]["steps"]}
    costs |= {label: [point[key] for point in points] for key, label in COSTS.items()}
    growth = math.log(events[-1] / events[0])
    slopes = {name: math.log(values[-1] / values[0]) / growth for name, values in costs.items()}
    return {"stored": stored, "points": points, "events": events, "costs": costs, "slopes": slopes}


def _charts(found: list[Evaluated], studies: Studies) -> dict[str, str]:
    """Draw every chart that the templates name."""
    drawn = {}
    if ablations := studies.each("ablation"):
        drawn["ablation"] = charts.svg(charts.ablation, ablations)
    if curves := studies.each("encoders"):
        drawn["encoders"] = charts.svg(charts.encoders, curves)
    for study in studies.each("staleness"):
        drawn[f"staleness-{study['dataset']}"] = charts.svg(charts.staleness, study["points"])
    for one in found:
        if points := one.grounds[0].first["tradeoff"]:
            drawn[f"frontier-{one.dataset}-{one.protocol}"] = charts.svg(charts.frontier, points)
    if growth := studies.single("growth"):
        drawn["growth"] = charts.svg(charts.growth, growth["axes"])
    if scale := _scale(studies.single("scale")):
        drawn["scale"] = charts.svg(charts.scale, scale["events"], scale["costs"])
    return {f"benchmarks-{name}.svg": svg for name, svg in drawn.items()}
