"""The log of impressions: nothing torn, nothing twice, nothing of who was erased, and not too much."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import pytest
from log_helpers import NOW, erased, event, impression, shown, write

from tailrank.feedback.impression_log import ImpressionLog
from tailrank.feedback.log_tables import erased_users, read_log
from tailrank.feedback.records import ErasedRecord, LogError, all_segments, read_blocks, user_digest
from tailrank.feedback.roll_over import roll_over
from tailrank.feedback.roll_over_process import Retention, RollOverProcess
from tailrank.feedback.segments import closed_segments, hour_of

LISTS = [impression(f"r{n}", "abc", f"u{n % 3}", NOW + n, seed=n) for n in range(12)]
SHOWN = shown(*LISTS)
EVENTS = [event(f"e{n}", "b", f"u{n % 3}", NOW + n + 0.5) for n in range(12)]


def ids(folder: Path) -> tuple[list[str], list[str]]:
    """Ids of what was shown, and of what happened."""
    found = read_log(folder)
    return (
        sorted(found.shown.collect()["ranking_id"]),
        sorted(found.events.collect()["event_id"]),
    )


ALL = sorted(f"r{n}" for n in range(12)), sorted(f"e{n}" for n in range(12))


def test_what_is_rolled_over_is_what_was_logged(tmp_path: Path) -> None:
    write(tmp_path, *shown(*LISTS[:6]), *EVENTS)
    write(tmp_path, *shown(*LISTS[6:]), *EVENTS[:3])
    before = read_log(tmp_path)
    assert ids(tmp_path) == ALL
    assert roll_over(tmp_path, 30, 1) == {"segments": 2, "damaged_blocks": 0, "over_budget_bytes": 0}
    assert not all_segments(tmp_path)
    assert ids(tmp_path) == ALL
    after = read_log(tmp_path)
    assert before.shown.collect().sort("time").equals(after.shown.collect().sort("time"))
    write(tmp_path, *shown(LISTS[0]), *EVENTS[:5])  # sent again
    assert ids(tmp_path) == ALL


@pytest.mark.parametrize("n_events", [0, 12])
def test_rankings_or_events_alone_can_be_read_once_they_are_rolled_over(
    tmp_path: Path, n_events: int
) -> None:
    expected = ALL[0][: 12 - n_events], ALL[1][:n_events]
    write(tmp_path, *SHOWN[: 12 - n_events], *EVENTS[:n_events])
    roll_over(tmp_path, 30, 1)
    assert ids(tmp_path) == expected


def test_a_roll_over_that_is_cut_off_is_done_again(tmp_path: Path) -> None:
    write(tmp_path, *shown(*LISTS), *EVENTS)
    [segment] = all_segments(tmp_path)
    kept = segment.read_bytes()
    roll_over(tmp_path, 30, 1)
    segment.write_bytes(kept)  # it goes last, so it may be left
    assert ids(tmp_path) == ALL
    roll_over(tmp_path, 30, 1)
    assert ids(tmp_path) == ALL
    assert len([*tmp_path.glob("hours/*/*")]) == 2


@pytest.mark.parametrize("damage", ["cut", "changed", "zeros"])
def test_what_was_half_written_is_passed_over(tmp_path: Path, damage: str) -> None:
    write(tmp_path, *shown(*LISTS), *EVENTS)
    [segment] = all_segments(tmp_path)
    whole = segment.read_bytes()
    torn = {"cut": whole[-40:-7], "changed": whole[23:-1] + b"?", "zeros": bytes(64)}[damage]
    segment.write_bytes(whole + torn)
    assert ids(tmp_path) == ALL


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path, *SHOWN)
    roll_over(tmp_path, 30, 1)
    [hour] = tmp_path.glob("hours/*")
    others = [tmp_path / "hours" / ".DS_Store", hour / ".DS_Store", hour / "notes.shown.parquet"]
    for file in others:
        file.write_text("not of the log")
    write(tmp_path, *EVENTS)
    write(tmp_path, erased("u1"))
    roll_over(tmp_path, 30, 1)
    assert ids(tmp_path)[0] == [name for name in ALL[0] if int(name[1:]) % 3 != 1]
    assert {file.read_text() for file in others} == {"not of the log"}


def test_a_log_can_be_read_while_it_is_rolled_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, *SHOWN, *EVENTS)

    def list_and_lose(folder: Path) -> list[Path]:
        found = all_segments(folder)
        roll_over(folder, 30, 1)
        return found

    monkeypatch.setattr("tailrank.feedback.log_tables.all_segments", list_and_lose)
    assert ids(tmp_path) == ALL


def test_a_segment_in_use_is_read_but_not_rolled_over(tmp_path: Path) -> None:
    async def run() -> None:
        log = ImpressionLog(tmp_path, Retention())
        await log.put([*shown(*LISTS), *EVENTS])
        assert ids(tmp_path) == ALL
        assert closed_segments(tmp_path) == []
        assert roll_over(tmp_path, 30, 1)["segments"] == 0
        assert ids(tmp_path) == ALL
        await log.close()

    asyncio.run(run())


def test_an_impression_is_on_the_disk_soon_and_before_a_later_event(tmp_path: Path) -> None:
    async def run() -> None:
        log = ImpressionLog(tmp_path, Retention())
        log.add(SHOWN[0])
        await log.put(EVENTS[:1])
        assert ids(tmp_path) == (["r0"], ["e0"])
        log.add(SHOWN[1])
        end = time.monotonic() + 30
        while len(ids(tmp_path)[0]) < 2:
            assert time.monotonic() < end
            await asyncio.sleep(0.02)
        await log.close()

    asyncio.run(run())


def test_who_is_erased_is_passed_over_at_once_and_off_the_disk_after_the_roll_over(tmp_path: Path) -> None:
    write(tmp_path, *shown(*LISTS[:6]), *EVENTS[:6])
    roll_over(tmp_path, 30, 1)
    write(tmp_path, *shown(*LISTS[6:]), *EVENTS[6:], erased("u1"))
    expected = tuple(sorted(x for x in kind if int(x[1:]) % 3 != 1) for kind in ALL)
    assert ids(tmp_path) == expected
    roll_over(tmp_path, 30, 1)
    assert ids(tmp_path) == expected
    for file in tmp_path.glob("hours/*/*"):
        assert b"u1" not in file.read_bytes()
    back = time.time() + 1
    write(tmp_path, *shown(impression("again", "ab", "u1", back)), event("new", "a", "u1", back + 1))
    assert ids(tmp_path) == (sorted([*expected[0], "again"]), sorted([*expected[1], "new"]))
    write(tmp_path, *shown(LISTS[1]))  # what another worker had not rolled over when the user was erased
    roll_over(tmp_path, 30, 1)
    assert ids(tmp_path)[0] == sorted([*expected[0], "again"])


def test_hours_that_are_too_old_go_and_the_oldest_when_the_disk_is_full(tmp_path: Path) -> None:
    write(tmp_path, *shown(*LISTS), *EVENTS)
    roll_over(tmp_path, 30, 1)
    hour = tmp_path / "hours" / hour_of(time.time() - 2 * 86_400)
    hour.mkdir()
    for file in tmp_path.glob("hours/*/*.parquet"):
        (hour / file.name.replace(file.name[:11], hour.name)).write_bytes(file.read_bytes())
    files = [*tmp_path.glob("hours/*/*")]
    size = sum(file.stat().st_size for file in files)
    assert roll_over(tmp_path, 3, size / 1e9)["over_budget_bytes"] == 0
    assert roll_over(tmp_path, 3, (size - 1) / 1e9)["over_budget_bytes"] > 0
    assert len([*hour.glob("*")]) == 1
    assert roll_over(tmp_path, 1, 1)["over_budget_bytes"] == 0
    assert not hour.exists()
    assert ids(tmp_path) == ALL


@pytest.mark.parametrize("days", [1, 400_000, 1e15])
def test_however_many_days_may_be_kept(tmp_path: Path, days: float) -> None:
    write(tmp_path, *SHOWN, *EVENTS)
    assert roll_over(tmp_path, days, 1e300) == {"segments": 1, "damaged_blocks": 0, "over_budget_bytes": 0}
    assert ids(tmp_path) == ALL


def test_a_log_that_no_longer_says_who_is_erased_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, event("e", "tent"))
    (tmp_path / "erased.json").write_text('{"cut o')
    with pytest.raises(LogError, match=r"erased.json: can't be read .*: restore it"):
        read_log(tmp_path)


def test_who_was_erased_is_forgotten_with_the_days_of_the_log(tmp_path: Path) -> None:
    write(tmp_path, ErasedRecord(user_digest("u1"), time.time() - 2 * 86_400))
    for days, n_known in ((3, 1), (1, 0)):
        roll_over(tmp_path, days, 1)
        assert len(erased_users(tmp_path)) == n_known


def test_a_full_disk_is_reported_and_what_was_logged_stays(tmp_path: Path) -> None:
    lost: list[int] = []

    async def run() -> None:
        log = ImpressionLog(tmp_path, Retention(), lost.append)
        await log.put(EVENTS[:1])
        unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (all_segments(tmp_path)[0].stat().st_size + 50, unlimited[1])
        )
        try:
            log.add(SHOWN[0])
            with pytest.raises(LogError, match="free some space"):
                await log.put(EVENTS[1:2])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
            signal.signal(signal.SIGXFSZ, handler)
        assert sum(lost) == 1
        log.add(SHOWN[1])
        await log.put(EVENTS[2:3])
        await log.close()

    asyncio.run(run())
    assert ids(tmp_path) == (["r1"], ["e0", "e2"])


def test_a_log_that_is_removed_meanwhile_begins_anew(tmp_path: Path) -> None:
    async def run() -> None:
        log = ImpressionLog(tmp_path / "log", Retention())
        await log.put(EVENTS[:1])
        shutil.rmtree(tmp_path / "log")
        await log.put(EVENTS[1:2])
        assert ids(tmp_path / "log") == ([], ["e1"])
        await log.close()

    asyncio.run(run())


def test_a_folder_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in ("file", "file/below"):
        with pytest.raises(LogError, match=place):
            ImpressionLog(tmp_path / place, Retention())
    with pytest.raises(LogError, match="nothing is logged there"):
        read_log(tmp_path / "nothing")


def _log_until_killed(folder: Path, told: Path) -> None:
    async def run() -> None:
        log = ImpressionLog(folder, Retention())
        with told.open("a", buffering=1) as lines:
            for n in range(1_000_000):
                name = f"{os.getpid()}-{n}"
                log.add(shown(impression(f"r{name}", "abc"))[0])
                await log.put([event(f"e{name}", "b", ranking=f"r{name}")])
                lines.write(f"{name}\n")

    asyncio.run(run())


def test_what_was_acknowledged_survives_a_kill_and_counts_once(tmp_path: Path) -> None:
    told, folder = tmp_path / "told", tmp_path / "log"
    told.touch()
    for turn in range(4):
        process = get_context("spawn").Process(target=_log_until_killed, args=(folder, told))
        process.start()
        before, end = len(told.read_text().splitlines()), time.monotonic() + 60
        while len(told.read_text().splitlines()) < before + 20 + turn:
            assert time.monotonic() < end
            time.sleep(0.01)
        process.kill()
        process.join()
        if turn % 2:
            roll_over(folder, 30, 1)
    names = [line for line in told.read_text().split("\n")[:-1] if line]
    lists, events = ids(folder)
    assert len(set(events)) == len(events)
    assert {f"e{name}" for name in names} <= set(events)
    assert {f"r{name}" for name in names} <= set(lists)
    assert all(True for file in all_segments(folder) for _ in read_blocks(file))


def test_a_roll_over_that_complains_at_length_is_no_dead_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    program = tmp_path / "complains"
    program.write_text(
        "#!/bin/sh\nhead -c 300000 /dev/zero | tr '\\0' x >&2\necho >&2; echo the end >&2; exit 1\n"
    )
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    process = RollOverProcess(tmp_path, Retention(), int)
    process.request()
    end = time.monotonic() + 60
    while not caplog.records and time.monotonic() < end:
        process.go_on()
        time.sleep(0.05)
    [record] = caplog.records
    assert vars(record)["why"] == "the end"
    process.close()
