"""The benchmark page: a few stored results in, tables and charts out; nothing stored, nothing shown."""

import doctest
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TypeAlias

import pytest
from bench.stored import Studies
from bench.study import RESULTS
from bench.summary import with_figures

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
        **{"date": "2026-01-02", "processor": "A chip", "cores": 2, "system": "Linux", "sequence_epochs": 12},
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
    text, _, charts = page.build(results, published)
    [_, _, *lines] = rows(text, "amazon-beauty, leave-one-out")[:7]
    table = {cells[0]: cells[1:] for cells in lines}
    assert table["ease"][:3] == ["**.0721**", "**.1442**", ".0300"]
    assert table["**tailrank**"][:3] == [".0700 ± .0007", ".1400 ± .0014", "**.0500**"]
    assert table["**tailrank**"][3] == "25.0"
    assert table["popularity"][2] == "-"
    assert list(table) == ["ease", "**tailrank**", "item-knn", "popularity", "queries"]
    assert "1,234 users, 1,234 queries; leave-one-out. Seeds: 0, 1. Epochs of the sequence" in text
    assert "model, by seed: 12, 12. Measured: 2026-01-02, by an earlier build" in text
    assert not charts


def test_the_commands_repeat_the_evaluations(results: Path, published: Path) -> None:
    text, _, _ = page.build(results, published)
    models = "tailrank,ease,item-knn,popularity"
    options = f"--seed 0 --sequence-epochs 12 --models {models} --out out"
    assert f"tailrank evaluate --data amazon-beauty {options}" in text
    assert "| machine | A chip, 2 cores, Linux |" in text
    assert "| dates | 2026-01-02 |" in text


def test_losses_are_computed_from_the_metrics(results: Path, published: Path) -> None:
    text, _, _ = page.build(results, published)
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
    text, _, _ = page.build(results, published)
    cells = rows(text, "amazon-beauty, leave-one-out")
    assert ["Best", "2024", "?", "[1](#sources)", ".0600", ".1000"] in cells
    assert ["Leaky †", "2024", "?", "[1](#sources)", ".0900", "-"] in cells
    assert rows(text, "Sources")[2:] == [["1", "A paper", "README"]]
    assert rows(text, "In short")[-1][4] == ".0600 (Best)"


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
    text, _, _ = page.build(results, published)
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        "## In short",
        "## Where tailrank loses",
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
    text, _, charts = page.build(results, published)
    [_, _, queries, words, everything] = rows(text, "amazon-beauty, fair ground")
    assert queries[:4] == ["queries", "1,000", "800", "50"]
    assert everything[:2] == ["everything", ".0500 ± .0141"]
    assert everything[4:] == ["-"] * 4
    assert words[4:] == ["-", "-.0100 (-.0200 to +.0010)", "-", "-"]
    assert "items with at least 5 events in training, or made cold; seeds 0, 1; without the sequence" in text
    assert "Measured: 2026-01-02, A chip.\n\n```sh\nmake it\n```" in text
    assert drawn(text, charts) == ["benchmarks-ablation.svg"]
    assert page.build(results, published)[::2] == (text, charts)


def test_encoders_are_compared_by_size(results: Path, published: Path) -> None:
    sizes = {"TF-IDF only": 0, "default": 22_713_216, "large": 109_486_464}
    curve = [{**row_of(name, 0.05), "encoder": name, "parameters": size} for name, size in sizes.items()]
    costs = {"core_seconds": 31.6, "tunings": 2, "learned": 1}
    curve[1]["tuned"] = row_of("default, tuned", 0.06) | {"encoder": "default, tuned", **costs}
    made = {"seeds": [0], "least_count": 5, "queries": QUERIES, "rows": curve}
    store(results, "amazon-beauty/encoders.json", ABOUT | made)
    text, _, charts = page.build(results, published)
    assert "a tuning, by row: 32. Of 2 tunings 1 ranked validation better" in text
    assert "Weights: default 22,713,216, large 109,486,464." in text
    first = [row[0] for row in rows(text, "amazon-beauty, by encoder") if row[0] not in ("encoder", "---")]
    assert first == ["queries", *sizes, "queries", "default, tuned"]
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
    text, _, charts = page.build(results, published)
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
    text, _, charts = page.build(results, published)
    heading = "Tail strength on amazon-beauty, leave-one-out, same-day ties shuffled"
    assert rows(text, heading)[3] == ["0.5", ".0650", ".5000", ".5000", ".3000"]
    assert drawn(text, charts) == ["benchmarks-frontier-amazon-beauty-leave-one-out-shuffled.svg"]


