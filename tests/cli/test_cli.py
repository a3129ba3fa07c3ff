"""The command line on real data."""

import json
import runpy
from html import unescape
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

import tailrank
from tailrank import api
from tailrank.cli.main import app
from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError, TailrankError
from tailrank.policy.tail import TailBoost
from tailrank.ranking.counterfactual import counterfactual
from tailrank.ranking.reasons import item_titles, moved, why_there
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def folder(movielens: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 150 users of MovieLens, as CSV files of one's own."""
    folder = tmp_path_factory.mktemp("shop")
    h = movielens.histories
    events = pl.DataFrame(
        {
            "user_id": movielens.user_ids.gather(h.owners),
            "item_id": movielens.items["item_id"].gather(h.items),
            "timestamp": h.times,
        }
    ).filter(pl.Series(h.owners < 150))
    movielens.items.select("item_id", "title").write_csv(folder / "items.csv")
    events.write_csv(folder / "events.csv")
    return folder


@pytest.fixture(scope="module")
def model(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "model"
    result = run("train", "--data", folder, "--out", out, "--encoder", "none", "--fast")
    assert result.exit_code == 0, result.output
    return out


def test_the_version_is_that_of_the_package() -> None:
    assert run("--version").output == f"tailrank {tailrank.__version__}\n"


def test_the_package_runs_as_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["tailrank", "--version"])
    with pytest.raises(SystemExit, match="0"):
        runpy.run_module("tailrank", run_name="__main__")
    assert capsys.readouterr().out == f"tailrank {tailrank.__version__}\n"


def test_evaluate_writes_the_metrics_that_it_prints(folder: Path, tmp_path: Path) -> None:
    result = run(
        *("evaluate", "--data", folder, "--protocol", "temporal", "--encoder", "none", "--per-user", 3),
        *("--models", "tailrank,popularity", "--out", tmp_path, "--queries", 100),
        *("--frontier", "tail", "--groups", "title"),
    )
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert list(found["models"]) == ["tailrank", "popularity"]
    assert f"{found['models']['tailrank']['ndcg@10']:.4f}" in result.output
    assert found["queries"] == 100
    assert {point["strength"] for point in found["tradeoff"]} >= {0.0, 1.0}
    assert [curve["dial"] for curve in found["frontier"]["curves"]] == ["tail"]
    assert len(found["groups"]["tailrank"]) == 12
    groups = found["user_groups"]["popularity"]
    assert 0 < sum(group["queries"] for group in groups.values()) <= 100
    assert {"head-heavy", "tail-heavy"} <= groups.keys()
    assert groups["head-heavy"]["aplt"]["value"] == 0
    assert "Who is shown</h2>" in (tmp_path / "report.html").read_text()
    assert "Who is shown the tail</h2>" in (tmp_path / "report.html").read_text()
    assert "policies that lose at most 1.0%" in " ".join(result.output.split())
    assert "tailrank" in (tmp_path / "report.html").read_text()


def test_leave_one_out_leads_with_fair_ground(folder: Path, tmp_path: Path) -> None:
    events = pl.read_csv(folder / "events.csv").filter(pl.len().over("item_id") >= 5)
    (tmp_path / "filtered").mkdir()
    events.write_csv(tmp_path / "filtered" / "events.csv")
    (tmp_path / "filtered" / "items.csv").write_bytes((folder / "items.csv").read_bytes())
    words = ("--encoder", "none", "--models", "item-knn,popularity", "--out", tmp_path)
    result = run("evaluate", "--data", tmp_path / "filtered", *words)
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "metrics.json").read_text())
    fair = found["fair"]
    assert fair["least_count"] == 5
    assert 0 < fair["queries"] < found["queries"]
    assert fair["targets"]["tail80"] <= found["targets"]["tail80"]
    title = f"fair ground: the {fair['items']:,} items with at least 5 training interactions"
    assert result.output.index(title) < result.output.index("full ground: all 1,682 items")
    assert f"{fair['models']['item-knn']['ndcg@10']:.4f}" in result.output
    assert f"{fair['targets']['tail80']:,}" in result.output


