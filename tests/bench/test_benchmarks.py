"""The benchmark page: a few stored figures in, tables and charts out; nothing stored, nothing shown."""

import doctest
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import polars as pl
import pytest

from bench import page, run, scale, serving, staleness, tables
from tailrank.data.dataset import Dataset
from tailrank.evaluation.baselines import DEFAULT_MODELS
from tailrank.reporting import silent

ROOT = Path(__file__).parents[2]
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
    models: dict[str, Figures], comparisons: Sequence[object], tradeoff: Sequence[object] = ()
) -> dict[str, object]:
    settings = {"date": "2026-01-02", "processor": "A chip", "cores": 2, "system": "Linux"}
    encoder = {"encoder": "default", "encoder_sha256": "f" * 64, "versions": {"tailrank": "0.1.0"}}
    return {
        **{"dataset": "amazon-beauty", "protocol": "leave-one-out", "users": 1234, "queries": 1234},
        **{
            "models": models,
            "comparisons": comparisons,
            "tradeoff": tradeoff,
            "settings": settings | encoder,
        },
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
    text, charts = page.build(results, published)
    [_, _, *lines] = rows(text, "amazon-beauty, leave-one-out")[:6]
    table = {cells[0]: cells[1:] for cells in lines}
    assert table["ease"][:3] == ["**.0721**", "**.1442**", ".0300"]
    assert table["**tailrank**"][:3] == [".0700 ± .0007", ".1400 ± .0014", "**.0500**"]
    assert table["**tailrank**"][5] == "25.0"
    assert table["popularity"][2] == "-"
    assert list(table) == ["ease", "**tailrank**", "item-knn", "popularity"]
    assert "1,234 people, 1,234 queries; leave-one-out. Seeds: 0, 1." in text
    assert not charts


def test_the_commands_repeat_the_figures(results: Path, published: Path) -> None:
    text, _ = page.build(results, published)
    models = "tailrank,ease,item-knn,popularity"
    options = f"--seed 0 --sequence-epochs 12 --models {models} --out out"
    assert f"tailrank evaluate --data amazon-beauty {options}" in text
    assert "| machine | A chip, 2 cores, Linux |" in text
    assert "| dates | 2026-01-02 |" in text


def test_losses_are_computed_from_the_figures(results: Path, published: Path) -> None:
    text, _ = page.build(results, published)
    found = "Finding the user's next item"
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
    text, _ = page.build(results, published)
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


def test_an_ablation_compares_variants(results: Path, published: Path) -> None:
    known = {
        "ndcg@10": {"mean": 0.05, "seeds": [0.04, 0.06]},
        "ndcg@10/count=1-5": {"mean": 0.02, "seeds": [0.02]},
    }
    change = {"ndcg@10": {"mean": -0.01, "ci95": [-0.02, 0.001]}}
    variants = [
        {"group": "whole", "variant": "whole", "against": "", "figures": known, "difference": {}},
        {"group": "text", "variant": "no text", "against": "whole", "figures": known, "difference": change},
    ]
    made = {
        "seeds": [0, 1],
        "rows": variants,
        "command": "make it",
        "date": "2026-01-02",
        "processor": "A chip",
    }
    store(results, "amazon-beauty/ablation.json", ABOUT | made)
    text, charts = page.build(results, published)
    [_, _, whole, variant] = rows(text, "Ablation on amazon-beauty")
    assert whole[-1] == "-"
    assert variant == ["Text", "no text", "whole", ".0500 ± .0141", ".0200", "-.0100 (-.0200 to +.0010)"]
    assert "leave-one-out; seeds 0, 1." in text
    assert "Measured: 2026-01-02, A chip.\n\n```sh\nmake it\n```" in text
    assert drawn(text, charts) == ["benchmarks-ablation-amazon-beauty.svg"]
    assert page.build(results, published) == (text, charts)


def test_staleness_is_told_by_figure_and_model(results: Path, published: Path) -> None:
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
        contents = evaluation({"tailrank": figures(0.07, 0.05, 20.0)}, [], points)
        store(
            results,
            "/".join(("amazon-beauty", "leave-one-out-shuffled", f"seed-{seed}", "metrics.json")),
            contents,
        )
    text, charts = page.build(results, published)
    heading = "The tail dial on amazon-beauty, leave-one-out, same-day ties shuffled"
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
    assert "\n\nAlike.\n" in text
    assert rows(text, "Serving the sequence model")[2] == ["numpy", "0.45", "0.52"]
    assert not charts


def test_writing_removes_charts_that_are_gone(results: Path, published: Path, tmp_path: Path) -> None:
    (tmp_path / "benchmarks-scale.svg").write_text("old")
    page.write(results, published, tmp_path)
    assert (tmp_path / "benchmarks.md").read_text() == page.build(results, published)[0]
    assert not list(tmp_path.glob("*.svg"))


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
    text, charts = page.build(run.RESULTS, page.PUBLISHED)
    assert (page.DOCS / "benchmarks.md").read_text(encoding="utf-8") == text, "run `make benchmarks`"
    assert {path.name for path in page.DOCS.glob("benchmarks-*.svg")} == set(charts)


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


def shop(people: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Make sixty things, and people who take eight of them each, two a day."""
    items = {"item_id": [f"i{n}" for n in range(60)], "title": [f"thing {n}" for n in range(60)]}
    events = [
        (f"u{user}", f"i{(13 * user + 7 * nth) % 60}", 43_200 * nth + user)
        for user in range(people)
        for nth in range(8)
    ]
    return pl.DataFrame(items), pl.DataFrame(events, ["user_id", "item_id", "timestamp"], orient="row")


def test_late_events_change_what_ranks_by_them_and_nothing_else() -> None:
    data = Dataset.construct(*shop(40))
    found = staleness.study(data, None, ["popularity", "item-knn"], None, silent)
    points = {point["staleness"]: point["models"] for point in found["points"]}
    assert list(points) == ["0s", "1m", "1h", "1d", "frozen"]
    assert len({str(models["popularity"]) for models in points.values()}) == 1
    assert points["0s"]["item-knn"] != points["1d"]["item-knn"]
    assert found["protocol"].endswith("events a user")
    assert [point["empty"] for point in found["points"]] == [0] * 5


def test_a_smaller_size_holds_some_people_and_what_they_took(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    items, events = shop(20)
    items.write_parquet(source / "items.parquet")
    events.write_parquet(source / "events.parquet")
    scale.sampled(source, 1, target)
    some = Dataset.load(target)
    assert some.n_users == 2
    assert (some.counts > 0).all()
    for person in some.user_ids:
        assert len(some.history(person)) == 8


def test_every_runtime_serves_the_same_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "ITEMS", 40)
    monkeypatch.setattr(serving, "CALLS", 3)
    model = serving.random_model()
    timed = {row["runtime"]: row for row in serving.study(model)["rows"]}
    assert set(timed) >= {"numpy", "torch"}
    assert all(0 < row["p50_ms"] <= row["p99_ms"] for row in timed.values())
    monkeypatch.setattr(serving, "CLOSE", -1.0)
    with pytest.raises(SystemExit, match="gives another vector"):
        serving.study(model)


def test_the_examples_in_docstrings_run() -> None:
    assert doctest.testmod(tables) == (0, doctest.testmod(tables).attempted)
