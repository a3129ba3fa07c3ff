"""Lists of another system are judged by what users chose, and its scores weighed beside tailrank's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.data.dataset import Dataset
from tailrank.data.lists import Lists
from tailrank.errors import DataError
from tailrank.evaluation.list_reranking import OURS, WITH_SCORES
from tailrank.evaluation.occasions import plan
from tailrank.evaluation.own_lists import OWN, judge
from tailrank.metrics.lists import list_metrics
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings

N_ITEMS, USERS = 40, 150
DAY = 86_400
START = 1_700_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Users who choose at random, and lists of ten of which the one with a high score is clicked."""
    rng = np.random.default_rng(0)
    out = tmp_path_factory.mktemp("lists") / "shop"
    out.mkdir()
    pl.DataFrame({"item_id": [f"i{n}" for n in range(N_ITEMS)], "title": ["thing"] * N_ITEMS}).write_csv(
        out / "items.csv"
    )
    events, shown = [], []
    for user in range(USERS):
        for day in range(6):
            moment = START + day * DAY + user
            candidates = rng.choice(N_ITEMS, 10, replace=False)
            scores = rng.normal(size=10)
            clicked = int(scores.argmax()) if rng.random() < 0.8 else int(rng.integers(10))
            for position, (item, score) in enumerate(zip(candidates, scores, strict=True)):
                hit = position == clicked
                shown.append((f"{user}-{day}", f"u{user}", moment, f"i{item}", position, hit, score))
            events.append((f"u{user}", f"i{candidates[clicked]}", moment + 60))
    columns = ["ranking_id", "user_id", "timestamp", "item_id", "position", "clicked", "score"]
    pl.DataFrame(events, ["user_id", "item_id", "timestamp"], orient="row").write_csv(out / "events.csv")
    pl.DataFrame(shown, columns, orient="row").write_parquet(out / "impressions.parquet")
    return out


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return Dataset.load(folder)


@given(st.lists(st.booleans(), min_size=2, max_size=15).filter(any))
def test_metrics_are_those_of_scikit_learn(relevant: list[bool]) -> None:
    hits, scores = np.array(relevant), -np.arange(len(relevant))
    found = list_metrics(hits, int(hits.sum()))
    assert found.ndcg == pytest.approx(ndcg_score(hits[None].astype(int), scores[None], k=10))
    assert found.recall == pytest.approx(hits[:10].sum() / hits.sum())
    assert found.reciprocal_rank == pytest.approx(1 / (1 + relevant.index(True)))


def test_what_a_teacher_learned_from_the_choices_ranks_no_list(folder: Path, dataset: Dataset) -> None:
    table = pl.DataFrame({"item_id": ["i0"], "neighbour": ["i1"], "score": [1.0]})
    planned = plan(Lists.impressions(folder), replace(dataset, taught=table), seed=0)
    assert planned.early.taught is planned.late.taught is None
    assert planned.measured


def test_what_the_list_misses_lowers_its_metrics() -> None:
    whole, half = list_metrics(np.array([True]), 1), list_metrics(np.array([True]), 2)
    assert (whole.ndcg, whole.recall) == (1, 1)
    assert half.recall == 0.5
    assert half.ndcg == pytest.approx(1 / (1 + 1 / np.log2(3)))
    assert list_metrics(np.zeros(3, bool), 1) == (0, 0, 0)


def test_clicked_lists_are_measured_after_what_is_learned_from(folder: Path, dataset: Dataset) -> None:
    found = judge(Lists.impressions(folder), dataset, None)
    about = found.settings["lists"]
    assert isinstance(about, dict)
    assert (about["lists"], about["measured"], about["ceiling"]) == (6 * USERS, 3 * USERS, 1.0)
    assert about["chosen"] == "what the user clicked"
    assert about["weights"]["score"] > 1
    metrics = {name: each["ndcg@10"] or 0 for name, each in found.full.models.items()}
    assert metrics[WITH_SCORES] > metrics[OWN] + 0.2
    assert metrics[WITH_SCORES] == pytest.approx(metrics["by score"], abs=0.05)
    compared = {(each.a, each.b): each for each in found.full.comparisons if each.metric == "ndcg@10"}
    assert compared[WITH_SCORES, OWN].ci95[0] > 0
    assert json.loads(found.to_json())["models"][OURS]["mrr"] > 0