def test_re_ranking_is_told_by_retriever(results: Path, published: Path) -> None:
    orders = {"als": {"ndcg@10": 0.02}, "tailrank": {"ndcg@10": 0.04}}
    lists = [{"retriever": "als", "ceiling": 0.3, "models": orders}]
    store(results, "amazon-beauty/reranking.json", ABOUT | {"lists": lists})
    text, _, _ = page.build(results, published)
    assert rows(text, "Re-ranking on amazon-beauty")[3] == ["als", "tailrank", ".3000", ".0400"]


def test_what_grows_faster_than_the_data_is_marked(results: Path, published: Path) -> None:
    costs = ("peak_mb", "rank_ms_per_user", "rank_1000_ms_per_user")
    points = [
        {"factor": factor, "events": 1000 * factor, "items": 10 * factor, **dict.fromkeys(costs, factor**0.5)}
        | {"steps": {"signals": float(factor), "fusion": 2.0 * factor**1.5}}
        for factor in (1, 10)
    ]
    store(results, "scale.json", {"points": points, "seed": 0})
    text, _, charts = page.build(results, published)
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
    text, _, charts = page.build(results, published)
    assert rows(text, "One epoch of the sequence model")[2:] == [
        ["**tailrank**", "5.00", "2,000", "0.25"],
        ["RecTools", "20.0", "400", "1.00"],
    ]
    assert " Alike.\n" in text
    assert rows(text, "Serving the sequence model")[2] == ["numpy", "0.45", "0.52"]
    assert not charts


def test_writing_removes_charts_that_are_gone(results: Path, published: Path, tmp_path: Path) -> None:
    docs, *readmes = (tmp_path / name for name in ("docs", *page.READMES))
    docs.mkdir()
    (docs / "benchmarks-scale.svg").write_text("old")
    for readme in readmes:
        readme.write_text("Before\n<!-- figures -->\nOld\n<!-- /figures -->\nAfter\n")
    page.write(results, published, tmp_path)
    text, figures, _ = page.build(results, published)
    assert (docs / "benchmarks.md").read_text() == text
    assert not list(docs.glob("*.svg"))
    for readme in readmes:
        assert readme.read_text() == f"Before\n<!-- figures -->\n{figures}<!-- /figures -->\nAfter\n"
    readme.write_text("No marks")
    with pytest.raises(SystemExit, match="mark once what is generated"):
        page.write(results, published, tmp_path)


def test_without_evaluations_there_is_no_page(tmp_path: Path, published: Path) -> None:
    with pytest.raises(SystemExit, match=r"holds no evaluation.*bench run"):
        page.write(tmp_path, published, tmp_path)
    assert not (tmp_path / "docs").exists()


def on_ground(
    models: dict[str, Metrics], queries: int, targets: dict[str, int], low: float
) -> dict[str, object]:
    """Give what is stored of one ground; tailrank is better than `lm` by `low` or more, in the tail too."""
    pairs = [against("lm", metric, low, low + 0.01) for metric in ("ndcg@10", "ndcg@10/tail80")]
    measured = {"models": models, "comparisons": pairs, "tradeoff": []}
    return {"users": queries, "queries": queries, "items": 10 * queries, "targets": targets, **measured}


def test_a_difference_may_be_chance_unless_all_seeds_agree(tmp_path: Path, published: Path) -> None:
    models = {"tailrank": metrics(0.12, 0.06, 1.0), "lm": metrics(0.1, 0.05, 1.0)}
    for seed, (all_low, tail_low) in enumerate([(0.01, 0.01), (0.02, -0.02)]):
        pairs = [
            against("lm", metric, low, low + 0.02)
            for metric, low in (("ndcg@10", all_low), ("ndcg@10/tail80", tail_low))
        ]
        store(tmp_path, f"two/movielens-100k/temporal/seed-{seed}/metrics.json", evaluation(models, pairs))
    text, figures, _ = page.build(tmp_path / "two", published)
    assert rows(text, "movielens-100k, temporal")[-2:] == [
        ["lm", "NDCG@10", "tailrank is better", "+.0250 (+.0100 to +.0400)"],
        ["lm", "tail", "may be chance", "+.0050 (-.0200 to +.0300)"],
    ]
    assert figures.splitlines()[-2:] == [
        "|all, movielens-100k² ‡|.1200|-|.1000 lm|",
        "|tail, movielens-100k² ‡|.0600|-|≈.0500 lm|",
    ]


