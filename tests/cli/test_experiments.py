"""`tailrank experiments`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.errors import TailrankError
from tailrank.feedback.assignment import Experiment
from tailrank.feedback.interleaving import team_draft

DAY = 86_400


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["experiments", *map(str, arguments)])


def refusal(*arguments: object) -> str:
    done = call(*arguments)
    assert isinstance(done.exception, TailrankError), done.output
    return str(done.exception)


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    """Give the log of an experiment whose treatment has more clicks."""
    rng = np.random.default_rng(0)
    experiment = Experiment("new-fusion", {"control": 1, "treatment": 1})
    users = [f"u{n}" for n in rng.integers(0, 3000, 12_000)]
    treated = np.array([experiment.variant(user) == "treatment" for user in users])
    return pl.DataFrame(
        {
            "user_id": users,
            "variant": np.where(treated, "treatment", "control"),
            "timestamp": 1.7e9 + np.arange(12_000) * 30,
            "clicks": rng.poisson(np.where(treated, 0.6, 0.5)),
            "bought": rng.random(12_000) < 0.1,
            "latency_ms": rng.normal(30, 10, 12_000),
        }
    )


@pytest.fixture
def log(table: pl.DataFrame, tmp_path: Path) -> Path:
    table.write_csv(tmp_path / "log.csv")
    return tmp_path / "log.csv"


def test_the_report_decides_and_says_why(log: Path) -> None:
    done = call("--log", log, "--guardrail", "latency_ms<=5", "--guardrail", "bought>=-0.05")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert "ship" in lines
    assert any(line.startswith("  clicks differs by +0.1") and line.endswith("better.") for line in lines)
    assert any(line.startswith("  passed   latency_ms <= +5 is kept") for line in lines)
    assert [line.split()[0] for line in lines if line.startswith("  2023-")] == [
        "2023-11-14",
        "2023-11-15",
        "2023-11-16",
        "2023-11-17",
        "2023-11-18",
        "2023-11-19",
    ]


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_programs_get_the_same_of_every_format(table: pl.DataFrame, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"log.{ending}"
    getattr(table, {"csv": "write_csv", "parquet": "write_parquet", "jsonl": "write_ndjson"}[ending])(file)
    done = call("--log", file, "--metric", "bought", "--json")
    found = json.loads(done.output)
    assert found["verdict"] == "hold"
    assert found["effect"]["metric"] == "bought"
    bought = table.group_by("variant").agg(pl.col("bought").mean()).sort("variant")["bought"]
    assert [found["effect"][side] for side in ("control", "treatment")] == pytest.approx(bought.to_list())
    assert found["days"][0]["difference"]["low"] is None
    assert len(found["days"]) == 6


def test_variants_have_names_and_weights(table: pl.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "log.parquet"
    table.with_columns(
        variant=pl.col("variant").replace({"control": "old", "treatment": "new"})
    ).write_parquet(file)
    assert "variants are new, old. Two are compared: name them" in refusal("--log", file)
    assert json.loads(call("--log", file, "--variants", "old,new", "--json").output)["verdict"] == "ship"
    assert json.loads(call("--log", file, "--variants", "new,old", "--json").output)["verdict"] == "roll back"
    uneven = json.loads(call("--log", file, "--variants", "old=9,new=1", "--json").output)
    assert uneven["verdict"] == "hold"
    assert "of planned 9 : 1" in uneven["reasons"][0]


def test_interleaved_rankings_are_decided_too(tmp_path: Path) -> None:
    rng, items = np.random.default_rng(0), [f"i{n}" for n in range(10)]
    rows = []
    for n in range(3000):
        worse = rng.permutation(items).tolist()
        shown = team_draft(worse, items, experiment="new-fusion", ranking_id=f"r{n}", k=5)
        a, b = shown.credits({item for item in shown.items if rng.random() < 0.5 - int(item[1]) / 20})
        rows.append((f"u{n % 700}", 1.7e9 + n * 60, a, b))
    file = tmp_path / "log.jsonl"
    pl.DataFrame(rows, ["user_id", "timestamp", "clicks_a", "clicks_b"], orient="row").write_ndjson(file)
    found = json.loads(call("--log", file, "--json").output)
    assert found["verdict"] == "ship"
    assert found["effect"]["treatment"] > found["effect"]["control"]
    assert "no metric 'purchases_a'" in refusal("--log", file, "--metric", "purchases")
    assert "interleaved, so users see both sides: tail_share needs" in refusal(
        "--log", file, "--guardrail", "tail_share>=0"
    )
    assert "interleaved, so users see both sides: old needs" in refusal(
        "--log", file, "--variants", "old,new"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--metric", "click"], "no metric 'click': did you mean `clicks`?"),
        (["--metric", "revenue"], "no metric 'revenue': there are `clicks`, `bought`, `latency_ms`"),
        (["--guardrail", "latency<=5"], "no metric 'latency': did you mean `latency_ms`?"),
        (["--metric", "timestamp"], "no metric 'timestamp': there are `clicks`"),
        (["--guardrail", "user_id>=0"], "no metric 'user_id': there are `clicks`"),
        (["--guardrail", "latency_ms"], "write METRIC>=DIFFERENCE"),
        (["--variants", "control=0,treatment=1"], "write a name and a weight from 1e-09"),
        (["--variants", "control=1e308,treatment=1e308"], "a weight from 1e-09 to 1e+09"),
        (["--variants", "control=x,treatment=1"], "write a name and a weight from 1e-09"),
        (["--variants", "control,treatmnt"], "control, treatment, none is treatmnt. Two are compared"),
        (["--variants", ""], "Two are compared: name them, the control first"),
        (["--variants", "treatment"], "Two are compared: name them, the control first"),
    ],
)
def test_what_the_log_hasnt_got_is_named(log: Path, options: list[str], message: str) -> None:
    assert message in refusal("--log", log, *options)


def test_a_broken_log_is_refused_by_file_and_row(table: pl.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    assert "log.csv: there is no such file" in refusal("--log", file)
    table.drop("timestamp").write_csv(file)
    assert "missing columns (1): timestamp" in refusal("--log", file)
    table.with_columns(
        clicks=pl.when(pl.int_range(pl.len()) == 4).then(pl.lit("many")).otherwise("clicks")
    ).write_csv(file)
    assert "missing or unreadable clicks (1): row 5 has 'many'" in refusal("--log", file)
    huge = pl.when(pl.int_range(pl.len()) == 4).then(1e90).otherwise(pl.col("clicks").cast(float))
    table.with_columns(clicks=huge).write_csv(file)
    assert "(1): row 5 has '1e+90'. clicks holds numbers within ±1e+15" in refusal("--log", file)
    table.with_columns(variant=pl.when(pl.int_range(pl.len()) != 2).then("variant")).write_csv(file)
    assert "missing or unreadable variant (1): row 3" in refusal("--log", file)