def test_items_can_be_made_cold(folder: Path, tmp_path: Path) -> None:
    words = (
        "--protocol",
        "cold-items",
        "--seed",
        3,
        "--encoder",
        "none",
        "--models",
        "last-tfidf,popularity",
    )
    result = run("evaluate", "--data", folder, *words, "--per-user", 3, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found["protocol"].startswith("cold-items, 10% of the items with seed 3, temporal, split at")
    assert found["fair"]["targets"]["cold"] > 0
    assert found["fair"]["models"]["popularity"]["ndcg@10/cold"] == 0
    compared = {each["metric"] for each in found["fair"]["comparisons"]}
    assert {"ndcg@10/cold", "ndcg@10/warm"} <= compared
    assert "or made cold" in result.output


def test_a_stale_history_never_sees_more(folder: Path, tmp_path: Path) -> None:
    for staleness in ("0s", "1d", "frozen"):
        words = ("--protocol", "temporal", "--staleness", staleness, "--out", tmp_path / staleness)
        result = run(
            "evaluate", "--data", folder, "--fast", "--encoder", "none", "--models", "tailrank", *words
        )
        assert result.exit_code == 0, result.output
    names = [
        json.loads((tmp_path / s / "metrics.json").read_text())["protocol"] for s in ("0s", "1d", "frozen")
    ]
    assert [name.rpartition("staleness ")[2] for name in names] == ["0 s", "86400 s", "frozen"]


def test_rank_prints_what_the_library_ranks(model: Path) -> None:
    reranker = Reranker.load(model)
    expected = reranker.rank(["50", "181"], ["1", "172", "174", "210"], k=2)
    result = run("rank", "--model", model, "--history", "50,181", "--candidates", "1,172,174,210", "-k", 2)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.output.splitlines() if line.strip()[:1].isdigit()]
    assert [(row[0], row[1], row[2]) for row in rows] == [
        (str(item.rank), str(item.previous_rank), item.item_id) for item in expected
    ]


def test_rank_names_unknown_items_and_lists_repeated_ones_once(model: Path) -> None:
    result = run("rank", "--model", model, "--history", "50,lost", "--candidates", "172,nope,172")
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.output.splitlines() if line.strip()[:1].isdigit()]
    assert sorted(row[2] for row in rows) == ["172", "nope"]
    assert "(not in the model)" in result.output
    assert "left out of the history: lost" in result.output


def test_ids_may_hold_commas_and_brackets(model: Path) -> None:
    ids = ["lamp, red", "50", "[bold]", " 172"]
    one_by_one = [word for name in ids for word in ("--candidate", name)]
    past = ["--history-item", "tea, green", "--history-item", "181"]
    result = run("rank", "--model", model, *one_by_one, *past, "--scores", "4,3,2,1")
    assert result.exit_code == 0, result.output
    assert "out of the history: tea, green" in result.output
    assert all(name in result.output for name in ids)
    joined = run("rank", "--model", model, "--candidates", "50,172", "--history", "181")
    split = run(
        *("rank", "--model", model, "--candidate", "50", "--candidate", "172", "--history-item", "181")
    )
    assert joined.output == split.output


@pytest.mark.parametrize("both", [("--candidates", "50", "--candidate", "1"), ("--candidates", " , "), ()])
def test_candidates_are_given_in_one_way(model: Path, both: tuple[str, ...]) -> None:
    result = run("rank", "--model", model, "--history", "", *both)
    assert isinstance(result.exception, RequestError)
    assert "--candidate ID" in str(result.exception)


def test_a_user_of_a_data_folder_ranks_as_their_events_do(folder: Path, model: Path) -> None:
    ids = ["1", "172", "174", "210"]
    expected = Reranker.load(model).rank(Dataset.load(folder).history("1"), ids)
    words = ("rank", "--model", model, "--user", "1", "--state", folder, "--candidates", ",".join(ids))
    result = run(*words, "--explain")
    assert result.exit_code == 0, result.output
    assert all(f"{item.score:.3f}" in result.output for item in expected)
    assert "popularity" in result.output


