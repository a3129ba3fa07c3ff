"""The benchmark page: a few stored figures in, tables out; nothing stored, nothing shown."""

import doctest
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import polars as pl
import pytest
from bench import page, run, tables

from tailrank.evaluation.baselines import DEFAULT_MODELS

ROOT = Path(__file__).parents[1]
BEAUTY = ("amazon-beauty", "leave-one-out")
Figures: TypeAlias = dict[str, float | None]
PUBLISHED = [
    {"method": "Best", "same_protocol": True, "ndcg@10": 0.06, "recall@10": 0.1},
    {"method": "Leaky", "same_protocol": False, "ndcg@10": 0.09, "recall@10": None},
]


def store(results: Path, name: str, contents: object) -> None:
    path = results / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(contents))


def evaluation(
    models: dict[str, dict[str, float | None]], comparisons: Sequence[object]
) -> dict[str, object]:
    settings = {"date": "2026-01-02", "processor": "A chip", "cores": 2, "system": "Linux"}
    encoder = {"encoder": "default", "encoder_sha256": "f" * 64, "versions": {"tailrank": "0.1.0"}}
    return {
        **{"dataset": "amazon-beauty", "protocol": "leave-one-out", "users": 1234, "queries": 1234},
        **{"models": models, "comparisons": comparisons, "tradeoff": [], "settings": settings | encoder},
    }


def against(b: str, metric: str, low: float, high: float) -> dict[str, object]:
    return {"a": "tailrank", "b": b, "metric": metric, "difference": (low + high) / 2, "ci95": [low, high]}


def figures(ndcg: float, tail: float | None, seconds: float) -> Figures:
    return {"ndcg@10": ndcg, "recall@10": 2 * ndcg, "ndcg@10/tail80": tail, "fit_seconds": seconds}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """One data set: tailrank with two seeds, three other models with the first of them."""
    folder = tmp_path / "results"
    first = {
        "tailrank": figures(0.0695, 0.05, 20.0),
        "ease": figures(0.0721, 0.03, 90.0),
        "item-knn": figures(0.0401, 0.0495, 0.5),
        "popularity": figures(0.0101, None, 0.0),
    }
    pairs = [
        against("ease", "ndcg@10", -0.004, -0.001),
        against("ease", "ndcg@10/tail80", 0.01, 0.03),
        against("item-knn", "ndcg@10", 0.02, 0.04),
        against("item-knn", "ndcg@10/tail80", -0.001, 0.002),
    ]
    store(folder, "/".join((*BEAUTY, "seed-0", "metrics.json")), evaluation(first, pairs))
    second = {"tailrank": figures(0.0705, 0.05, 30.0)}
    store(folder, "/".join((*BEAUTY, "seed-1", "metrics.json")), evaluation(second, []))
    return folder


@pytest.fixture
def published(tmp_path: Path) -> Path:
    about = {
        "dataset": "amazon-beauty",
        "year": 2024,
        "source": "A paper",
        "verified": "README",
        "remark": "?",
    }
    store(tmp_path, "published.json", {"rows": [about | row for row in PUBLISHED]})
    return tmp_path / "published.json"


def rows(text: str, heading: str) -> list[list[str]]:
    """Read the tables of a section as cells."""
    section = text[text.index(f"# {heading}\n") :]
    section = section[: section.find("\n#", 2)]
    return [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]


def test_a_table_gives_means_over_seeds_and_the_best_in_bold(results: Path, published: Path) -> None:
    text = page.build(results, published)
    [_, _, *lines] = rows(text, "amazon-beauty, leave-one-out")[:6]
    table = {cells[0]: cells[1:] for cells in lines}
    assert table["ease"][:3] == ["**.0721**", "**.1442**", ".0300"]
    assert table["**tailrank**"][:3] == [".0700 ± .0007", ".1400 ± .0014", "**.0500**"]
    assert table["**tailrank**"][5] == "25.0"
    assert table["popularity"][2] == "-"
    assert list(table) == ["ease", "**tailrank**", "item-knn", "popularity"]
    assert "1,234 people, 1,234 queries; leave-one-out. Seeds: 0, 1." in text


def test_the_commands_repeat_the_figures(results: Path, published: Path) -> None:
    text = page.build(results, published)
    models = "tailrank,ease,item-knn,popularity"
    options = f"--seed 0 --sequence-epochs 12 --models {models} --out out"
    assert f"tailrank evaluate --data amazon-beauty {options}" in text
    assert "| machine | A chip, 2 cores, Linux |" in text
    assert "| dates | 2026-01-02 |" in text


