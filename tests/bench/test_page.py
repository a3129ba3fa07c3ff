"""The benchmark page: a few stored results in, tables and charts out; nothing stored, nothing shown."""

import doctest
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import pytest
from bench.stored import Studies
from bench.study import RESULTS

from bench import filters, page, run
from tailrank.evaluation.report import METRICS

BEAUTY = ("amazon-beauty", "leave-one-out")
Metrics: TypeAlias = dict[str, float | None]
PUBLISHED = [
    {"method": "Best", "same_protocol": True, "ndcg@10": 0.06, "recall@10": 0.1},
    {"method": "Leaky", "same_protocol": False, "ndcg@10": 0.09, "recall@10": None},
]


def store(results: Path, name: str, contents: object) -> None:
    path = results / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(contents))


def evaluation(
    models: dict[str, Metrics], comparisons: Sequence[object], tradeoff: Sequence[object] = ()
) -> dict[str, object]:
    settings = {
        **{"date": "2026-01-02", "processor": "A chip", "cores": 2, "system": "Linux"},
        **{"encoders": {"semantic": {"name": "default", "sha256": "f" * 64}}, "versions": {"tailrank": "1"}},
    }
    return {
        **{"dataset": "amazon-beauty", "protocol": "leave-one-out", "users": 1234, "queries": 1234},
        **{"models": models, "comparisons": comparisons, "tradeoff": tradeoff, "settings": settings},
    }


def against(b: str, metric: str, low: float, high: float) -> dict[str, object]:
    return {"a": "tailrank", "b": b, "metric": metric, "difference": (low + high) / 2, "ci95": [low, high]}


def metrics(ndcg: float, tail: float | None, seconds: float) -> Metrics:
    return {"ndcg@10": ndcg, "recall@10": 2 * ndcg, "ndcg@10/tail80": tail, "fit_seconds": seconds}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """One data set: tailrank with two seeds, three other models with the first of them."""
    folder = tmp_path / "results"
    first = {
        "tailrank": metrics(0.0695, 0.05, 20.0),
        "ease": metrics(0.0721, 0.03, 90.0),
        "item-knn": metrics(0.0401, 0.0495, 0.5),
        "popularity": metrics(0.0101, None, 0.0),
    }
    pairs = [
        against("ease", "ndcg@10", -0.004, -0.001),
        against("ease", "ndcg@10/tail80", 0.01, 0.03),
        against("item-knn", "ndcg@10", 0.02, 0.04),
        against("item-knn", "ndcg@10/tail80", -0.001, 0.002),
    ]
    store(folder, "/".join((*BEAUTY, "seed-0", "metrics.json")), evaluation(first, pairs))
    second = {"tailrank": metrics(0.0705, 0.05, 30.0)}
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
    text, charts = page.build(results, published)
    [_, _, *lines] = rows(text, "amazon-beauty, leave-one-out")[:6]
    table = {cells[0]: cells[1:] for cells in lines}
    assert table["ease"][:3] == ["**.0721**", "**.1442**", ".0300"]
    assert table["**tailrank**"][:3] == [".0700 ± .0007", ".1400 ± .0014", "**.0500**"]
    assert table["**tailrank**"][5] == "25.0"
    assert table["popularity"][2] == "-"
    assert list(table) == ["ease", "**tailrank**", "item-knn", "popularity"]
    assert "1,234 users, 1,234 queries; leave-one-out. Seeds: 0, 1." in text
    assert not charts


def test_the_commands_repeat_the_evaluations(results: Path, published: Path) -> None:
    text, _ = page.build(results, published)
    models = "tailrank,ease,item-knn,popularity"
    options = f"--seed 0 --sequence-epochs 12 --models {models} --out out"
    assert f"tailrank evaluate --data amazon-beauty {options}" in text
    assert "| machine | A chip, 2 cores, Linux |" in text
    assert "| dates | 2026-01-02 |" in text


def test_losses_are_computed_from_the_metrics(results: Path, published: Path) -> None:
    text, _ = page.build(results, published)
    found = next(iter(METRICS))
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
    assert rows(text, "Published metrics above ours")[2:] == [
        ["NDCG@10", "amazon-beauty", "Leaky †", "?", ".0900", ".0700"]
    ]


