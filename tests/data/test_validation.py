"""`validate` lists everything at once, and agrees with what the readers refuse."""

from __future__ import annotations

import time
from pathlib import Path

import polars as pl
import pytest
import typer
from hypothesis import given, settings
from test_readers import MALFORMED, data_tables, lay, write
from typer.testing import CliRunner

from tailrank.cli.data import datasets
from tailrank.cli.data import validate as validate_command
from tailrank.data.dataset import Dataset
from tailrank.data.schema import Check
from tailrank.data.validation import validate
from tailrank.errors import DataError

GOOD = {
    "items.csv": "item_id,title\na,Tea\nb,Coffee\n",
    "events.csv": "user_id,item_id,timestamp,event\n"
    "u,a,2024-01-01,buy\nu,b,2024-01-02,buy\nu,a,2024-01-03,buy\n",
}
SHOWN = "ranking_id,user_id,timestamp,item_id,position,clicked,score,propensity\n"


def found(folder: Path) -> dict[str, Check]:
    """Checks of a folder that are not a PASS."""
    return {check.name: check for check in validate(folder) if check.status != "PASS"}


def test_a_good_folder_passes_every_check(tmp_path: Path) -> None:
    checks = validate(lay(tmp_path, GOOD))
    assert {check.status for check in checks} == {"PASS"}
    assert len({check.name for check in checks}) == len(checks) > 15
    assert all(check.count == 0 and not check.examples for check in checks)


@pytest.mark.parametrize("case", MALFORMED)
def test_what_the_readers_refuse_is_a_fail(case: str, tmp_path: Path) -> None:
    files, _ = MALFORMED[case]
    lay(tmp_path, files)
    before = sorted(tmp_path.rglob("*"))
    failures = [check for check in validate(tmp_path) if check.status == "FAIL"]
    assert failures
    assert all(check.count and check.examples and check.remedy.endswith(".") for check in failures)
    assert sorted(tmp_path.rglob("*")) == before


def test_it_goes_on_after_a_problem(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "items.csv": "item_id,title\na,Tea\na,\n,Milk\n",
            "events.csv": "user_id,item_id,timestamp,value\n,a,1,x\nu,z,soon,2\nu,a,1,\n",
            "impressions.csv": SHOWN + "r,u,2024-01-01,a,0,perhaps,,2\n",
        },
    )
    assert {name: (check.status, check.count) for name, check in found(tmp_path).items()} == {
        "items: missing or unreadable item_id": ("FAIL", 1),
        "items: duplicate item_id": ("FAIL", 1),
        "items: no text": ("WARN", 1),
        "events: missing or unreadable user_id": ("FAIL", 1),
        "events: missing or unreadable timestamp": ("FAIL", 1),
        "events: timestamp before 1990": ("WARN", 2),
        "events: missing or unreadable value": ("FAIL", 1),
        "events: users with fewer than 3 events": ("WARN", 1),
        "events: unknown item_id": ("FAIL", 1),
        "impressions: missing or unreadable clicked": ("FAIL", 1),
        "impressions: propensity outside (0, 1]": ("FAIL", 1),
    }