def test_lists_without_times_are_judged_by_the_last_event_of_other_users(dataset: Dataset) -> None:
    h = dataset.histories
    rows = [
        (user, f"i{item}", float(f"i{item}" == dataset.item_ids[h.items[h.offsets[code + 1] - 1]]))
        for code, user in enumerate(dataset.user_ids)
        for item in range(20)
    ]
    lists = Lists.from_frame(pd.DataFrame(rows, columns=["user_id", "item_id", "als"]))
    found = judge(lists, dataset, None)
    about = found.settings["lists"]
    assert isinstance(about, dict)
    assert about["measured"] + about["learned_from"] == about["lists"] == USERS
    assert about["own_order"] == "the scores of als"
    assert found.full.models[OWN]["recall@10"] == pytest.approx(about["ceiling"])
    assert about["ceiling"] < 1
    assert found.full.models[WITH_SCORES]["mrr"] == pytest.approx(about["ceiling"], abs=0.02)


def test_items_that_the_data_do_not_know_are_named(folder: Path, dataset: Dataset) -> None:
    lists = Lists.impressions(folder)
    renamed = replace(lists, items=[["new", *items[1:]] for items in lists.items])
    about = judge(renamed, dataset, None).settings["lists"]
    assert isinstance(about, dict)
    assert (about["unknown_items"], about["unknown_examples"]) == (1, ["new"])


def test_users_that_the_data_do_not_know_are_named(folder: Path, dataset: Dataset) -> None:
    lists = Lists.impressions(folder)
    few = replace(lists, users=["new" if user == "u7" else user for user in lists.users])
    about = judge(few, dataset, None).settings["lists"]
    assert isinstance(about, dict)
    assert (about["users"], about["unknown_users"], about["unknown_user_examples"]) == (USERS, 1, ["new"])
    assert "1 of 150 users aren't in events" in about["doubts"][0]
    none = replace(lists, users=[f"shop-{user}" for user in lists.users])
    about = judge(none, dataset, None).settings["lists"]
    assert isinstance(about, dict)
    assert "NONE of the 150 users is in events" in about["doubts"][0]
    assert "such as 'u0'; the lists have 'shop-u0'" in about["doubts"][0]
    with pytest.raises(DataError, match=r"0 of 900 lists can be measured.*NONE of the 150 users"):
        judge(replace(none, clicked=None), dataset, None)


def test_why_lists_are_not_measured_is_said(folder: Path, dataset: Dataset) -> None:
    lists = Lists.impressions(folder)
    assert lists.clicked is not None
    clicked = [hits & (row >= 3 * 6) for row, hits in enumerate(lists.clicked)]
    about = judge(replace(lists, clicked=clicked), dataset, None).settings["lists"]
    assert isinstance(about, dict)
    assert about["not_measured"]["without a click"] == 18
    assert sum(about["not_measured"].values()) == about["lists"] - about["measured"]


def test_lists_from_the_future_are_doubted_and_a_clean_table_is_not(folder: Path) -> None:
    shown = pl.read_parquet(folder / "impressions.parquet")
    assert not Lists.from_frame(shown).doubts
    future = Lists.from_frame(shown.with_columns(pl.col("timestamp") + 100 * 365 * DAY))
    assert future.doubts[0].startswith("timestamp in the future (9000): row 1 has 48")


def test_lists_that_do_not_go_with_the_data_are_refused_with_the_cause(
    folder: Path, dataset: Dataset
) -> None:
    lists = Lists.impressions(folder)
    assert lists.times is not None
    with pytest.raises(DataError, match=r"all of them are of 2023-11-17 05:46 UTC\. Give each list the time"):
        judge(replace(lists, times=np.full(len(lists), START + 2 * DAY + 27_200.0)), dataset, None)
    with pytest.raises(DataError, match="no event of shop is before the lists from 2023-10-"):
        judge(replace(lists, times=lists.times - 30 * DAY), dataset, None)
    with pytest.raises(
        DataError, match="no item of the lists is in items of shop: they have 'x0', items has 'i0'"
    ):
        judge(replace(lists, items=[[f"x{n}" for n in range(10)]] * len(lists)), dataset, None)
    with pytest.raises(DataError, match="holds what its user chose"):
        judge(replace(lists, clicked=None, items=[["i1", *"abcdefghi"]] * len(lists)), dataset, None)


