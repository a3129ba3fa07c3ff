"""What a log says of two models that were compared live."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from log_helpers import NOW, event, impression, shown, write
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.errors import TailrankError
from tailrank.feedback.experiments import DAY
from tailrank.feedback.interleaved_outcomes import InterleavedOutcomes
from tailrank.feedback.live_outcomes import Comparison, comparisons, live_outcomes, read_comparison
from tailrank.feedback.log_tables import HOURS, impressions, read_log, rolled_files
from tailrank.feedback.records import NOT_COMPARED, Compared, ShownRecord
from tailrank.feedback.roll_over import roll_over
from tailrank.feedback.split_outcomes import SplitOutcomes

PAIR = ("old@1", "new@2")
ITEMS = ["a", "b", "c", "d"]


def ranked(
    name: str, variant: str, user: str = "ada", at: float = NOW, teams: tuple[int, ...] = ()
) -> ShownRecord:
    [record] = shown(impression(name, ITEMS, user, at))
    tail = None if teams else 0.25
    fields = Compared(PAIR, variant, teams, tail)._asdict() if variant else NOT_COMPARED._asdict()
    return msgspec.structs.replace(record, **fields)


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """Log rankings of three users, of whom one comes from before the comparison."""
    write(
        tmp_path,
        ranked("r0", ""),
        ranked("r1", "control", "ada", NOW + 1),
        ranked("r2", "challenger", "ben", NOW + 2),
        ranked("r3", "challenger", "ben", NOW + 3),
        event("1", "a", "ada", ranking="r1"),
        event("2", "b", "ada", ranking="r1"),
        event("3", "b", "ada", ranking="r1", type_="purchase"),
        event("4", "a", "ben", ranking="r3", type_="hide"),
        event("5", "d", "ben", ranking="r3"),
        event("5", "d", "ben", ranking="r3"),
        event("6", "c", "ada", ranking="r0"),
    )
    return tmp_path


def test_users_who_were_split_have_a_row_a_ranking(split: Path) -> None:
    log = read_log(split)
    [which] = comparisons(log)
    assert which == Comparison(*PAIR, "split", 3, NOW + 1, NOW + 3)
    found = live_outcomes(log, which, ["clicks", "dislikes", "purchase", "tail_share"], (2.0, 1.0))
    assert isinstance(found, SplitOutcomes)
    assert found.names == PAIR
    assert found.weights == (2.0, 1.0)
    order = np.argsort(found.times)
    assert found.users[order].tolist() == [0, 1, 1]
    assert found.treated[order].tolist() == [False, True, True]
    assert {name: column[order].tolist() for name, column in found.metrics.items()} == {
        "clicks": [2, 0, 1],
        "dislikes": [0, 0, 1],
        "purchase": [1, 0, 0],
        "tail_share": [0.25, 0.25, 0.25],
    }


def test_interleaved_rankings_have_credits(tmp_path: Path) -> None:
    teams = (-1, 1, 0, 1)
    write(
        tmp_path,
        *(ranked(f"r{n}", "interleaved", at=NOW + n, teams=teams) for n in range(3)),
        *(event(f"{item}0", item, ranking="r0") for item in "abd"),
        *(event(f"{item}1", item, ranking="r1") for item in "ac"),
    )
    log = read_log(tmp_path)
    [which] = comparisons(log)
    found = live_outcomes(log, which)
    assert isinstance(found, InterleavedOutcomes)
    assert found.credits[np.argsort(found.times)].tolist() == [2, -1, 0]
    with pytest.raises(TailrankError, match="users see both sides: dislikes needs `serve --compare split`"):
        live_outcomes(log, which, ["clicks", "dislikes"])
    with pytest.raises(TailrankError, match="users see both sides: tail_share needs"):
        live_outcomes(log, which, ["tail_share"])


def test_what_was_rolled_over_counts_too_and_earlier_logs_are_read(split: Path) -> None:
    roll_over(split, 1e6, 1)
    for file in rolled_files(split, "shown"):  # as a version without comparisons wrote it
        kept = pl.read_parquet(file).filter(ranking_id="r0").drop(*Compared._fields)
        kept.with_columns(ranking_id=pl.lit("r9")).write_parquet(file.with_name(f"0{file.name}"))
    assert len(rolled_files(split, "shown")) == 2
    log = read_log(split)
    assert {each.ranking_id for each in impressions(log.shown.collect())} == {"r0", "r1", "r2", "r3", "r9"}
    assert [each.rankings for each in comparisons(log)] == [3]
    assert (split / HOURS).is_dir()


def test_a_record_of_an_earlier_version_is_read() -> None:
    record = msgspec.msgpack.decode(msgspec.msgpack.encode(ranked("r1", "control")))
    names = [each.name for each in msgspec.structs.fields(ShownRecord)]
    [earlier] = msgspec.convert([record[: names.index(Compared._fields[0])]], list[ShownRecord])
    assert Compared(*(getattr(earlier, name) for name in Compared._fields)) == NOT_COMPARED


def call(folder: Path, *options: str) -> Any:
    done = CliRunner().invoke(app, ["experiments", "--log", str(folder), *options])
    if isinstance(done.exception, TailrankError):
        return str(done.exception)
    assert done.exit_code == 0, done.output
    return json.loads(done.output) if "--json" in options else done.output


def test_the_command_decides_what_was_compared_last(split: Path) -> None:
    found = call(split, "--json")
    assert (found["control"], found["challenger"], found["compare"]) == (*PAIR, "split")
    assert found["verdict"] == "hold"
    assert found["effect"]["control"] == 2
    assert found["effect"]["treatment"] == 0.5
    write(split, ranked("r4", "interleaved", at=NOW + DAY, teams=(0, 1, 0, 1)))
    assert call(split).startswith("old@1 and new@2 (interleave): 1 rankings\n")
    other = msgspec.structs.replace(ranked("r5", "control", at=NOW + 2 * DAY), compared=("new@2", "x@3"))
    write(split, other)
    assert call(split, "--json")["challenger"] == "x@3"
    assert call(split, "--json", "--variants", "old@1,new@2")["compare"] == "interleave"


def test_programs_get_all_comparisons_of_a_log(split: Path) -> None:
    def printed(folder: Path) -> Any:
        command = [sys.executable, "-m", "tailrank.feedback.experiment_report", str(folder)]
        return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=300).stdout)

    write(split, ranked("r4", "interleaved", at=NOW + DAY, teams=(0, 1, 0, 1)))
    assert [each["compare"] for each in printed(split)] == ["interleave", "split"]
    assert printed(split / "nothing") == []


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--metric", "clik"], "no metric 'clik': did you mean `click`?"),
        (["--metric", "revenue"], "no metric 'revenue': there are `click`, `hide`, `purchase`, `clicks`"),
        (["--guardrail", "tail>=0"], "no metric 'tail': there are"),
        (["--variants", "new@2,old@1"], "new@2,old@1 weren't compared: give --variants old@1,new@2"),
    ],
)
def test_what_a_log_hasnt_got_is_named(split: Path, options: list[str], error: str) -> None:
    assert error in call(split, *options)


def test_a_log_without_a_comparison_says_how_to_make_one(tmp_path: Path) -> None:
    write(tmp_path, ranked("r0", ""))
    with pytest.raises(TailrankError, match="start the server with --challenger MODEL"):
        read_comparison(tmp_path, "clicks")
    assert "nothing is logged there" in call(tmp_path / "..")