@pytest.mark.parametrize(
    ("files", "name", "count", "example"),
    [
        ({"items.csv": "item_id,title\na,Tea\nb, \n"}, "items: no text", 1, "row 2 has 'b'"),
        ({"items.csv": "item_id,price\na,1\nb,2\n"}, "items: no text", 2, "row 1 has 'a'"),
        ({"items.csv": "item_id,title\na,Tea\nb,Milk\nc,Salt\n"}, "items: no events", 1, "row 3 has 'c'"),
        (
            {"events.csv": "user_id,item_id,timestamp\nu,a,1\nu,b,2\nu,a,3\nv,a,1\n"},
            "events: users with fewer than 3 events",
            1,
            "'v' has 1",
        ),
        (
            {"events.csv": f"user_id,item_id,timestamp\nu,a,1\nu,b,2\nu,a,{time.time() + 1e6:.0f}\n"},
            "events: timestamp in the future",
            1,
            "row 3",
        ),
        (
            {"events.csv": "user_id,item_id,timestamp\nu,a,1\nu,b,2\nu,a,1700000000\n"},
            "events: timestamp before 1990",
            2,
            "row 1 has '1'",
        ),
        (
            {"events.csv": "user_id,item_id,timestamp\nu,a,20240131\nu,b,20240201\nu,a,20240202\n"},
            "events: timestamp as a compact date",
            3,
            "row 1 has '20240131'",
        ),
        (
            {"events.csv": "user_id,item_id,timestamp\nNULL,a,1\nu,b,2\nNULL,a,3\nv,a,4\n"},
            "events: placeholders as user_id",
            1,
            "'NULL' has 2 of 4 rows (50.0%)",
        ),
        (
            {"events.csv": "user_id,item_id,event,timestamp\nu,a,nan,1\nu,b,nan,2\nu,a,view,3\n"},
            "events: placeholders as event",
            1,
            "'nan' has 2 of 3 rows (66.7%)",
        ),
        (
            {"items.csv": "item_id,title,brand\na,NULL,\\N\nb,Mug,\\N\n"},
            "items: placeholders as brand",
            1,
            r"'\\N' has 2 of 2 rows",
        ),
        (
            {"events.csv": "user_id,item_id,timestamp\nu,a,2\nv,b,1\nu,b,1\nv,a,2\nu,a,3\nv,a,3\n"},
            "events: timestamp earlier than in the user's row before",
            1,
            "row 3 has '1'",
        ),
        (
            {"events.csv": "user_id,item_id,timestamp\nu,a,2024-01-02T09:30\nu,b,2024-01-01T09:30\n"},
            "events: timestamp earlier than in the user's row before",
            1,
            "row 2 has '2024-01-01T09:30'",
        ),
        (
            {"events.csv": "user_id,item_id,timestamp\nu,a,1\nu,b,1\nu,a,3\n"},
            "events: same user and timestamp",
            2,
            "row 1 has 'u'",
        ),
        (
            {"events.csv": "user_id,item_id,timestamp\nu,a,1\nu,b,2\nu,a,1\n"},
            "events: duplicate event",
            1,
            "row 3 has 'a'",
        ),
        (
            {"events.csv": "user_id,item_id,position,elapsed_seconds\nu,a,0,0\nu,b,1,0\nu,a,2,5\n"},
            "events: same user and elapsed_seconds",
            2,
            "row 1 has 'u'",
        ),
    ],
)
def test_oddities_are_warnings(
    files: dict[str, str], name: str, count: int, example: str, tmp_path: Path
) -> None:
    folder = lay(tmp_path, GOOD | files)
    check = found(folder)[name]
    assert (check.status, check.count) == ("WARN", count)
    assert example in check.examples[0]
    Dataset.load(folder)


def test_columns_of_items_that_mean_something_else_are_left_alone(tmp_path: Path) -> None:
    items = pl.DataFrame(
        {"item_id": ["a", "b"], "title": ["Tea", "Mug"], "timestamp": ["1937", ""], "user_id": [1, 2]}
    )
    assert not found(lay(tmp_path, {"items.parquet": items, "events.csv": GOOD["events.csv"]}))


def test_times_of_mixed_units_are_named(tmp_path: Path) -> None:
    rows = "u,a,1700000000\nu,b,1700000000500\nu,a,20240131\nu,a,2024\nv,a,1700000003\nv,a,1700000004\n"
    folder = lay(
        tmp_path, GOOD | {"events.csv": "user_id,item_id,timestamp\n" + rows + "w,a,1700000000\n" * 3}
    )
    check = found(folder)["events: timestamp of another unit or format than most"]
    assert (check.status, check.count) == ("FAIL", 3)
    assert check.examples[0] == "row 2 has '1700000000500'"
    with pytest.raises(DataError, match="row 2 has '1700000000500'"):
        Dataset.load(folder)


