"""Lines of a stream: what is read, what is refused and why, and where reading goes on."""

import io
import json
import os
import resource
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.errors import DataError
from tailrank.tasks.monitor.duplicates import LIKENESS, Duplicates, likeness, word_runs
from tailrank.tasks.monitor.inbox import Inbox
from tailrank.tasks.monitor.inputs import Place, arriving_lines, folder_lines, stream_lines
from tailrank.tasks.monitor.monitor_state import MonitorState
from tailrank.tasks.monitor.stream_texts import MAX_LINE, read_text

GOOD = {"id": "a", "text": "Late again", "timestamp": 1_424_599_200}


def line(**values: object) -> bytes:
    return json.dumps(GOOD | values).encode()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "isn't JSON"),
        (b"[1]", "isn't an object"),
        (b'{"id": "\xff"}', r"isn't UTF-8 \(byte 8\)"),
        (b'{"id": "a\x00b"}', "isn't JSON"),
        (rb'{"id": "a", "text": "\ud800", "timestamp": 0}', "isn't JSON"),
        (b"[" * 100_000, "isn't JSON"),
        (line(text=""), "`text` is empty"),
        (line(text="<p>\u200b</p>"), "`text` is empty"),
        (line(text=7), "`text` is 7, not text"),
        (line(id=None), "`id` is missing"),
        (line(id=True), "`id` is True"),
        (line(id="x" * 401), "`id` is longer than 400 bytes"),
        (line(timestamp="yesterday"), "`timestamp` is 'yesterday': write it as 2024-01-31T09:30:00Z"),
        (line(timestamp=1_424_599_200_000), "not milliseconds"),
        (line(timestamp=20240131), "before 1980"),
        (line(timestamp=10**400), "`timestamp` is 10{39}…: give seconds since 1970"),
        (line(timestamp=None), "`timestamp` is missing"),
        (line(sentiment="angry"), "give one of negative, neutral, positive"),
        (line(topic=[1]), "`topic`"),
        (line(topics="late"), "did you mean `topic`"),
    ],
)
def test_what_is_wrong_is_named(content: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_text(content)


def test_markup_controls_and_scripts() -> None:
    text = "<b>Zug</b>\u0007 zu sp\u0061\u0308t &amp; 火车晚点 поезд\u202e قطار"
    found = read_text(line(text=text, topic=["b", "a", "b"], entity=" DB ", sentiment="Negative"))
    assert found.text == "Zug zu spät & 火车晚点 поезд قطار"
    assert (found.topics, found.entity, found.is_negative) == (("a", "b"), "DB", True)
    assert read_text(line(timestamp="2015-02-22T11:00:00+01:00")).timestamp == GOOD["timestamp"]


def test_a_byte_order_mark_costs_no_line(tmp_path: Path) -> None:
    marked = b"\xef\xbb\xbf"
    (tmp_path / "a.jsonl").write_bytes(marked + line() + b"\n" + line(id="b") + b"\n")
    (tmp_path / "b.jsonl").write_bytes(marked + line(id="c", timestamp=1_424_599_140) + b"\n")
    assert [read_text(each.content).id for each in folder_lines(tmp_path, {})] == ["c", "a", "b"]


def test_files_of_the_inbox_go_once_they_are_read_and_old(tmp_path: Path) -> None:
    folder, now, rng = tmp_path / "texts", time.time(), np.random.default_rng(0)
    files: dict[str, Path] = {"own": folder / "own.jsonl"}
    for name, days in (("new", 0), ("kept", 58), ("old", 62), ("half", 62)):
        inbox, before = Inbox(folder), set(folder.iterdir())
        text = " ".join(f"w{word}" for word in rng.integers(0, 9_999, 9))
        inbox.append([line(id=name, text=text)], now - days * 86_400)
        inbox.close()
        [files[name]] = set(folder.iterdir()) - before
    files["own"].write_bytes(line(id="own") + b"\n")
    with files["half"].open("ab") as stream:
        stream.write(b'{"id"')
    for _ in range(2):
        done = CliRunner().invoke(app, ["monitor", "run", str(tmp_path / "state"), str(folder)])
        assert done.exit_code == 0, done.output
        assert done.stderr == "5 lines, 5 counted\n"
        assert [name for name, file in files.items() if not file.exists()] == ["old"]
    state = MonitorState(tmp_path / "state", read_only=True)
    assert state.places().keys() == {file.name for name, file in files.items() if name != "old"}
    state.close()


def test_a_line_of_ten_megabytes_is_passed_over() -> None:
    content = line() + b"\n" + line(text="x" * 10_000_000) + b"\n\n" + line(id="b") + b"\n" + line(id="c")
    found = list(stream_lines(io.BytesIO(content), "s", Place()))
    assert [(bool(each.fault), each.end.lines) for each in found] == [(False, 1), (True, 2), (False, 4)]
    whole = [each for lines in arriving_lines(io.BytesIO(content), "s") for each in lines]
    assert [(bool(each.fault), each.end.lines) for each in whole] == [
        (False, 1),
        (True, 2),
        (False, 4),
        (False, 5),
    ]
    just = line(text="x" * (MAX_LINE - len(line(text=""))))
    assert [each.content for each in stream_lines(io.BytesIO(just + b"\n"), "s", Place())] == [just + b"\n"]


def test_what_comes_is_read_before_more_does() -> None:
    reader, writer = os.pipe()
    with open(reader, "rb") as stream:
        batches = arriving_lines(stream, "s")
        os.write(writer, line() + b"\n" + line(id="b")[:9])
        assert [read_text(each.content).id for each in next(batches)] == ["a"]
        os.write(writer, line(id="b")[9:])
        os.close(writer)
        assert [read_text(each.content).id for each in next(batches)] == ["b"]
        assert list(batches) == []


def test_a_growing_folder_is_read_on(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(line() + b"\n" + line(id="b")[:9])
    (tmp_path / "notes.txt").write_text("no texts")
    places: dict[str, Place] = {}

    def ids() -> list[str]:
        found = list(folder_lines(tmp_path, places))
        places.update({each.file: each.end for each in found})
        return [read_text(each.content).id for each in found]

    assert ids() == ["a"]
    assert ids() == []
    with file.open("ab") as stream:
        stream.write(line(id="b")[9:] + b"\n")
    (tmp_path / "b.jsonl").write_bytes(line(id="c") + b"\n")
    assert ids() == ["b", "c"]
    file.write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.jsonl: has 0 bytes, of which .* were read"):
        ids()
    with pytest.raises(DataError, match="no such folder"):
        list(folder_lines(tmp_path / "none", {}))


def test_files_of_the_same_days_are_read_together(tmp_path: Path) -> None:
    hours = [(1_424_599_200 + 3600 * hour, f"{hour}") for hour in range(100)]
    wrong = {"10": 3600 * 24 * 365, "31": -3600 * 24 * 365, "52": None}  # clocks, and a line without a time
    for n in range(3):
        rows = [
            line(id=name, timestamp=at + shift if (shift := wrong.get(name, 0)) is not None else None)
            for at, name in hours[n::3]
        ]
        (tmp_path / f"{n}.jsonl").write_bytes(b"\n".join([*rows, b""]))
    found = [json.loads(each.content)["id"] for each in folder_lines(tmp_path, {})]
    assert sorted(found, key=int) == [name for _, name in hours]
    away = [abs(int(name) - at) for at, name in enumerate(found) if name not in wrong]
    assert max(away) <= 3  # the one before a wrong clock may come a turn too early or too late


def test_a_folder_may_have_more_files_than_may_be_open(tmp_path: Path) -> None:
    for n in range(200):
        (tmp_path / f"{n}.jsonl").write_bytes(line(id=f"{n}") + b"\n")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 20, before[1]))
    try:
        assert len(list(folder_lines(tmp_path, {}))) == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_near_duplicates_are_those_of_all_pairs() -> None:
    rng, words = np.random.default_rng(0), [f"w{n}" for n in range(30)]
    first = [list(rng.choice(words, 12)) for _ in range(6)]
    texts = [" ".join([*rng.choice(words, cut), *one[cut:]]) for one in first for cut in (0, 1, 2, 3, 5)]
    texts += ["Thank you!", "Thank you!", f"RT @me: {texts[0].upper()} https://t.co/x"]
    window = Duplicates(100.0)
    kept: list[str] = []
    for at, text in enumerate(texts):
        runs = word_runs(text)
        near = any(likeness(runs, word_runs(other)) >= LIKENESS for other in kept) and bool(runs)
        assert (window.add(str(at), text, float(at)) is not None) == near
        kept += [] if near else [text]
    assert 6 <= len(kept) < len(texts)


def test_a_duplicate_is_one_within_the_window() -> None:
    window, text = Duplicates(60.0), "my bag is still in Denver"
    assert [window.add(str(at), text, at) for at in (0, 59, 61, 100)] == [None, "0", None, "61"]
    window.forget(62.0)
    assert window.add("b", text, 100.0) is None


def test_a_clock_that_is_ahead_keeps_nothing_from_being_forgotten() -> None:
    window = Duplicates(60.0)
    for n, at in enumerate((9_000.0, 1.0, 2.0)):
        window.add(str(n), f"text {n} of three that are unlike each other {n}", at)
    window.forget(3.0)
    assert window.add("again", "text 2 of three that are unlike each other 2", 3.0) is None
