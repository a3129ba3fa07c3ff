"""What so many events and requests need: the arithmetic, and the page."""

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bench.plan_constants import CONSTANTS
from bench.plan_load import KINDS
from bench.plan_page import Shop, loads, needs
from bench.stored import Studies
from bench.study import RESULTS

from bench import plan_page

ONES = dict.fromkeys(CONSTANTS, 1.0)


def waited(p99_ms: float) -> dict[str, float]:
    return {"answered_per_s": 990.0, "p99_ms": p99_ms, "busy": 0.3, "remembered": 0.2, "slow": 0.01}


def stored_plan() -> dict[str, Any]:
    """Results as the study keeps them."""
    ranking = {"server_us": 500.0, "request_bytes": 800, "answer_bytes": 7_000}
    served = {"rate": 1_000, "cores": 4, "machines": 2}
    ways = ("steady", "burst", "loss", "burst, one missing")
    points = [(1, 1.0, 10.0), (2, 2.0, 12.0)]
    rows = [
        {"workers": n, "rate": 1e3, "burst": burst, "measured": waited(10.0), "predicted": waited(p99)}
        for n, burst, p99 in points
    ]
    reading = {"events": 100, "bytes": 1_200, "peak_bytes": 20_000}
    valkey = {"user_bytes": 1_743.0, "read_us": 20.0, "event_us": 6.0}
    return {
        **{"command": "python -m bench plan", "date": "2026-11-29", "processor": "a fast one", "cores": 2},
        "costs": {
            "free_share": 1.0,
            "slower": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5],
            "single": dict.fromkeys(KINDS, ranking),
            "valkey_us": 150.0,
        },
        "sizes": {**reading, **valkey, "users_per_core_s": 2_000.0},
        "served": {"rows": [{**served, **{way: waited(3.0) for way in ways}}]},
        "check": {"free_share": 1.0, "seconds": 12.0, "rows": rows},
    }


def test_needs_grow_with_what_there_is() -> None:
    small, large = (needs(Shop(*(n * size for size in (100, 10, 5))), ONES) for n in (1, 10))
    assert {name: need for name, (need, _) in large.items()} == pytest.approx(
        {name: 10 * need for name, (need, _) in small.items()}
    )
    assert {there for _, there in small.values()} == {there for _, there in large.values()}


def test_needs_are_costs_times_how_much_there_is() -> None:
    found = needs(
        Shop(events=10**9, users=10**6, items=16 * 3_600), ONES | {"parquet": 12.0, "valkey": 2_000.0}
    )
    assert found["events as Parquet, GB"][0] == pytest.approx(12)
    assert found["state in Valkey, GB of memory"][0] == pytest.approx(2)
    assert found["texts, once, hours of 16 cores"][0] == pytest.approx(1)


def test_a_burst_is_what_the_network_and_valkey_must_bear() -> None:
    row = {"rate": 1_000, "machines": 2, "cores": 4}
    found = loads(row, ONES | {"wire": 8_000.0, "valkey_read_us": 20.0, "valkey_event_us": 10.0})
    assert found["network in a burst, Gbit/s"][0] == pytest.approx(2 * 8 * 8_000 * 1_000 / 1e9)
    assert found["cores of Valkey, in a burst"][0] == pytest.approx(2 * 1_000 * 25e-6)


def test_the_page_says_what_is_predicted_and_by_how_much_that_is_off(tmp_path: Path) -> None:
    page, results = tmp_path / "scale.md", tmp_path / "results"
    results.mkdir()
    for file in {each.file for each in CONSTANTS.values()} - {"plan"}:
        shutil.copy(RESULTS / f"{file}.json", results)
    (results / "plan.json").write_bytes(msgspec.json.encode(stored_plan()))
    page.write_text("before\n<!-- plan -->\nold\n<!-- /plan -->\nafter\n")
    plan_page.write(page, results)
    text = page.read_text()
    assert text.startswith("before\n<!-- plan -->\n")
    assert text.endswith("<!-- /plan -->\nafter\n")
    assert "| 2 | 1,000 | 2 \N{MULTIPLICATION SIGN} | 990 | 990 | +0% | 10.0 | 12.0 | +20% |" in text
    assert "within 15% at 2, the 99th percentile at 1." in " ".join(text.split())
    assert "| the same in Valkey | 1,743 | bytes of memory | `python -m bench plan` |" in text


def test_the_tables_are_those_of_what_is_stored(tmp_path: Path) -> None:
    copy = Path(shutil.copy(plan_page.PAGE, tmp_path))
    plan_page.write(copy)
    assert copy.read_text(encoding="utf-8") == plan_page.PAGE.read_text(encoding="utf-8")


def test_results_that_are_missing_are_named(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_bytes(msgspec.json.encode(stored_plan()))
    with pytest.raises(SystemExit, match=r"lacks .*encoding.*: python -m bench plan"):
        plan_page.plan(Studies(tmp_path))


def test_a_page_without_a_place_for_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scale.md").write_text("nothing\n")
    with pytest.raises(SystemExit, match=r"scale\.md: mark once"):
        plan_page.write(tmp_path / "scale.md")