@pytest.mark.parametrize(
    "name",
    [
        *("nan", "NULL", "None", r"\N", "undefined", "(not set)", "N/A", "<NA>", "-", "?", "NaT", "unknown"),
        *("Anonymous", "guest", "00000000-0000-0000-0000-000000000000", "[object Object]", "nil"),
        *("ffffffff-ffff-ffff-ffff-ffffffffffff", "false", "not logged in"),
    ],
)
def test_placeholders_are_named_among_users_and_items(name: str, tmp_path: Path) -> None:
    events = pl.DataFrame({"user_id": ["u", name, "v"], "item_id": ["a", "a", name], "timestamp": [1e9] * 3})
    folder = lay(tmp_path, {"items.csv": f"item_id,title\na,Tea\n{name},Mug\n", "events.parquet": events})
    checks = found(folder)
    for check in (
        "events: placeholders as user_id",
        "events: placeholders as item_id",
        "items: placeholders as item_id",
    ):
        assert (checks[check].status, checks[check].count) == ("WARN", 1)
    assert checks["events: placeholders as user_id"].examples == (f"{name!r} has 1 of 3 rows (33.3%)",)
    assert Dataset.load(folder).n_users == 3  # nothing is dropped


@pytest.mark.parametrize("name", ["nobody", "N", "007", "na-12", "Nancy", "noneuch", "-7", "0"])
def test_names_of_users_are_no_placeholders(name: str, tmp_path: Path) -> None:
    events = pl.DataFrame({"user_id": ["u", name, "v"], "item_id": ["a"] * 3, "timestamp": [1e9] * 3})
    folder = lay(tmp_path, {"items.csv": GOOD["items.csv"], "events.parquet": events})
    assert not any("placeholder" in check for check in found(folder))


@pytest.mark.parametrize(("name", "rows"), [("0", 60), ("-1", 60), ("robot", 400)])
def test_who_did_too_much_is_named(name: str, rows: int, tmp_path: Path) -> None:
    users = [f"u{n // 2}" for n in range(2000)]
    heavy = pl.DataFrame({"user_id": [*users, *[name] * rows]}).with_columns(
        item_id=pl.Series([f"i{n % 50}" for n in range(2000 + rows)]), timestamp=pl.lit(1e9)
    )
    items = pl.DataFrame({"item_id": [f"i{n}" for n in range(50)], "title": ["Tea"] * 50})
    checks = found(lay(tmp_path, {"items.parquet": items, "events.parquet": heavy}))
    [example] = checks["events: user_id with an outlandish share"].examples
    assert example.startswith(f"{name!r} has {rows} of {2000 + rows:,} rows")
    assert "events: item_id with an outlandish share" not in checks


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        ("", "missing or unreadable file"),
        ("r,u,2024-01-01,z,0,1,,0.5\n", "unknown item_id"),
        ("r,u,2024-01-01,a,0,1,,0.5\nr,u,2024-01-01,b,0,0,,0.5\n", "two items at one position"),
        ("r,u,2024-01-01,a,0,2,,0.5\n", "missing or unreadable clicked"),
        ("r,u,2024-01-01,a,0,1,high,0.5\n", "missing or unreadable score"),
        ("r,u,2024-01-01,a,0,1,,0\n", "propensity outside (0, 1]"),
        (",u,2024-01-01,a,0,1,,0.5\n", "missing or unreadable ranking_id"),
    ],
)
def test_impressions_are_checked_where_present(rows: str, name: str, tmp_path: Path) -> None:
    folder = lay(tmp_path, GOOD | {"impressions.csv": SHOWN + rows})
    assert [(n, check.status) for n, check in found(folder).items()] == [(f"impressions: {name}", "FAIL")]


def test_good_impressions_pass(tmp_path: Path) -> None:
    rows = "r,u,2024-01-01,a,0,true,0.5,0.25\nr,u,2024-01-01,b,1,false,,0.25\n"
    assert not found(lay(tmp_path, GOOD | {"impressions.csv": SHOWN + rows}))