def test_losses_are_computed_from_the_figures(results: Path, published: Path) -> None:
    text = page.build(results, published)
    found = "Finding what the person took next"
    where = "amazon-beauty, leave-one-out"
    assert rows(text, found)[2:] == [
        ["ndcg@10 ↑", where, "ease .0721", "", ".0700"],
        ["recall@10 ↑", where, "ease .1442", "", ".1400"],
    ]
    [tail] = rows(text, "NDCG@10 by the target's popularity in training")[2:]
    assert tail == ["ndcg@10/tail80 ↑", where, "", "item-knn +.0005 (-.0010 to +.0020)", ".0500"]
    [cost] = rows(text, "Cost")[2:]
    assert cost[2] == "popularity 0.00, item-knn 0.50"
    assert "### Use of the catalogue\n\nNothing." in text
    assert rows(text, "Published figures above ours")[2:] == [
        ["NDCG@10", "amazon-beauty", "Leaky †", "?", ".0900", ".0700"]
    ]


def test_published_figures_stand_beside_ours_with_their_sources(results: Path, published: Path) -> None:
    text = page.build(results, published)
    cells = rows(text, "amazon-beauty, leave-one-out")
    assert ["Best", "2024", "?", "[1](#sources)", ".0600", ".1000"] in cells
    assert ["Leaky †", "2024", "?", "[1](#sources)", ".0900", "-"] in cells
    assert rows(text, "Sources")[2:] == [["1", "A paper", "README"]]
    assert rows(text, "In one table")[2][3] == ".0600 (Best)"


def test_the_published_figures_are_sound() -> None:
    listed = json.loads(page.PUBLISHED.read_text(encoding="utf-8"))["rows"]
    for row in listed:
        assert (row["dataset"], "leave-one-out") in run.SETS
        assert row["source"], row
        assert row["verified"], row
        assert row["ndcg@10"] is None or 0 < row["ndcg@10"] < row["recall@10"] < 0.2
    keys = [tuple(row[key] for key in ("dataset", "method", "source")) for row in listed]
    assert len(set(keys)) == len(keys)


def test_what_is_not_stored_has_no_section(results: Path, published: Path) -> None:
    text = page.build(results, published)
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        "## In one table",
        "## What we lose at",
        "## amazon-beauty, leave-one-out",
        "## Sources",
    ]


def test_without_figures_there_is_no_page(tmp_path: Path, published: Path) -> None:
    with pytest.raises(SystemExit, match=r"holds no evaluation.*bench\.run"):
        page.write(tmp_path, published, tmp_path)
    assert not (tmp_path / "benchmarks.md").exists()


def test_figures_that_no_run_makes_are_named(results: Path, published: Path) -> None:
    (results / "amazon-beauty").rename(results / "amazon-toys")
    with pytest.raises(SystemExit, match=r"amazon-toys.*SETS in bench/run\.py"):
        page.build(results, published)


@pytest.mark.skipif(not (page.DOCS / "benchmarks.md").exists(), reason="no figures are stored yet")
def test_the_page_is_what_the_stored_figures_give() -> None:
    text = page.build(run.RESULTS, page.PUBLISHED)
    assert (page.DOCS / "benchmarks.md").read_text(encoding="utf-8") == text, "run `make benchmarks`"


def test_a_run_keeps_its_figures_and_is_not_repeated(tmp_path: Path) -> None:
    data = tmp_path / "amazon-scientific"
    data.mkdir()
    items = {"item_id": [f"i{n}" for n in range(12)], "title": [f"thing {n}" for n in range(12)]}
    pl.DataFrame(items).write_csv(data / "items.csv")
    events = [(f"u{n // 4}", f"i{(n * n + n // 4) % 12}", n % 4) for n in range(80)]
    pl.DataFrame(events, ["user_id", "item_id", "position"], orient="row").write_csv(data / "events.csv")
    results = tmp_path / "results"
    job = ("amazon-scientific", "leave-one-out", 1)
    assert run.evaluate(*job, tmp_path, results)
    [kept] = [path for path in results.rglob("*") if path.is_file()]
    assert kept.relative_to(results).parts == ("amazon-scientific", "leave-one-out", "seed-1", "metrics.json")
    assert list(json.loads(kept.read_text())["models"]) == list(DEFAULT_MODELS)
    (data / "events.csv").write_text("damaged")
    assert run.evaluate(*job, tmp_path, results)
    assert not run.evaluate("amazon-scientific", "leave-one-out", 2, tmp_path, results)
    assert [path for path in results.rglob("*") if path.is_file()] == [kept]


def test_the_examples_in_docstrings_run() -> None:
    assert doctest.testmod(tables) == (0, doctest.testmod(tables).attempted)
