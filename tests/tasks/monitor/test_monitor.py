"""The monitor: what is counted, what is raised with which evidence; nothing is lost or told twice."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.errors import DataError, RequestError
from tailrank.tasks.monitor.inputs import folder_lines
from tailrank.tasks.monitor.monitor import ALERTS, Monitor
from tailrank.tasks.monitor.series import ALL, Series
from tailrank.tasks.monitor.settings import MonitorSettings

START = 1_424_044_800  # a Monday
HOUR, DAY = 3_600, 86_400
SETTINGS = MonitorSettings(burn_in_days=2, watch="negative volume")


def rows(days: int = 5, surge: int = 4 * 24 + 10) -> list[dict[str, Any]]:
    """Write five texts an hour, each with words of its own; in three hours, ten more about a lost bag."""
    rng, found = np.random.default_rng(0), []
    for hour in range(days * 24):
        for n in range(5 + 10 * (surge <= hour < surge + 3)):
            words = " ".join(f"w{word}" for word in rng.integers(0, 2_000, 6))
            text = f"{words}. My bag is lost in Denver {words}!" if n >= 5 else f"{words} again"
            about = {"entity": "United", "topic": "bags"} if n >= 5 else {"topic": "other"}
            sentiment = "negative" if n >= 5 or n < 2 else "neutral"
            at = START + hour * HOUR + int(rng.integers(0, HOUR))
            found.append(
                {"id": f"{hour}-{n}", "text": text, "timestamp": at, "sentiment": sentiment, **about}
            )
    return found


def write(folder: Path, lines: list[dict[str, Any]], name: str = "a.jsonl") -> Path:
    folder.mkdir(exist_ok=True)
    with (folder / name).open("a", encoding="utf-8") as stream:
        stream.writelines(json.dumps(line) + "\n" for line in lines)
    return folder


def watch(folder: Path, texts: Path, settings: MonitorSettings = SETTINGS) -> tuple[Counter[str], list[str]]:
    monitor = Monitor.open(folder, settings)
    monitor.feed(folder_lines(texts, monitor.state.places()))
    monitor.close()
    return monitor.counters, [alert.id for alert in monitor.log]


def test_an_alert_says_what_surges_and_shows_it(tmp_path: Path) -> None:
    texts = write(tmp_path / "in", rows())
    monitor = Monitor.open(tmp_path / "state", SETTINGS)
    [alert] = monitor.feed(folder_lines(texts, {}))
    assert (alert.topic, alert.entity, alert.kind) == ("bags", "United", "negative volume")
    assert (alert.since, alert.until) == (START + 106 * HOUR, START + 107 * HOUR)
    assert alert.observed >= 10 > 5 > alert.expected
    assert ("", "United") in alert.also
    assert all("My bag is lost" in each.text for each in alert.evidence)
    assert any("bag is lost in Denver" in sentence for sentence in alert.summary)
    assert "negative texts from 2015-02-20 10:00" in alert.why
    monitor.close()


def test_counts_are_those_of_the_texts(tmp_path: Path) -> None:
    lines = rows(3)
    watch(tmp_path / "state", write(tmp_path / "in", lines))
    monitor = Monitor.open(tmp_path / "state")
    found = monitor.state.counts(0)
    expected = Counter((line["timestamp"] - START) // HOUR for line in lines)
    assert {(start - START) // HOUR: counts[ALL][0] for start, counts in found.items()} == {
        hour: n for hour, n in expected.items() if START + hour * HOUR in found
    }
    assert len(found) >= 3 * 24 - 3
    assert all(counts[Series("other", "")][1] == 2 for counts in found.values())
    monitor.close()


def test_reasons_of_complaints_are_series_of_their_entities(tmp_path: Path) -> None:
    lines = [
        {**line, "topic": "bags", "reason": "lost" if line.get("entity") else "late", "entity": "United"}
        for line in rows()
    ]
    monitor = Monitor.open(tmp_path / "state", SETTINGS)
    alert, *_ = monitor.feed(folder_lines(write(tmp_path / "in", lines), {}))
    assert (alert.topic, alert.entity, alert.observed) == ("reason:lost", "United", 10)
    assert all("My bag is lost" in each.text for each in alert.evidence)
    counts = monitor.state.counts(0)
    found = sum(period.get(Series("reason:lost", "United"), (0, 0))[0] for period in counts.values())
    assert found == 30 == sum(line["reason"] == "lost" for line in lines)
    monitor.close()


def test_late_repeated_and_near_duplicate_texts(tmp_path: Path) -> None:
    lines = rows(3)
    at, text = lines[-1]["timestamp"], "my bag has been in Denver for three days now"
    extra = [
        {"id": "new", "text": text, "timestamp": at - HOUR},
        {"id": "copy", "text": f"RT @me: {text} http://t.co/x", "timestamp": at},
        {"id": "new", "text": "something else", "timestamp": at},
        {"id": "old", "text": text, "timestamp": START},
    ]
    counters, _ = watch(tmp_path / "state", write(tmp_path / "in", [*lines, *extra]))
    assert counters == Counter(lines=364, counted=361, repeated=1, late=1) + Counter({"near-duplicate": 1})


def test_one_clock_that_is_wrong_closes_nothing(tmp_path: Path) -> None:
    lines = rows(3)
    ahead = [{"id": f"ahead {n}", "text": "soon", "timestamp": START + (900 + n) * HOUR} for n in range(2)]
    counters, _ = watch(tmp_path / "state", write(tmp_path / "in", [*lines[:100], *ahead, *lines[100:]]))
    assert counters["late"] == 0


def test_years_without_texts_are_passed_over(tmp_path: Path) -> None:
    lines = rows(3)
    early = [
        line | {"id": f"early {n}", "timestamp": START - 7_000 * DAY} for n, line in enumerate(lines[:5])
    ]
    monitor = Monitor.open(tmp_path / "state", replace(SETTINGS, duplicate_hours=0))
    monitor.feed(folder_lines(write(tmp_path / "in", [*early, *lines]), {}))
    assert monitor.surges.first == START
    assert len(monitor.state.counts(0)) > 3 * 24 - 3
    monitor.close()


def test_reading_in_any_pieces_comes_to_the_same(tmp_path: Path) -> None:
    lines = rows()
    whole = watch(tmp_path / "whole", write(tmp_path / "in", lines))
    assert whole[1]
    for end in (1, 130, 131, 400, 545, 590, len(lines)):
        start = sum(1 for _ in (tmp_path / "pieces" / "a.jsonl").open()) if end > 1 else 0
        write(tmp_path / "pieces", lines[start:end])
        pieces = watch(tmp_path / "state", tmp_path / "pieces")
    assert pieces == whole


def test_a_late_near_duplicate_is_one_after_a_restart_too(tmp_path: Path) -> None:
    end, text = START + 3 * 24 * HOUR, "my bag has been in Denver for three days now"
    lines = [*rows(3)[-20:], {"id": "original", "text": text, "timestamp": end - 24 * HOUR + 1_200}]
    lines += [{"id": f"on {n}", "text": f"{n} is another thing", "timestamp": end + 6_600} for n in range(3)]
    copy = {"id": "copy", "text": text, "timestamp": end + 600}  # a day less ten minutes later
    lines.sort(key=lambda line: line["timestamp"])
    whole, _ = watch(tmp_path / "whole", write(tmp_path / "in", [*lines, copy]))
    watch(tmp_path / "state", write(tmp_path / "pieces", lines))
    assert whole["near-duplicate"] == 1
    assert watch(tmp_path / "state", write(tmp_path / "pieces", [copy]))[0] == whole


@pytest.mark.parametrize("place", ["before the log", "in the log", "after the log"])
def test_an_alert_is_logged_once_if_a_process_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    texts = write(tmp_path / "in", rows())
    whole = watch(tmp_path / "whole", texts)
    state, log = tmp_path / "state", tmp_path / "state" / ALERTS
    monitor = Monitor.open(state, SETTINGS)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    if place == "before the log":
        monkeypatch.setattr(monitor.log, "append", die)
    else:
        monkeypatch.setattr(monitor.state, "mark_logged", die)
    with pytest.raises(KeyboardInterrupt):
        monitor.feed(folder_lines(texts, {}))
    monitor.close()
    if place == "in the log":
        log.write_bytes(log.read_bytes()[:-40])
    assert watch(state, texts) == whole


def test_a_state_belongs_to_one_monitor_and_period(tmp_path: Path) -> None:
    watch(tmp_path / "state", write(tmp_path / "in", rows(3)))
    with pytest.raises(RequestError, match="counts by hour, not by day"):
        Monitor.open(tmp_path / "state", MonitorSettings(period="day"))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "monitor.sqlite").write_bytes(b"no database" * 1_000)
    with pytest.raises(DataError, match=r"monitor\.sqlite: can't be used"):
        Monitor.open(tmp_path / "broken")


def test_files_of_two_writers_are_counted_as_one(tmp_path: Path) -> None:
    lines, both = rows(3), tmp_path / "both"
    one = watch(tmp_path / "one", write(tmp_path / "in", lines))
    for n, name in enumerate(("a.jsonl", "b.jsonl")):
        write(both, lines[n::2], name)
    assert watch(tmp_path / "two", both) == one
    assert one[0]["late"] == 0


def test_two_monitors_in_one_folder_are_refused(tmp_path: Path) -> None:
    running = Monitor.open(tmp_path)
    with pytest.raises(DataError, match="another monitor runs there: stop it, or give another folder"):
        Monitor.open(tmp_path)
    running.close()
    Monitor.open(tmp_path).close()


def test_a_folder_of_something_else_stays_as_it_is(tmp_path: Path) -> None:
    texts = write(tmp_path / "texts", rows(1))
    with pytest.raises(
        DataError, match=r"texts: holds other files \(a\.jsonl\), and no monitor has run there"
    ):
        Monitor.open(texts)
    assert [each.name for each in texts.iterdir()] == ["a.jsonl"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["texts", "--set", "surge=much"], "surge is a number"),
        (["texts", "--set", "keep_days=1e3"], "keep_days is a whole number"),
        (["texts", "--set", "surge=0"], "surge must be at least"),
        (["nowhere"], "no such folder"),
        (["texts/a.jsonl"], "is a file. Give a folder"),
    ],
)
def test_a_mistake_makes_no_state(
    given: list[str], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("texts"), rows(1))
    done = CliRunner().invoke(app, ["monitor", "run", "state", *given])
    assert why in str(done.exception)
    assert not Path("state").exists()