@pytest.fixture
def two_grounds(tmp_path: Path) -> Path:
    """Scientific on two grounds, which differ in who is better, and with items made cold."""
    folder = tmp_path / "two"
    for protocol, made in (("leave-one-out", {}), ("cold-items", {"cold": 7, "warm": 73})):
        groups: Metrics = {f"ndcg@10/{group}": 0.04 for group in made}
        fair = {
            "tailrank": metrics(0.12, 0.06, 1.0) | groups,
            "without-lm": metrics(0.13, 0.07, 1.0) | groups,
            "lm": metrics(0.1, 0.065, 1.0) | groups,
        }
        full = {name: values | {"ndcg@10": (values["ndcg@10"] or 0) - 0.02} for name, values in fair.items()}
        about = evaluation({}, []) | {"dataset": "amazon-scientific", "protocol": protocol}
        known = {"least_count": 5, **on_ground(fair, 80, {"tail80": 30, **made}, -0.001)}
        everything = on_ground(full, 100, {"tail80": 40, **made}, 0.001)
        path = f"amazon-scientific/{protocol}/seed-0/metrics.json"
        store(folder, path, about | everything | {"fair": known})
    return folder


def test_fair_ground_leads_and_full_ground_stands_beside_what_is_published(
    two_grounds: Path, tmp_path: Path
) -> None:
    about = {"dataset": "amazon-scientific", "year": 2024, "source": "A paper", "verified": "", "remark": ""}
    store(tmp_path, "published.json", {"rows": [about | PUBLISHED[0]]})
    text, _, _ = page.build(two_grounds, tmp_path / "published.json")
    section = "amazon-scientific, leave-one-out, fair ground"
    assert text.index(f"### {section}\n") < text.index("### amazon-scientific, leave-one-out, full ground\n")
    assert "Only the 800 items compete that have at least 5 training interactions, for the 80 queries" in text
    assert rows(text, section)[3][:4] == ["**tailrank**", ".1200", ".2400", ".0600"]
    assert rows(text, section)[5] == ["queries", "80", "80", "30", "-"]
    beside = rows(text, "amazon-scientific, leave-one-out, full ground")
    assert ["Best", "2024", "", "[1](#sources)", ".0600", ".1000"] in beside
    assert not any("Best" in cells for cells in rows(text, section))
    assert "amazon-scientific, cold items, fair ground\n\nOnly the 800 items compete" in text
    assert "5 training interactions, or were made cold, for" in text
    lost = rows(text, next(iter(METRICS)))[2:]
    assert [cells[1:3] for cells in lost if cells[0] == "ndcg@10 ↑"] == [
        [section, "without-lm .1300"],
        ["amazon-scientific, leave-one-out, full ground", "without-lm .1100"],
        ["amazon-scientific, cold items, fair ground", "without-lm .1300"],
        ["amazon-scientific, cold items, full ground", "without-lm .1100"],
    ]


def test_the_page_says_first_what_is_lost(two_grounds: Path, published: Path) -> None:
    text, _, _ = page.build(two_grounds, published)
    short = text[text.index("## In short") : text.index("## Where tailrank loses")]
    blocks = [part.splitlines()[2:] for part in short.split("\n\n") if part.startswith("|")]
    doubts, judged, cold, full = ([line.strip("| ").split(" | ") for line in block] for block in blocks)
    fair = "amazon-scientific, leave-one-out, fair ground"
    assert doubts[0] == ["all targets", fair, "without-lm .1300", "lm +.0040 (-.0010 to +.0090)", ".1200"]
    in_tail = ["30", ".0600", ".0700", ".0650 (lm)"]
    assert judged == [[fair, "12", "80", ".1200", ".1300", ".1000 (lm)", *in_tail]]
    values = [".0400", ".0400", ".0400 (lm)"]
    assert cold == [["amazon-scientific, cold items, fair ground", "12", "7", *values, "73", *values]]
    assert full[0][:4] == ["amazon-scientific, leave-one-out, full ground", "12", ".1000", ".0800 (lm)"]
    assert "‡" not in text


def test_the_readmes_table_begins_with_the_largest_loss(two_grounds: Path, published: Path) -> None:
    _, figures, _ = page.build(two_grounds, published)
    assert [line.strip("|").split("|") for line in figures.splitlines()[2:]] == [
        ["tail, amazon-scientific¹", ".0600", ".0700", "≈.0650 lm"],
        ["all, amazon-scientific¹", ".1200", ".1300", "≈.1000 lm"],
        ["cold, amazon-scientific¹", ".0400", ".0400", ".0400 lm"],
    ]


def test_a_lead_without_doubt_is_said(tmp_path: Path, published: Path) -> None:
    models = {"tailrank": metrics(0.12, 0.06, 1.0), "lm": metrics(0.1, 0.05, 1.0)}
    contents = evaluation({}, []) | on_ground(models, 9, {"tail80": 4}, 0.001) | {"fair": None}
    store(tmp_path, "sure/movielens-100k/temporal/seed-0/metrics.json", contents)
    text, figures, _ = page.build(tmp_path / "sure", published)
    assert "## In short\n\ntailrank leads all other models in the next tables" in text
    assert "movielens-100k, temporal | 12 | 9 | .1200 | - | .1000 (lm) | 4 |" in text
    last = figures.splitlines()[-2:]
    assert last == ["|all, movielens-100k¹|.1200|-|.1000 lm|", "|tail, movielens-100k¹|.0600|-|.0500 lm|"]