def test_the_tail_option_lifts_the_rarer_item(model: Path) -> None:
    counts = Reranker.load(model).catalogue.counts
    ids = Reranker.load(model).catalogue.items["item_id"]
    rare, known = ids[int(counts.argmin())], ids[int(counts.argmax())]
    words = ("rank", "--model", model, "--history", "", "--candidates", f"{known},{rare}")
    first = [
        next(
            line.split()[2]
            for line in run(*words, "--tail", tail).output.splitlines()
            if line.strip()[:1] == "1"
        )
        for tail in (0, 1)
    ]
    assert first == [known, rare]


def test_scores_of_several_recommenders_go_by_their_names(model: Path) -> None:
    words = ["rank", "--model", model, "--history", "", "--candidates", "1,2,3", "--explain"]
    result = run(*words, "--scores", "als=0.1,0.2,0.9", "--scores", "ncf=3,nan,1")
    assert result.exit_code == 0, result.output
    shown = " ".join(result.output.split())
    expected = Reranker.load(model).rank(
        [], ["1", "2", "3"], scores={"als": [0.1, 0.2, 0.9], "ncf": [3, np.nan, 1]}
    )
    assert all(f"{item.score:.3f}" in shown for item in expected)


def test_reasons_in_chinese_moves_and_a_page(model: Path, tmp_path: Path) -> None:
    asked = ("rank", "--model", model, "--history", "50,181", "--candidates", "1,172,174,210,300", "-k", 3)
    page = tmp_path / "why" / "page.html"
    result = run(*asked, "--explain", "--language", "zh", "--tail", 1, "--html", page)
    assert result.exit_code == 0, result.output
    assert result.output.count("因为") == 3
    reranker = Reranker.load(model)
    request = Request(["50", "181"], ["1", "172", "174", "210", "300"], policy=(TailBoost(1),), k=3)
    found = reranker.explain(request)
    shown = unescape(page.read_text(encoding="utf-8"))
    for one in found:
        assert moved(one) in result.output
        assert moved(one) in shown
        hangs_on = counterfactual(reranker, request, one.item_id, 3)
        titles = item_titles(reranker.catalogue.items)
        assert hangs_on is None or why_there(hangs_on, titles, "zh") in shown


def test_the_page_goes_without_a_table_of_reasons(model: Path, tmp_path: Path) -> None:
    asked = ("rank", "--model", model, "--history", "50", "--candidates", "1,172")
    plain, paged = run(*asked), run(*asked, "--html", tmp_path / "page.html")
    assert paged.output == plain.output
    assert "Why these items" in (tmp_path / "page.html").read_text(encoding="utf-8")
    refused = run(*asked, "--html", tmp_path)
    assert isinstance(refused.exception, RequestError)
    assert str(refused.exception).startswith(f"--html {tmp_path}: can't be written")