def test_published_metrics_stand_beside_ours_with_their_sources(results: Path, published: Path) -> None:
    text, _ = page.build(results, published)
    cells = rows(text, "amazon-beauty, leave-one-out")
    assert ["Best", "2024", "?", "[1](#sources)", ".0600", ".1000"] in cells
    assert ["Leaky †", "2024", "?", "[1](#sources)", ".0900", "-"] in cells
    assert rows(text, "Sources")[2:] == [["1", "A paper", "README"]]
    assert rows(text, "In one table")[2][3] == ".0600 (Best)"


def test_the_published_metrics_are_sound() -> None:
    listed = json.loads(page.PUBLISHED.read_text(encoding="utf-8"))["rows"]
    for row in listed:
        assert (row["dataset"], "leave-one-out") in run.SETS
        assert row["source"], row
        assert row["verified"], row
        assert row["ndcg@10"] is None or 0 < row["ndcg@10"] < row["recall@10"] < 0.2
    keys = [tuple(row[key] for key in ("dataset", "method", "source")) for row in listed]
    assert len(set(keys)) == len(keys)


def test_what_is_not_stored_has_no_section(results: Path, published: Path) -> None:
    text, _ = page.build(results, published)
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        "## In one table",
        "## What we lose at",
        "## amazon-beauty, leave-one-out",
        "## Sources",
    ]


ABOUT = {"dataset": "amazon-beauty", "protocol": "leave-one-out"}


def drawn(text: str, charts: dict[str, str]) -> list[str]:
    """Name the charts, each of which must stand in the page and be SVG."""
    assert all(f"]({name})" in text and svg.startswith("<?xml") for name, svg in charts.items())
    return sorted(charts)


def row_of(name: str, mean: float) -> dict[str, object]:
    known = {metric: {"mean": mean, "seeds": [mean - 0.01, mean + 0.01]} for metric in QUERIES}
    change = {"ndcg@10/cold": {"mean": -0.01, "ci95": [-0.02, 0.001]}}
    return {"variant": name, "metrics": known, "difference": {"everything": change, "TF-IDF only": {}}}


QUERIES = {"ndcg@10": 1000, "ndcg@10/tail80": 800, "ndcg@10/cold": 50}


def test_an_ablation_compares_variants(results: Path, published: Path) -> None:
    measured = [row_of("TF-IDF only", 0.02), row_of("everything", 0.05)]
    ground = {"protocol": "leave-one-out", "least_count": 5, "queries": QUERIES, "rows": measured}
    made = {"seeds": [0, 1], "sequence_epochs": 0, "command": "make it", "date": "2026-01-02"}
    grounds = [{"title": "fair ground", **ground}, {"title": "cold items", **ground}]
    stored = ABOUT | made | {"processor": "A chip", "grounds": grounds}
    store(results, "amazon-beauty/ablation.json", stored)
    text, charts = page.build(results, published)
    [_, _, queries, words, everything] = rows(text, "amazon-beauty, fair ground")
    assert queries[:4] == ["queries", "1,000", "800", "50"]
    assert everything[:2] == ["everything", ".0500 ± .0141"]
    assert everything[4:] == ["-"] * 4
    assert words[4:] == ["-", "-.0100 (-.0200 to +.0010)", "-", "-"]
    assert "items with at least 5 events in training, or made cold; seeds 0, 1; without the sequence" in text
    assert "Measured: 2026-01-02, A chip.\n\n```sh\nmake it\n```" in text
    assert drawn(text, charts) == ["benchmarks-ablation.svg"]
    assert page.build(results, published) == (text, charts)


def test_encoders_are_compared_by_size(results: Path, published: Path) -> None:
    sizes = {"TF-IDF only": 0, "default": 22_713_216, "large": 109_486_464}
    curve = [{**row_of(name, 0.05), "encoder": name, "parameters": size} for name, size in sizes.items()]
    made = {"seeds": [0], "least_count": 5, "queries": QUERIES, "rows": curve}
    store(results, "amazon-beauty/encoders.json", ABOUT | made)
    text, charts = page.build(results, published)
    assert "Weights: default 22,713,216, large 109,486,464." in text
    assert [row[0] for row in rows(text, "amazon-beauty, by encoder")[2:]] == ["queries", *sizes]
    assert drawn(text, charts) == ["benchmarks-encoders.svg"]


