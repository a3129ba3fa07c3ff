"""`tailrank impressions` and `tailrank train --from-log`: from a server's log to tables and to weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from log_helpers import event, impression, shown, write
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.data.lists import Lists
from tailrank.errors import TailrankError
from tailrank.feedback.records import Record
from tailrank.ranking.reranker import Reranker

N_ITEMS, USERS, DAY, START = 40, 150, 86_400, 1_700_000_000


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop whose users click what the caller's recommender likes, and a log of its server."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("shop")
    names = np.array([f"i{n}" for n in range(N_ITEMS)])
    pl.DataFrame({"item_id": names, "title": ["thing"] * N_ITEMS}).write_csv(folder / "items.csv")
    records: list[Record] = []
    events = []
    for user in range(USERS):
        for day in range(6):
            ranking, at = f"{user}-{day}", START + day * DAY + user
            items, scores = rng.choice(names, 10, replace=False).tolist(), rng.normal(size=10)
            clicked = items[int(scores.argmax() if rng.random() < 0.8 else rng.integers(10))]
            one = replace(impression(ranking, items, f"u{user}", at), upstream=scores)
            records += [*shown(one), event(ranking, clicked, f"u{user}", at + 60)]
            events.append((f"u{user}", clicked, at + 60))
    pl.DataFrame(events, ["user_id", "item_id", "timestamp"], orient="row").write_csv(folder / "events.csv")
    write(folder / "log", *records)
    write(folder / "bare log", *shown(replace(impression("r", "ab"), upstream=None)))
    return folder


def run(*words: object) -> str:
    result = CliRunner().invoke(app, list(map(str, words)))
    assert result.exit_code == 0, result.output
    return result.output


def test_a_log_becomes_the_impressions_of_a_data_folder(shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "impressions.parquet"
    printed = run("impressions", shop / "log", "--out", out)
    assert printed.endswith("900 lists with 9,000 impressions, 900 of them clicked\n")
    assert set(Lists.read(out).scores) == {"score", "upstream"}
    assert "0 of them clicked" in run("impressions", shop / "log", "--out", out, "--attribution-minutes", 0.5)
    run("impressions", shop / "bare log", "--out", out)
    assert set(Lists.read(out).scores) == {"score"}


def test_train_learns_from_a_log_how_much_the_scores_of_requests_count(shop: Path, tmp_path: Path) -> None:
    words = ("train", "--data", shop, "--encoder", "none", "--fast", "--out", tmp_path / "model")
    printed = run(*words, "--from-log", shop / "log")
    assert "weights of upstream scores" in printed
    assert "unnamed +" in printed
    reranker = Reranker.load(tmp_path / "model")
    assert reranker.upstream[""] > 1
    ranked = reranker.rank([], ["i1", "i2"], scores=[0.0, 1.0], explain=True)
    assert ranked[0].item_id == "i2"


def test_a_log_that_holds_too_little_is_refused_before_anything_is_fitted(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reranker, "fit", lambda *_: pytest.fail("it was fitted"))
    write(tmp_path / "log", *shown(replace(impression("r", ["i0", "i1"], "u1"), upstream=np.ones(2))))
    words = ("train", "--data", shop, "--encoder", "none", "--fast", "--out", tmp_path / "model")
    done = CliRunner().invoke(app, [*map(str, words), "--from-log", str(tmp_path / "log")])
    assert isinstance(done.exception, TailrankError)
    assert "give at least 20 lists" in str(done.exception)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("impressions", "nowhere", "--out", "x.parquet"), "nowhere: nothing is logged there"),
        (("impressions", "{shop}/log", "--out", "x.csv"), "ends in .parquet"),
        (
            (
                "train",
                "--data",
                "{shop}",
                "--out",
                "model",
                "--encoder",
                "none",
                "--from-log",
                "{shop}/bare log",
            ),
            "no request brought scores",
        ),
    ],
)
def test_a_mistake_is_named(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], error: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [word.format(shop=shop) for word in words])
    assert isinstance(done.exception, TailrankError)
    assert error in str(done.exception)
