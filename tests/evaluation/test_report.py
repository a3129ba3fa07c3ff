"""The two files of an evaluation."""

import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tailrank.errors import RequestError
from tailrank.evaluation.charts import near_tradeoff
from tailrank.evaluation.report import higher_model, price_of_exposure, render, summary
from tailrank.evaluation.results import Comparison, Evaluation, Ground, TradeoffPoint
from tailrank.evaluation.runner import write
from tailrank.metrics.beyond_accuracy import exposure
from tailrank.metrics.full_ranking import Outcome, measure, per_query
from tailrank.metrics.popularity import target_groups
from tailrank.metrics.significance import paired_bootstrap
from tailrank.ranking.fusion import Fusion

VOID = {"meta", "path", "use", "br", "link", "img", "input"}
NAUGHTY = '<script>alert("$x^2$")</script>'


class Page(HTMLParser):
    """Checks that tags nest, and keeps attributes and visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data.strip())


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    """Popularity, and a model that finds the target more often, on 40 users and 30 items."""
    rng = np.random.default_rng(0)
    counts = rng.geometric(0.1, 30) - 1
    targets, users = rng.integers(0, 30, 40, dtype=np.int32), np.arange(40, dtype=np.int32)
    scores = {"popularity": np.tile(counts + rng.random(30), (40, 1)), NAUGHTY: rng.random((40, 30))}
    scores[NAUGHTY][users, targets] += 0.5
    outcomes = {
        name: Outcome.from_scores(score.astype(np.float32), targets) for name, score in scores.items()
    }
    metrics = {
        name: measure(outcome, targets, counts) | {"fit_seconds": 0.5, "rank_ms_per_user": 0.1}
        for name, outcome in outcomes.items()
    }
    found = paired_bootstrap(per_query(outcomes[NAUGHTY]), per_query(outcomes["popularity"]), users)
    assert found is not None
    ground = Ground(
        users=40,
        queries=40,
        items=30,
        targets={name: int(items[targets].sum()) for name, items in target_groups(counts).items()},
        models=metrics,
        comparisons=[Comparison(NAUGHTY, "popularity", "ndcg@10", found.mean, (found.low, found.high))],
        tradeoff=[
            TradeoffPoint(0.0, metrics[NAUGHTY]),
            TradeoffPoint(1.0, metrics[NAUGHTY] | {"aplt@10": 0.9}),
        ],
        intervals={NAUGHTY: {"ndcg@10": (0.1234, 0.5678)}},
        exposure={name: exposure(outcome.top, 30) for name, outcome in outcomes.items()},
    )
    return Evaluation(
        dataset="tea & coffee",
        protocol="leave-one-out",
        settings={"seed": 0, "versions": {"numpy": np.__version__}, "l2": np.float32(0.5)},
        counts=counts,
        full=ground,
        fusion=Fusion(
            (NAUGHTY, "lexical"),
            np.arange(8, dtype=np.float32).reshape(2, 2, 2) - 3,
            np.zeros((2, 2), np.float32),
            0,
        ),
    )


def test_the_page_is_well_formed_and_loads_nothing(evaluation: Evaluation) -> None:
    page = Page(render(evaluation))
    assert not page.open
    assert not {"script", "link", "img", "iframe", "image"} & set(page.tags)
    loaded = [value for name, value in page.attributes if name in {"src", "href", "xlink:href", "srcset"}]
    assert loaded
    assert all(value.startswith("#") for value in loaded)
    assert not re.findall(r"@import|url\((?!#)", render(evaluation))
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in loaded} <= set(ids)


def test_names_are_escaped_and_still_read(evaluation: Evaluation) -> None:
    html = render(evaluation)
    assert "<script" not in html
    assert Page(html).text.count(NAUGHTY) >= 3
    assert "tea & coffee" in Page(html).text
    assert "0.1234 to 0.5678" in Page(html).text


def test_each_chart_has_a_title_and_each_table_a_caption(evaluation: Evaluation) -> None:
    page = Page(render(evaluation))
    assert page.attributes.count(("role", "img")) == 3
    assert page.tags.count("title") == 1 + 3
    assert page.tags.count("caption") == page.tags.count("table") == 5


def test_colours_follow_the_theme_and_text_stays_text(evaluation: Evaluation) -> None:
    html = render(evaluation)
    assert "prefers-color-scheme: dark" in html
    assert "var(--colour-02)" in html
    assert "#0a00" not in html
    assert {"all", "tail80", "n = 40", "NDCG@10"} <= set(Page(html).text)


def test_the_price_of_the_tail_stands_there_in_numbers_too(evaluation: Evaluation) -> None:
    points = [
        TradeoffPoint(0.0, {"ndcg@10": 0.2, "ndcg@10/tail80": 0.1, "aplt@10": 0.05}),
        TradeoffPoint(1.0, {"ndcg@10": 0.15, "ndcg@10/tail80": None, "aplt@10": 0.4}),
    ]
    first, last = price_of_exposure(replace(evaluation.full, tradeoff=points))
    assert (first.change, first.share, first.tail) == ("+0.0%", "5.0%", 0.1)
    assert (last.strength, last.change, last.share, last.tail) == ("1", "-25.0%", "40.0%", None)


def test_a_model_that_would_squeeze_the_trade_off_is_named_instead_of_drawn(evaluation: Evaluation) -> None:
    models: dict[str, dict[str, float | None]] = {
        "near": {"ndcg@10": 0.1, "aplt@10": 0.5},
        "far": {"ndcg@10": 0.01, "aplt@10": 0.5},
    }
    points = [TradeoffPoint(at, {"ndcg@10": 0.1 - at / 50, "aplt@10": 0.3 + at / 2}) for at in (0.0, 1.0)]
    ground = replace(evaluation.full, models=models, tradeoff=points, intervals={}, exposure={})
    assert list(near_tradeoff(ground)) == ["near"]
    assert "Too far off to be drawn: far (0.0100 at 50%)." in render(replace(evaluation, full=ground))


def test_the_same_evaluation_gives_the_same_page(evaluation: Evaluation) -> None:
    assert render(evaluation) == render(evaluation)


def test_what_was_not_measured_is_not_shown(evaluation: Evaluation) -> None:
    ground = replace(evaluation.full, exposure={}, comparisons=[], tradeoff=[])
    bare = replace(evaluation, full=ground, fusion=None)
    page = Page(render(bare))
    assert "Quality by popularity" in page.text
    assert not {"What fusion learned", "The price of exposure", "Is it more than chance?"} & set(page.text)


def test_an_evaluation_without_queries_says_so(evaluation: Evaluation) -> None:
    empty = measure(
        Outcome(np.zeros(0, np.int32), np.zeros((0, 10), np.int32)), np.zeros(0, np.int32), evaluation.counts
    )
    ground = Ground(0, 0, 30, dict.fromkeys(target_groups(evaluation.counts), 0), {"popularity": empty})
    nothing = replace(evaluation, full=ground)
    assert "no query" in summary(nothing)
    assert "—" in Page(render(nothing)).text


def test_the_summary_names_the_leader_the_tail_and_the_doubt() -> None:
    models: dict[str, dict[str, float | None]] = {
        "old": {"ndcg@10": 0.10, "ndcg@10/tail80": 0.06},
        "new": {"ndcg@10": 0.12, "ndcg@10/tail80": 0.05},
    }
    unsure = Comparison("new", "old", "ndcg@10/tail80", -0.01, (-0.02, 0.01))
    intervals = {"new": {"ndcg@10": (0.11, 0.13)}}
    ground = Ground(1, 9, 3, {"tail80": 4}, models, [unsure], intervals=intervals)
    page = Evaluation("d", "p", {}, np.zeros(3, np.int64), ground)
    told = (
        "all 9 targets new leads with NDCG@10 0.1200 (0.1100 to 0.1300) against 0.1000 of old (+20%); for "
        "the 4 in the tail old leads with NDCG@10 0.0600 against 0.0500 of new (+20%), which may be chance."
    )
    assert summary(page) == f"For {told}"
    tilted = replace(ground, models={"old": {"ndcg@10": 1.0}})
    assert summary(replace(page, full=tilted, fair=ground)) == f"On fair ground, for {told}"


@pytest.mark.parametrize(("low", "doubt"), [(0.09, True), (0.11, False)])
def test_two_models_that_were_not_compared_are_judged_by_their_intervals(low: float, doubt: bool) -> None:
    models: dict[str, dict[str, float | None]] = {"a": {"ndcg@10": 0.12}, "b": {"ndcg@10": 0.08}}
    intervals = {"a": {"ndcg@10": (low, 0.2)}, "b": {"ndcg@10": (0.05, 0.1)}}
    ground = Ground(1, 9, 3, {}, models, intervals=intervals)
    page = Evaluation("d", "p", {}, np.zeros(3, np.int64), ground)
    assert ("may be chance" in summary(page)) is doubt


def test_a_loss_is_as_plain_as_a_win() -> None:
    conclusions = [
        higher_model(Comparison("a", "b", "ndcg@10", sum(ends) / 2, ends))
        for ends in ((0.1, 0.2), (-0.2, -0.1), (-0.1, 0.1))
    ]
    assert conclusions == ["a is higher", "b is higher", "may be chance"]


def test_files_hold_the_contract(evaluation: Evaluation, tmp_path: Path) -> None:
    models = evaluation.full.models | {"odd": {"ndcg@10": float("nan"), "mrr": None}}
    odd = replace(evaluation, full=replace(evaluation.full, models=models))
    write(odd, tmp_path / "new" / "folder")
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == [
        "metrics.json",
        "report.html",
    ]
    text = (tmp_path / "new" / "folder" / "metrics.json").read_text()
    found = json.loads(text, parse_constant=pytest.fail)
    assert {
        "dataset",
        "protocol",
        "users",
        "queries",
        "items",
        "targets",
        "models",
        "comparisons",
        "tradeoff",
        "intervals",
        "fair",
        "settings",
    } == found.keys()
    assert found["fair"] is None
    assert found["models"]["odd"] == {"ndcg@10": None, "mrr": None}
    assert found["models"]["popularity"] == evaluation.full.models["popularity"]
    assert found["comparisons"][0]["ci95"] == list(evaluation.full.comparisons[0].ci95)
    assert found["settings"] == {"seed": 0, "versions": {"numpy": np.__version__}, "l2": 0.5}
    assert (tmp_path / "new" / "folder" / "report.html").read_text() == render(odd)


def test_fair_ground_comes_first_with_what_it_is_and_how_many_queries_it_has(evaluation: Evaluation) -> None:
    fair = replace(evaluation.full, queries=31, items=22, targets=evaluation.full.targets | {"tail80": 17})
    both = replace(evaluation, fair=fair, least_count=5)
    text = " ".join(Page(render(both)).text)
    first = text.index("Fair ground: the 22 items with at least 5 training interactions.")
    assert first < text.index("Full ground: all 30 items.")
    assert text.count("Is it more than chance?") == 2
    assert re.search(r"ndcg@10 ↑\s+Hits[^.]*\.\s+31\s", text)
    assert re.search(r"ndcg@10/tail80 ↑\s+Target[^.]*\.\s+17\s", text)
    found = json.loads(both.to_json())
    assert {"least_count": 5, "queries": 31, "items": 22}.items() <= found["fair"].items()
    assert found["queries"] == 40


def test_where_fair_ground_has_no_query_the_full_one_is_shown(evaluation: Evaluation) -> None:
    nothing = replace(evaluation, fair=replace(evaluation.full, queries=0), least_count=5)
    assert render(nothing) == render(evaluation)


def test_a_folder_that_is_a_file_is_named(evaluation: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(RequestError, match=r"out.*name another folder"):
        write(evaluation, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_failed_write_leaves_the_old_file(evaluation: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").mkdir()
    with pytest.raises(RequestError, match="name another folder"):
        write(evaluation, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


def test_a_missing_package_is_named_and_the_metrics_are_kept(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "tailrank.evaluation.report")
    with pytest.raises(RequestError, match=r"jinja2.*tailrank\[report\]"):
        write(evaluation, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]