def test_staleness_is_told_by_metric_and_model(results: Path, published: Path) -> None:
    late = [
        {
            "staleness": name,
            "empty": empty,
            "models": {"tailrank": {"ndcg@10": value, "ndcg@10/tail80": None}},
        }
        for name, empty, value in (("0s", 0.01, 0.1), ("1d", 0.25, 0.08))
    ]
    store(results, "amazon-beauty/staleness.json", ABOUT | {"points": late})
    text, charts = page.build(results, published)
    assert rows(text, "What freshness is worth on amazon-beauty")[2:] == [
        ["empty histories", "", "1%", "25%"],
        ["NDCG@10", "tailrank", ".1000", ".0800"],
        ["tail", "tailrank", "-", "-"],
    ]
    assert drawn(text, charts) == ["benchmarks-staleness-amazon-beauty.svg"]


def test_the_frontier_is_that_of_the_lowest_seed(results: Path, published: Path) -> None:
    for seed, shift in ((1, 0.01), (2, 0.5)):
        points = [
            {
                "strength": strength,
                "metrics": dict.fromkeys(("ndcg@10/tail80", "ndcg@10/count=1-5"), strength)
                | {"ndcg@10": 0.07 - shift * strength, "aplt@10": 0.3},
            }
            for strength in (0.0, 0.5)
        ]
        contents = evaluation({"tailrank": metrics(0.07, 0.05, 20.0)}, [], points)
        store(
            results,
            "/".join(("amazon-beauty", "leave-one-out-shuffled", f"seed-{seed}", "metrics.json")),
            contents,
        )
    text, charts = page.build(results, published)
    heading = "Tail strength on amazon-beauty, leave-one-out, same-day ties shuffled"
    assert rows(text, heading)[3] == ["0.5", ".0650", ".5000", ".5000", ".3000"]
    assert drawn(text, charts) == ["benchmarks-frontier-amazon-beauty-leave-one-out-shuffled.svg"]


def test_re_ranking_is_told_by_retriever(results: Path, published: Path) -> None:
    orders = {"als": {"ndcg@10": 0.02}, "tailrank": {"ndcg@10": 0.04}}
    lists = [{"retriever": "als", "ceiling": 0.3, "models": orders}]
    store(results, "amazon-beauty/reranking.json", ABOUT | {"lists": lists})
    text, _ = page.build(results, published)
    assert rows(text, "Re-ranking on amazon-beauty")[3] == ["als", "tailrank", ".3000", ".0400"]


def test_what_grows_faster_than_the_data_is_marked(results: Path, published: Path) -> None:
    costs = ("peak_mb", "rank_ms_per_user", "rank_1000_ms_per_user")
    points = [
        {"factor": factor, "events": 1000 * factor, "items": 10 * factor, **dict.fromkeys(costs, factor**0.5)}
        | {"steps": {"signals": float(factor), "fusion": 2.0 * factor**1.5}}
        for factor in (1, 10)
    ]
    store(results, "scale.json", {"points": points, "seed": 0})
    text, charts = page.build(results, published)
    lines = {cells[0]: cells[1:] for cells in rows(text, "Cost as the data grow")[2:]}
    assert lines["events"][:2] == ["1,000", "10,000"]
    assert lines["signals, s"][:3] == ["1.00", "10.0", "1.00"]
    assert lines["fusion, s"] == ["2.00", "63.2", "1.50", "worse than linear"]
    assert lines["peak memory, MB"][2] == "0.50"
    assert "**Worse than linear (above 1.1): fusion, s.**" in text
    assert "Measured: seed 0." in text
    assert drawn(text, charts) == ["benchmarks-scale.svg"]


def test_speed_is_told_beside_others(results: Path, published: Path) -> None:
    epoch = {"d": 128, "length": 50, "loss": "softmax", "batch_events": 1024, "threads": 1, "note": "Alike."}
    ours = {"tailrank_seconds": 5.0, "tailrank_events": 10_000}
    theirs = {"rectools_seconds": 20.0, "rectools_events": 8_000}
    store(results, "epoch.json", ABOUT | epoch | ours | theirs)
    store(results, "serving.json", {"rows": [{"runtime": "numpy", "p50_ms": 0.45, "p99_ms": 0.52}]})
    text, charts = page.build(results, published)
    assert rows(text, "One epoch of the sequence model")[2:] == [
        ["**tailrank**", "5.00", "2,000", "0.25"],
        ["RecTools", "20.0", "400", "1.00"],
    ]
    assert " Alike.\n" in text
    assert rows(text, "Serving the sequence model")[2] == ["numpy", "0.45", "0.52"]
    assert not charts


