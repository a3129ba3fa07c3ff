"""A log is watched as it grows: what is steady is no news, and what changed is told."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from feedback_helpers import fusion_with
from log_helpers import NAMES, NOW, erased, event, impression, shown, write

from tailrank.feedback.alerts import ABOUT_SOMEBODY, NOTES, Alert
from tailrank.feedback.guard import Decision
from tailrank.feedback.learning_process import LearningProcess, Report
from tailrank.feedback.log_reader import LogReader, Part
from tailrank.feedback.recent_clicks import WITHIN, RecentClicks
from tailrank.feedback.records import Record, ShownRecord
from tailrank.feedback.roll_over import roll_over
from tailrank.feedback.watch import Watch
from tailrank.feedback.watcher import Watcher
from tailrank.state.embedded import EmbeddedState

ITEMS = ["bike", "tent", "stove"]
LEVELS = [0, 3, 30]
DAY = 86_400.0


def ranking(
    name: str, user: str = "ada", at: float = NOW, signals: np.ndarray | None = None, model: str = "m@1"
) -> ShownRecord:
    values = np.zeros((3, len(NAMES))) if signals is None else signals
    return ShownRecord(
        name,
        user,
        at,
        model,
        ITEMS,
        [1, 2, 3],
        None,
        values.astype("<f4").tobytes(),
        NAMES,
        np.array(LEVELS, "<i4").tobytes(),
        0,
        None,
    )


def kinds(watch: Watch) -> set[tuple[str, str]]:
    return {(alert.kind, alert.subject) for alert in watch.alerts.opened}


def browse(watch: Watch, rates: Sequence[float], item: str = "tent", n: int = 2_000) -> None:
    """Show a list a second, of which a share, one for each `n`, gets a click on an item."""
    rng, whole = np.random.default_rng(0), np.repeat(rates, n)
    for k, rate in enumerate(whole.tolist()):
        at = NOW + k
        watch.take(ranking(f"r{k}", f"user {k % 500}", at, rng.normal(size=(3, len(NAMES)))))
        if rng.random() < rate:
            watch.take(event(f"e{k}", item, f"user {k % 500}", at + 5, ranking=f"r{k}"))
        watch.look(at)


def test_what_is_steady_is_no_news() -> None:
    watch = Watch()
    browse(watch, [0.2], n=6_000)
    assert watch.alerts.opened == watch.alerts.closed == []


def test_a_fall_of_the_click_rate_is_told_of_all_and_of_the_items_that_it_is_of() -> None:
    watch = Watch()
    browse(watch, [0.2, 0.05])
    assert kinds(watch) == {("click rate", ""), ("click rate", "items with 1-5 events")}
    assert all(NOW + 2_000 < alert.since < NOW + 2_500 for alert in watch.alerts.opened)


def test_a_click_belongs_to_the_list_that_it_names_or_else_follows() -> None:
    clicks = RecentClicks()
    clicks.event(event("e1", "tent", ranking="r2"))  # of another worker, so before its list
    for n in range(5):
        clicks.shown(ranking(f"r{n}", f"user {n}", NOW + n))
    clicks.event(event("e2", "bike", "user 3", NOW + 60))
    clicks.event(event("e3", "bike", "user 0", NOW + WITHIN + 1))  # too late
    clicks.event(event("e4", "bike", "user 1", NOW + 9, "dislike"))
    assert list(clicks.settled(NOW + WITHIN)) == []
    found = [settled.clicked.tolist() for settled in clicks.settled(NOW + WITHIN + 10)]
    nothing = [False] * 3
    assert found == [nothing, nothing, [False, True, False], [True, False, False], nothing]
    assert list(clicks.settled(NOW + DAY)) == []


def test_of_lists_of_another_system_only_the_whole_rate_is_watched() -> None:
    clicks = RecentClicks()
    clicks.shown(ShownRecord("x", "ada", NOW, "", ITEMS, [1, 2, 3], None, b"", (), bytes(12), 0, None))
    [settled] = clicks.settled(NOW + DAY)
    assert settled.buckets is None


def values(watch: Watch, mean: float, model: str, at: float, n: int = 2_000) -> None:
    rng = np.random.default_rng(1)
    for k in range(n):
        watch.take(ranking("r", at=at + k, signals=rng.normal([mean, 0], 1, (3, 2)), model=model))


def test_a_signal_that_moves_is_told_until_it_is_back_or_another_model_comes() -> None:
    watch = Watch()
    values(watch, 0, "m@1", NOW)
    values(watch, 0.8, "m@1", NOW + DAY)
    assert kinds(watch) == {("distribution", NAMES[0])}
    values(watch, 0, "m@1", NOW + 2 * DAY)
    assert kinds(watch) == set()
    values(watch, 0.8, "m@1", NOW + 3 * DAY)
    assert kinds(watch) == {("distribution", NAMES[0])}
    values(watch, 0.8, "m@2", NOW + 4 * DAY)
    values(watch, 0, "m@1", NOW + 4 * DAY)  # a worker that is late to change
    assert kinds(watch) == set()


def visit(watch: Watch, users: int = 40, at: float = NOW) -> None:
    for n in range(users):
        watch.take(event(f"v{n}", ITEMS[n % 3], f"user {n}", at + n))


def test_a_user_who_clicks_as_no_person_does_is_left_out_for_a_day() -> None:
    watch = Watch()
    visit(watch)
    for n in range(121):
        watch.take(event(f"e{n}", f"item {n}", "program", NOW + 100 + n / 10))
    assert watch.left_out("program")
    assert not watch.left_out("user 1")
    [alert] = watch.alerts.opened
    assert (alert.kind, alert.subject, alert.seen, alert.expected) == (
        "events a minute",
        "user program",
        121,
        120,
    )
    visit(watch, at=NOW + DAY)
    watch.look(NOW + DAY + 50)
    assert watch.left_out("program")
    watch.look(NOW + DAY + 200)
    assert not watch.left_out("program")
    assert watch.alerts.opened == []
    assert watch.alerts.closed[0].until == pytest.approx(NOW + 112)


def test_many_clicks_on_one_item_are_odd_unless_it_is_what_everybody_does() -> None:
    watch = Watch()
    visit(watch)
    for n in range(21):
        watch.take(event(f"e{n}", "bike", "program", NOW + 600 * n))
    assert watch.left_out("program")
    habits = Watch()
    for n in range(30):
        for k in range(40):
            habits.take(event(f"e{n}-{k}", "song", f"user {k}", NOW + 600 * n + k))
    assert habits.alerts.opened == []


def test_if_too_many_users_are_odd_none_is_left_out() -> None:
    watch = Watch()
    visit(watch)
    for program in range(6):
        for n in range(21):
            watch.take(event(f"e{n}", "bike", f"program {program}", NOW + 600 * n))
    assert len(watch.alerts.opened) == 6
    assert not watch.left_out("program 0")


def test_who_is_erased_is_in_no_alert() -> None:
    watch = Watch()
    visit(watch)
    for n in range(21):
        watch.take(event(f"e{n}", "bike", "program", NOW + 600 * n))
    watch.take(erased("user 1"))
    assert watch.left_out("program")
    watch.take(erased("program"))
    assert not watch.left_out("program")
    assert watch.alerts.opened == watch.alerts.closed == []


def test_an_item_that_many_users_push_is_told_and_one_that_is_popular_is_not() -> None:
    watch, rng = Watch(), np.random.default_rng(0)
    for n in range(30_000):
        pushed = 15_000 <= n < 17_000 and rng.random() < 0.2
        item = "pushed" if pushed else f"item {int(300 * rng.random() ** 1.5)}"
        watch.take(event(f"e{n}", item, f"user {n % 5_000}", NOW + n))
        watch.look(NOW + n)
    assert watch.alerts.opened == []
    [alert] = watch.alerts.closed
    assert (alert.kind, alert.subject) == ("share of events", "item pushed")
    assert alert.seen == pytest.approx(0.2, abs=0.05)


def test_hours_without_events_are_told_while_they_last() -> None:
    rng, first = np.random.default_rng(0), int(NOW // 3_600)
    usual = {first + n: int(rng.poisson(20 + 10 * np.sin(np.pi * n / 12))) for n in range(1_600)}
    watch, until = Watch(volume=usual), NOW + 3_600 * 1_600
    watch.look(until)
    watch.look(until + 3_600 * 6 + 300)
    assert kinds(watch) == {("events an hour", "")}
    for n in range(20):
        watch.take(event(f"e{n}", "tent", f"user {n}", until + 3_600 * 6 + n))
    watch.look(until + 3_600 * 7 + 200)  # some may be late
    assert kinds(watch) == {("events an hour", "")}
    watch.look(until + 3_600 * 7 + 300)
    [alert] = watch.alerts.closed
    assert (alert.since, alert.until) == (until, until + 3_600 * 6)


def test_that_learning_was_rolled_back_is_told_until_weights_are_published() -> None:
    watch = Watch()
    watch.decided(Decision("hold", 500, 0.3, 0.3, -0.1, 0.1), NOW)
    assert kinds(watch) == set()
    watch.decided(Decision("roll back", 500, 0.3, 0.2, -0.2, -0.05), NOW)
    assert kinds(watch) == {("learned weights", "")}
    watch.decided(Decision("publish", 500, 0.3, 0.31, 0.0, 0.1), NOW + 60)
    assert watch.alerts.closed[0].until == NOW + 60


def test_without_river_everything_but_click_rates_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "river", None)
    watch = Watch()
    assert "tailrank[feedback]" in watch.missing
    browse(watch, [0.2, 0.0], n=300)
    assert watch.alerts.opened == []


def test_alerts_are_noted_in_the_state_and_outlive_the_watcher(tmp_path: Path) -> None:
    async def run() -> None:
        state, folder = EmbeddedState(tmp_path / "state"), tmp_path / "log"
        watcher = await Watcher.start(folder, "log 1", state, ())
        users: list[Record] = [event(f"v{n}", "tent", f"user {n}", NOW + n) for n in range(40)]
        program = [event(f"e{n}", "bike", "program", NOW + 60 * n) for n in range(21)]
        watcher.take([Part("a", [*users, *program])])
        watcher.watch.alerts.open(Alert("click rate", "", NOW, 0.1, 0.2, "Look."))
        await watcher.go_on(NOW + 1_300)
        noted = await state.notes(NOTES)
        assert list(noted) == ["log 1"]
        again = await Watcher.start(folder, "log 1", state, [Part("a", users)])
        await again.go_on(NOW + 1_400)
        assert [alert.subject for alert in again.watch.alerts.opened] == ["user program"]
        assert again.watch.left_out("program")
        assert [(each.kind, each.until) for each in again.watch.alerts.closed] == [
            ("click rate", NOW + 1_300)
        ]
        assert (await state.notes(NOTES)) != noted
        await state.close()

    asyncio.run(run())


def test_the_number_of_events_of_an_hour_is_known_after_a_restart(tmp_path: Path) -> None:
    async def run() -> None:
        state, folder = EmbeddedState(tmp_path / "state"), tmp_path / "log"
        first = [event(f"a{n}", "tent", at=NOW + n) for n in range(5)]
        write(folder, *first)
        watcher = await Watcher.start(folder, "log 1", state, LogReader(folder).read())
        await watcher.go_on(NOW + 60)
        watcher.take([Part("b", [event("b", "tent", at=NOW + 100)])])
        write(folder, event("b", "tent", at=NOW + 100))
        hour = int(NOW // 3_600)
        assert watcher.watch.volume.counts == {hour: 6}
        roll_over(folder, 30 * 365, 1)
        write(folder, event("c", "tent", at=NOW + 200))
        again = await Watcher.start(folder, "log 1", state, LogReader(folder).read())
        await again.go_on(NOW + 4_000)
        assert again.watch.volume.counts == {hour: 7}
        write(folder, event("d", "tent", at=NOW + 4_100))
        last = await Watcher.start(folder, "log 1", state, LogReader(folder).read())
        await last.go_on(NOW + 4_200)
        assert last.watch.volume.counts == {hour: 7, hour + 1: 1}
        await state.close()

    asyncio.run(run())


def test_who_looks_like_a_program_is_watched_and_not_learned_from(tmp_path: Path) -> None:
    state, folder = EmbeddedState(tmp_path / "state"), tmp_path / "log"
    offline, now = replace(fusion_with([1.0, 0.5]), signals=NAMES), time.time()
    lists = [impression(f"r{n}", ITEMS, f"user {n}", now - 600, seed=n) for n in range(60)]
    lists += [impression(f"p{n}", ITEMS, "program", now - 600, seed=n) for n in range(130)]
    people = [event(f"e{n}", "tent", f"user {n}", now - 500 + n, ranking=f"r{n}") for n in range(60)]
    program = [event(f"p{n}", "tent", "program", now - 300 + n / 3, ranking=f"p{n}") for n in range(130)]

    async def run() -> list[Report]:
        reports = list[Report]()
        write(folder, *shown(*lists))
        process = LearningProcess(folder, state, reports.append)
        await process.begin("model@1", offline)
        for block in (people, program[:30], program[30:]):
            write(folder, *block)
            while await process.go_on():
                pass
        await state.close()
        return reports

    reports = asyncio.run(run())
    opened = [alert for report in reports for alert in report.alerts]
    found = [(alert.kind, alert.subject) for alert in opened if alert.kind in ABOUT_SOMEBODY]
    assert found == [("events on one item", "user program"), ("events a minute", "user program")]
    assert sum(report.learned for report in reports) == 60