def test_a_recommender_that_found_nothing_gives_no_scores(tmp_path: Path) -> None:
    file = tmp_path / "lists.csv"
    file.write_text("user_id,item_id,als,bpr\nu,a,0.5,\nu,b,,\n")
    lists = Lists.read(file)
    assert list(lists.scores) == ["als"]
    assert lists.doubts == ["columns without any score (1): bpr. They are left out."]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            {"user_id": ["u", "u"], "item_id": ["a", "b"], "ranking_id": ["r", "r"], "position": [0, 0]},
            r"two items at one position \(2\): row 1 has 'r'.* Give every item of a list a position",
        ),
        (
            {"user_id": ["u", "u"], "item_id": ["a", "b"], "position": [0, 0]},
            "Several lists with the same user_id need a ranking_id",
        ),
        ({"user_id": ["u"], "item_id": ["a"], "shelf": ["top"]}, "shelf is String, row 1 has 'top'"),
        (
            {"user_id": ["u", "u"], "item_id": ["a", "b"], "score": ["0.5", "nan"]},
            "score is String, row 2 has 'nan'",
        ),
        ({"user_id": ["u"], "item_id": ["a"], "score": [True]}, "score is Boolean"),
        ({"user_id": ["u"], "item_id": ["a"], "als": [np.inf]}, "als holds infinity"),
        (
            {"user_id": ["u", "v"], "item_id": ["a", "b"], "ranking_id": ["r", "r"]},
            "lists with several user_id",
        ),
        ({"item_id": ["a"]}, "missing columns"),
    ],
)
def test_a_table_that_holds_no_lists_is_refused(table: dict[str, list[object]], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Lists.from_frame(pl.DataFrame(table))


def test_an_item_that_occurs_again_counts_once_by_its_first_place() -> None:
    table = {"user_id": ["u"] * 3, "item_id": ["a", "b", "a"], "clicked": [False, False, True]}
    lists = Lists.from_frame(pl.DataFrame(table))
    assert lists.items == [["a", "b"]]
    assert "items that are in their list again (1): row 3 has 'a'" in lists.doubts[0]
    assert lists.clicked is not None
    assert lists.clicked[0].tolist() == [True, False]


def test_what_cannot_be_judged_is_refused(dataset: Dataset) -> None:
    clicks = pl.DataFrame({"user_id": ["u1", "u1"], "item_id": ["i1", "i2"], "clicked": [True, False]})
    with pytest.raises(DataError, match="`clicked` need a `timestamp`"):
        judge(Lists.from_frame(clicks), dataset, None)
    with pytest.raises(DataError, match="no order to judge"):
        judge(Lists.from_frame(clicks.head(1).drop("clicked")), dataset, None)
    with pytest.raises(DataError, match="at least 20 lists"):
        judge(Lists.from_frame(clicks.drop("clicked")), dataset, None)


def run(*words: object) -> str:
    result = CliRunner().invoke(app, list(map(str, words)))
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_judges_a_file_and_the_impressions_of_a_folder(folder: Path, tmp_path: Path) -> None:
    words = ("evaluate", "--data", folder, "--encoder", "none", "--fast")
    printed = run(*words, "--candidates", "impressions", "--out", tmp_path / "shown")
    assert "no order can do better" in printed.replace("\n", " ")
    assert "Not measured: 450 of the earlier half by time" in " ".join(printed.split())
    assert "Weights of the scores" in printed
    assert (tmp_path / "shown" / "report.html").exists()
    assert run(*words, "--candidates", folder / "impressions.parquet", "--out", tmp_path / "file")
    same = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("shown", "file")]
    assert same[0]["models"][WITH_SCORES]["ndcg@10"] == same[1]["models"][WITH_SCORES]["ndcg@10"]
    bad = tmp_path / "bad.csv"
    bad.write_text("user_id,item_id\nu0,i1\n,i2\n")
    dropping = [*words, "--candidates", bad, "--drop-bad", tmp_path / "dropped.csv", "--out", tmp_path]
    refused = CliRunner().invoke(app, list(map(str, dropping)))
    assert "row 2 has None" in str(refused.exception)
    assert "--drop-bad leaves out rows of items and events, not of lists" in str(refused.exception)
    refused = CliRunner().invoke(
        app, [*map(str, words), "--candidates", "impressions", "--models", "tfidf", "--out", str(tmp_path)]
    )
    assert refused.exit_code != 0
    assert "--models doesn't go with --candidates" in str(refused.exception)


def test_train_learns_how_much_shown_scores_count(folder: Path, tmp_path: Path) -> None:
    printed = run("train", "--data", folder, "--encoder", "none", "--fast", "--out", tmp_path / "model")
    assert "weights of upstream scores, learned from" in printed
    reranker = Reranker.load(tmp_path / "model")
    assert reranker.upstream["score"] > 1
    assert reranker.settings == Settings(template="{title}")