def test_writing_removes_charts_that_are_gone(results: Path, published: Path, tmp_path: Path) -> None:
    (tmp_path / "benchmarks-scale.svg").write_text("old")
    page.write(results, published, tmp_path)
    assert (tmp_path / "benchmarks.md").read_text() == page.build(results, published)[0]
    assert not list(tmp_path.glob("*.svg"))


def test_without_evaluations_there_is_no_page(tmp_path: Path, published: Path) -> None:
    with pytest.raises(SystemExit, match=r"holds no evaluation.*bench run"):
        page.write(tmp_path, published, tmp_path)
    assert not (tmp_path / "benchmarks.md").exists()


def test_evaluations_that_no_run_makes_are_named(results: Path, published: Path) -> None:
    (results / "amazon-beauty").rename(results / "amazon-toys")
    with pytest.raises(SystemExit, match=r"amazon-toys.*SETS in bench/run\.py"):
        page.build(results, published)


@pytest.mark.skipif(not (page.DOCS / "benchmarks.md").exists(), reason="no results are stored yet")
def test_the_page_is_what_the_stored_results_give() -> None:
    text, charts = page.build(RESULTS, page.PUBLISHED)
    assert (page.DOCS / "benchmarks.md").read_text(encoding="utf-8") == text, "run `make benchmarks`"
    assert {path.name for path in page.DOCS.glob("benchmarks-*.svg")} == set(charts)


def service_sections(results: Path) -> list[str]:
    """Fill in the sections about the server."""
    text = page.render("service.md.j2", studies=Studies(results))
    return re.split(r"^(?=## )", text, flags=re.M)[1:] or [text]


def test_measurements_of_the_server_are_told(tmp_path: Path) -> None:
    assert service_sections(tmp_path) == ["\n"]
    row = {
        "p50_ms": 0.8,
        "p99_ms": 1.2,
        "codec_ms": 0.1,
        "state_ms": 0.02,
        "model_ms": 0.5,
        "framework_ms": 0.18,
    }
    rate = {"connections": 16, "p50_ms": 7.0, "p99_ms": 11.0}
    overload = {"offered_per_s": 6600.0, "accepted_per_s": 2000.0, "shed": 0.7}
    events = {"events": 1000, "events_per_s": 31_234.5, **rate}
    fresh = {"checked": 100, "misses": 3}
    size = {"disk_mb": 680.0, "compacted_mb": 650.0, "own_mb": 20.0, "files_mb": 600.0, **row}
    framework = {"framework": "ASGI", "server": "uvicorn", "requests_per_s": 2500.0, **row}
    stored = {
        "serving-http": {
            "100": row,
            "alive": {"p50_ms": 0.05, "p99_ms": 0.1},
            "command": "tailrank bench http",
        },
        "serving-throughput": {
            "candidates": 100,
            "closed": {"requests_per_s": 2300.0, "not_200": 5, **rate},
            "closed, after an event": {"requests_per_s": 1300.0, "not_200": 1, **rate},
            "overload": overload | rate,
        },
        "serving-ingest": {
            **{"batches": events, "singles": events, "killed": {"acknowledged": 1000, "lost": 2}},
            **{"fresh": fresh, "fresh, 2 workers": {**fresh, "misses": 0}},
        },
        "serving-state": {"1000000": size},
        "frameworks": {"rows": [framework]},
    }
    for name, contents in stored.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(contents))
    http, throughput, ingest, state, frameworks = service_sections(tmp_path)
    assert "| 100 | 0.80 | 1.20 | 0.50 | 0.02 | 0.10 | 0.18 |" in http
    assert "takes 0.05 ms" in http
    assert http.endswith("```sh\ntailrank bench http\n```\n\n")
    assert "| 16 | 2,300 | - | - | - | 7.00 | 11.0 |" in throughput
    assert "| the same after an event | 16 | 1,300 |" in throughput
    assert "of which 6 were refusals" in throughput
    assert "| 16 | - | 6,600 | 2,000 | 70% | 7.00 | 11.0 |" in throughput
    assert "of 1,000 acknowledged events, 2 were missing" in ingest
    assert "3 of them missed the event with one worker, 0 with two" in ingest
    assert "| 1,000,000 | 680 | 650 | 20.0 | 600 | 0.80 | 1.20 |" in state
    assert "| ASGI | uvicorn | 0.80 | 1.20 | 2,500 |" in frameworks


def test_the_examples_in_docstrings_run() -> None:
    assert doctest.testmod(filters).failed == 0