@pytest.mark.parametrize("explain", [(), ("--explain",)], ids=["plain", "explained"])
def test_a_ranking_as_json_has_the_shape_of_the_api(model: Path, explain: tuple[str, ...]) -> None:
    asked = ("rank", "--model", model, "--history", "50,?", "--candidates", "1,172,nope", "--json", *explain)
    printed = json.loads(run(*asked).stdout)
    served = {"model": "movies", "took_ms": 0.0, "degraded": False}
    answer = msgspec.convert({**printed, **served}, api.Ranking)
    expected = Reranker.load(model).explain(["50", "?"], ["1", "172", "nope"])
    assert [item.id for item in answer.items] == [one.item_id for one in expected]
    assert answer.unknown_history == ["?"]
    assert ("explanation" in printed["items"][0]) == ("events" in printed) == bool(explain)
    if explain:
        assert printed["events"] == ["50"]
        assert [item["contributions"] for item in printed["items"]] == [one.contributions for one in expected]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        *(
            (
                [
                    "rank",
                    "--model",
                    "MODEL",
                    "--candidates",
                    "1",
                    "--history",
                    "",
                    "--scores",
                    "a=1",
                    "--scores",
                    bad,
                ],
                "a name of its own",
            )
            for bad in ("1", "a=2")
        ),
        (["rank", "--model", "MODEL", "--candidates", "1"], "or --user U --state PLACE"),
        (["rank", "--model", "MODEL", "--candidates", "1", "--history", "1", "--user", "1"], "either"),
        (["rank", "--model", "MODEL", "--candidates", " ,", "--history", "1"], "names no item"),
        (["rank", "--model", "MODEL", "--candidate", " ", "--history", "1"], "--candidate is empty"),
        (["rank", "--model", "MODEL", "--candidates", "1", "--history-item", ""], "--history-item is empty"),
        (["rank", "--model", "MODEL", "--candidates", "1", "--history", "", "--scores", "x"], "give numbers"),
        (["rank", "--model", "MODEL", "--candidates", "1", "--history", "", "--scores", "1,2"], "one each"),
        (["rank", "--model", "MODEL", "--candidates", "1", "--user", "nobody", "--state", "DATA"], "nobody"),
        (["rank", "--model", "no-model", "--candidates", "1", "--history", ""], "no-model"),
        (["train", "--data", "no-data", "--out", "out"], "no-data"),
        (["train", "--data", "DATA", "--out", "DATA", "--encoder", "none"], "is no model, but a data folder"),
        (["train", "--data", "DATA", "--out", f"{__file__}/model"], "can't be written to"),
        (["train", "--data", "DATA", "--out", "out", "--fast", "--sequence-epochs", "2"], "leave one out"),
        (["evaluate", "--data", "DATA", "--out", __file__], "name another"),
        (
            ["train", "--data", "DATA", "--out", "out", "--encoder", "none", "--template", "{colour}"],
            "colour",
        ),
        (["evaluate", "--data", "DATA", "--out", "out", "--models", "tailrank,magic"], "magic"),
        (
            ["evaluate", "--data", "DATA", "--out", "out", "--models", "lm-mean", "--encoder", "none"],
            "lm-mean",
        ),
        (["evaluate", "--data", "DATA", "--out", "out", "--staleness", "soon"], "soon"),
        (["evaluate", "--data", "DATA", "--out", "out", "--frontier", "magic"], "no dial to turn"),
        (["evaluate", "--data", "DATA", "--out", "out", "--frontier", ""], "no dial to turn"),
        (["evaluate", "--data", "DATA", "--out", "out", "--groups", "titel"], "did you mean `title`"),
        (
            ["evaluate", "--data", "DATA", "--out", "out", "--models", "tfidf", "--frontier", "tail"],
            "tfidf has no policies",
        ),
        (["bench", "latency", "--data", "DATA", "--model", "no-model"], "no-model"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else None,
)
def test_a_mistake_is_told_in_words(
    words: list[str], said: str, folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(folder.iterdir())
    result = run(*({"MODEL": model, "DATA": folder}.get(word, word) for word in words))
    assert isinstance(result.exception, TailrankError), result.output
    assert said in str(result.exception)
    assert not list(tmp_path.iterdir())
    assert sorted(folder.iterdir()) == before


def test_training_without_text_is_refused_once(folder: Path, tmp_path: Path) -> None:
    pl.read_csv(folder / "items.csv").select("item_id", price=1).write_csv(tmp_path / "items.csv")
    (tmp_path / "events.csv").write_bytes((folder / "events.csv").read_bytes())
    done = run("train", "--data", tmp_path, "--out", tmp_path / "model", "--fast")
    assert isinstance(done.exception, TailrankError)
    assert "give a template with your own columns (item_id, price)" in str(done.exception)
    assert "no text" not in done.output
    assert not (tmp_path / "model").exists()