def test_seeds_of_two_builds_are_not_averaged(two_grounds: Path, published: Path) -> None:
    store(two_grounds, "amazon-scientific/leave-one-out/seed-1/metrics.json", evaluation({}, []))
    with pytest.raises(SystemExit, match=r"leave-one-out: an earlier build made seed-1: remove or repeat"):
        page.build(two_grounds, published)


def test_evaluations_that_no_run_makes_are_named(results: Path, published: Path) -> None:
    (results / "amazon-beauty").rename(results / "amazon-toys")
    with pytest.raises(SystemExit, match=r"amazon-toys.*SETS in bench/run\.py"):
        page.build(results, published)


@cache
def real_page() -> tuple[str, str, dict[str, str]]:
    return page.build(RESULTS, page.PUBLISHED)


def test_the_page_and_the_readmes_are_what_the_stored_results_give() -> None:
    text, figures, charts = real_page()
    docs = page.ROOT / "docs"
    assert (docs / "benchmarks.md").read_text(encoding="utf-8") == text, "run `make benchmarks`"
    for name in page.READMES:
        readme = (page.ROOT / name).read_text(encoding="utf-8")
        assert with_figures(readme, figures) == readme, "run `make benchmarks`"
    assert {path.name for path in docs.glob("benchmarks-*.svg")} == set(charts)


def test_every_row_of_a_table_has_as_many_cells(two_grounds: Path, published: Path) -> None:
    for text, figures, _ in (page.build(two_grounds, published), real_page()):
        for table in re.findall(r"(?:^\|.*\n)+", text + "\n" + figures, re.M):
            assert len({row.count("|") for row in table.splitlines()}) == 1, table


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
            "within 5 ms": {"candidates": 2000, "degraded": 0.01, "p50_ms": 3.1, "p99_ms": 4.9},
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
    assert "2,000 candidates within 5 ms, 1% came back" in http
    assert http.endswith("```sh\ntailrank bench http\n```\n\n")
    assert "| 16 | 2,300 | - | - | - | 7.00 | 11.0 |" in throughput
    assert "| the same after an event | 16 | 1,300 |" in throughput
    assert "of which 6 were refusals" in throughput
    assert "| 16 | - | 6,600 | 2,000 | 70% | 7.00 | 11.0 |" in throughput
    assert "of 1,000 acknowledged events, 2 were missing" in ingest
    assert "3 of them missed the event with one worker, 0 with two" in ingest
    assert "| 1,000,000 | 680 | 650 | 20.0 | 600 | 0.80 | 1.20 |" in state
    assert "| ASGI | uvicorn | 0.80 | 1.20 | 2,500 |" in frameworks


def test_what_learning_loses_is_told_first(tmp_path: Path) -> None:
    def told() -> str:
        return page.render("feedback.md.j2", studies=Studies(tmp_path))

    assert told() == "\n"

    def way(gain: float, half: float) -> dict[str, object]:
        over_seeds = {"mean": gain, "ci95": [gain - half, gain + half], "seeds": [gain, gain]}
        return {"clicks": 0.3, "gain_percent": over_seeds, "regret": over_seeds} | {
            "gain_percent_users_ci95": None
        }

    ways = {"frozen": way(0, 0), "online": way(-0.4, 0.1), "linucb": way(-0.4, 0.5)}
    one = {"dataset": "shop", "visits": 9, "users": 3, "protocol": "temporal"}
    sets = [one | {"scenarios": {"nothing shifts": ways}}]
    store(tmp_path, "learning.json", {"rankings": 1_000, "published_every": 25, "sets": sets})
    exposure = {name: {"top10": 0.1, "mean_rank": 9.0} for name in ("before", "undefended", "defended")}
    attack = {"seed": 0, "made_up": 9, "false_alarms": 0.0, **exposure}
    attacks = [
        attack | {"attack": "flood", "share": 0.05, "recall": 1.0},
        attack | {"attack": "average", "share": 0.01, "recall": 0.2},
    ]
    found = {"dataset": "shop", "clean": {"users": 90, "flagged": 0}, "rows": attacks}
    store(tmp_path, "shop/shilling.json", found)
    text = told()
    assert "- shop, nothing shifts: online -0.50 to -0.30%\n\n" in text
    assert "linucb -0.90" not in text.partition("| data set |")[0]
    assert text.count("nothing shifts |") == 3
    assert "are found:** average 1%.\n" in text
    assert [cells[0] for cells in rows(text, "Made-up users in shop")[2:]] == ["average", "flood"]


def test_the_examples_in_docstrings_run() -> None:
    assert doctest.testmod(filters).failed == 0