@given(tables=data_tables())
@settings(max_examples=40)
def test_a_folder_loads_if_and_only_if_nothing_fails(
    tables: tuple[pl.DataFrame, pl.DataFrame], tmp_path_factory: pytest.TempPathFactory
) -> None:
    items, events = tables
    folder = tmp_path_factory.mktemp("data")
    write(items.with_columns(item_id=pl.col("item_id").str.head(1)), folder / "items.parquet")
    write(events.with_columns(item_id=pl.col("item_id").str.head(1)), folder / "events.parquet")
    failed = any(check.status == "FAIL" for check in validate(folder))
    try:
        Dataset.load(folder)
    except DataError:
        assert failed
    else:
        assert not failed


app = typer.Typer()
app.command("validate")(validate_command)
app.add_typer(datasets, name="datasets")


def test_command_prints_every_check_once_and_tells_by_its_exit_code(tmp_path: Path) -> None:
    run = CliRunner(env={"COLUMNS": "80"}).invoke
    folder = lay(tmp_path / "good", GOOD)
    good = run(app, ["validate", str(folder)])
    assert good.exit_code == 0
    checks = validate(folder)
    width = max(len(check.name) for check in checks)
    printed = good.output.splitlines()
    *lines, _, tally = printed[next(n for n, line in enumerate(printed) if line.startswith("PASS")) :]
    assert lines == [f"PASS  {check.name:<{width}}        0" for check in checks]
    assert tally == f"0 failed, 0 warned, {len(lines)} passed."


def test_command_says_what_to_do_after_the_checks_that_passed(tmp_path: Path) -> None:
    folder = lay(tmp_path, GOOD | {"items.csv": "item_id,title\n[b],Tea\n[/b],\n"})
    bad = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["validate", str(folder)])
    assert bad.exit_code == 1
    lines = bad.output.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line[:4] for line in lines if line[:1].isupper()] == ["PASS"] * 30 + ["WARN"] * 2 + ["FAIL"]
    at = lines.index(next(line for line in lines if "unknown item_id" in line))
    assert lines[at].split() == ["FAIL", "events:", "unknown", "item_id", "3"]
    assert lines[at + 1].rstrip() == "      row 1 has 'a', row 2 has 'b', row 3 has 'a'"
    said = " ".join(bad.output.split())
    assert "the ids of the two tables don't match, such as 'a' here and '[b]' in items. Write item_id" in said
    assert "No item has any, since no id of events is in items." in said
    assert "row 1 has '[b]', row 2 has '[/b]'" in bad.output


def test_a_missing_folder_is_told_once(tmp_path: Path) -> None:
    lay(tmp_path, GOOD)
    model = Path(__file__).parent.parent / "fixtures" / "model-7"
    faults = {"nowhere": "does not exist", "items.csv": "is a file", str(model): "is a model"}
    for path, fault in ((tmp_path / name, fault) for name, fault in faults.items()):
        [check] = validate(path)
        assert (check.name, check.status, check.count) == ("missing folder", "FAIL", 1)
        assert check.examples == (f"{path} {fault}",)
        result = CliRunner().invoke(app, ["validate", str(path)])
        assert result.exit_code == 1
        assert "1 failed, 0 warned, 0 passed" in result.output


@pytest.mark.parametrize(
    "content",
    ["[columns", "[columns.items]\nprice = 'cost'", "[colums.items]"],
    ids=["syntax", "column", "section"],
)
def test_a_broken_settings_file_is_told_once(content: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["validate", str(lay(tmp_path, GOOD | {"tailrank.toml": content}))])
    assert done.exit_code == 1
    assert "FAIL  unreadable tailrank.toml" in done.output
    assert "1 failed, 0 warned, 0 passed" in done.output


def test_a_catalogue_without_text_is_told_once_with_the_remedy(tmp_path: Path) -> None:
    folder = lay(tmp_path, GOOD | {"items.csv": "item_id,price\na,1\nb,2\n"})
    done = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["validate", str(folder)])
    assert done.exit_code == 0
    assert "items have no text" not in done.output
    assert "No item has any, so training needs a --template of other columns" in done.output
