"""Texts over HTTP: what is answered is on the disk, and a monitor that follows the folder counts it once."""

import asyncio
import json
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from tailrank.benchmarks.launcher import Server
from tailrank.cli.main import app
from tailrank.errors import DataError, RequestError
from tailrank.server.call import Call
from tailrank.server.inbox_endpoints import InboxEndpoints
from tailrank.tasks.monitor.inbox import Inbox

NOON = 1_424_606_400.0
TEXTS = [{"id": f"t{n}", "text": f"{n} is late", "timestamp": NOON + n} for n in range(30)]


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("monitor") / "inbox"


@pytest.fixture(scope="module")
def url(model: Path, inbox: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text("read:reads-only-this-key\nwrite:writes-only-this-key\n")
    state = tmp_path_factory.mktemp("state")
    options = ["--monitor-inbox", str(inbox), "--keys", str(keys), "--workers", "2"]
    with Server(model, state, *options) as server:
        yield server.url


def post(url: str, body: object, status: int = 200, key: str = "writes-only-this-key") -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {key}"}
    response = httpx.post(f"{url}/v1/monitor/texts", content=content, headers=headers, timeout=60)
    assert response.status_code == status, response.text
    return response.json()


def kept(inbox: Path) -> list[str]:
    """List the ids that are kept."""
    lines = [line for file in inbox.glob("*.jsonl") for line in file.read_text().splitlines()]
    return sorted(json.loads(line)["id"] for line in lines)


def test_what_is_sent_in_any_form_is_counted_by_a_monitor(url: str, inbox: Path, tmp_path: Path) -> None:
    assert post(url, TEXTS[0]) == {"accepted": 1}
    assert post(url, json.dumps(TEXTS[:10], indent=2).encode()) == {"accepted": 10}
    assert post(url, "\n".join(map(json.dumps, TEXTS[10:])).encode()) == {"accepted": 20}
    assert kept(inbox) == sorted(["t0", *(f"t{n}" for n in range(30))])
    for _ in range(2):
        done = CliRunner().invoke(app, ["monitor", "run", str(tmp_path), str(inbox)], catch_exceptions=False)
        assert done.stderr == "31 lines, 30 counted, 1 repeated\n"


def test_a_bad_text_costs_no_other_and_is_named(url: str, inbox: Path) -> None:
    before = len(kept(inbox))
    b, c, d = (TEXTS[0] | {"id": name} for name in "bcd")
    answer = post(url, [{"id": "a"}, b, TEXTS[0] | {"time": 1}, 7, c])
    assert answer["accepted"] == 2
    assert [(each["index"], each["error"]) for each in answer["refused"]] == [
        (0, "`text` is empty: leave the line out"),
        (2, "`time` isn't known: did you mean `timestamp`?"),
        (3, 'isn\'t an object: write {"id": …, "text": …, "timestamp": …}'),
    ]
    assert answer["refused"][1]["field"] == "time"
    lines = [json.dumps(d), "{", json.dumps(TEXTS[0] | {"text": "x" * (1 << 20)})]
    answer = post(url, "\n".join(lines).encode())
    assert (answer["accepted"], [each["index"] for each in answer["refused"]]) == (1, [1, 2])
    assert len(kept(inbox)) == before + 3


def test_what_is_refused_as_a_whole(url: str, inbox: Path) -> None:
    before = kept(inbox)
    assert "text 0: `text` is empty" in post(url, [{"id": "a"}], 422)["error"]
    assert "length <= 1000" in post(url, [TEXTS[0]] * 1_001, 422)["error"]
    assert (
        "send at most 1,000" in post(url, b"\n".join([json.dumps(TEXTS[0]).encode()] * 1_001), 422)["error"]
    )
    post(url, b"\xff", 400)
    post(url, TEXTS[0], 403, "reads-only-this-key")
    post(url, TEXTS[0], 401, "no-key-of-this-server")
    assert kept(inbox) == before


def test_files_are_of_one_process_and_day_and_not_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = Inbox(tmp_path), Inbox(tmp_path)
    one.append([b"1"], NOON)
    other.append([b"2"], NOON)
    one.append([b"3", b"4"], NOON)
    one.append([b"5"], NOON + 86_400)
    monkeypatch.setattr("tailrank.tasks.monitor.inbox.MOST_BYTES", 2)
    one.append([b"6"], NOON + 86_400)
    one.close()
    other.close()
    found = sorted((file.name[:10], file.read_text()) for file in tmp_path.iterdir())
    assert found == [
        ("2015-02-22", "1\n3\n4\n"),
        ("2015-02-22", "2\n"),
        ("2015-02-23", "5\n"),
        ("2015-02-23", "6\n"),
    ]


def test_a_full_disk_is_told_and_what_comes_then_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, sync = Inbox(tmp_path), os.fsync

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    inbox.append([b"1"], NOON)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="can't be written"):
        inbox.append([b"2"], NOON)
    monkeypatch.setattr(os, "fsync", sync)
    inbox.append([b"3"], NOON)
    inbox.close()
    assert sorted(file.read_text() for file in tmp_path.iterdir()) == ["1\n2\n", "3\n"]
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="no folder can be made there"):
        Inbox(tmp_path / "file")


def test_a_disk_without_room_has_no_empty_file_for_each_request(tmp_path: Path) -> None:
    inbox, before = Inbox(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        for _ in range(3):
            with pytest.raises(DataError, match="can't be written"):
                inbox.append([b"1"], NOON)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
    inbox.append([b"2"], NOON)
    inbox.close()
    assert [file.read_text() for file in tmp_path.iterdir()] == ["2\n"]


def test_a_file_that_was_removed_takes_nothing_more(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    inbox.append([b"1"], NOON)
    [file] = tmp_path.iterdir()
    file.unlink()
    inbox.append([b"2"], NOON)
    inbox.close()
    assert [file.read_text() for file in tmp_path.iterdir()] == ["2\n"]


def test_without_an_inbox_no_texts_are_taken() -> None:
    with pytest.raises(RequestError, match="start the server with --monitor-inbox FOLDER"):
        asyncio.run(InboxEndpoints(None).monitor_texts(Call(b"{}")))
