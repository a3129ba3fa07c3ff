"""Texts from a stream of a real server: each counts once, through kills, lost connections, wrong entries."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from bench.valkey import BINARY, Server
from bench.waiting import wait_until
from typer.testing import CliRunner
from valkey import Valkey

from tailrank.cli.main import app
from tailrank.errors import RequestError
from tailrank.state.base import StateError
from tailrank.tasks.monitor.inputs import Place
from tailrank.tasks.monitor.monitor import Monitor
from tailrank.tasks.monitor.sources import following
from tailrank.tasks.monitor.valkey_stream import ValkeyStream

HOUR, START = 3_600, 1_424_044_800
TEXTS = [
    json.dumps({"id": str(n), "text": f"{n} {7 * n} {11 * n} {13 * n} is late", "timestamp": START + n * 60})
    for n in range(1_200)
]

pytestmark = pytest.mark.skipif(BINARY is None, reason="needs valkey-server or redis-server")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    with Valkey(port=server.port) as found:
        found.flushall()
        yield found


def add(client: Any, texts: list[str]) -> None:
    pipeline = client.pipeline()
    for text in texts:
        pipeline.xadd("texts", {"json": text})
    pipeline.execute()


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["monitor", "run", *map(str, arguments)])


def pending(client: Any) -> int:
    [group] = client.xinfo_groups("texts")
    return int(group["pending"])


def is_stopped_amid_a_batch(process: "subprocess.Popen[bytes]", client: Any) -> bool:
    """Stop a process; unless it has texts that it hasn't acknowledged, let it go on."""
    process.send_signal(signal.SIGSTOP)
    # An acknowledgement may be on its way, and is there before the second answer.
    found = [any(group["pending"] for group in client.xinfo_groups("texts")) for _ in range(2)]
    if not all(found):
        process.send_signal(signal.SIGCONT)
    return all(found)


def test_a_killed_process_loses_nothing_and_counts_nothing_twice(
    tmp_path: Path, server: Server, client: Any
) -> None:
    add(client, TEXTS)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text("\n".join([*TEXTS, ""]))
    whole = run(tmp_path / "whole", tmp_path / "in")
    url = f"{server.url}?stream=texts"
    command = [
        str(Path(sys.executable).with_name("tailrank")),
        "monitor",
        "run",
        str(tmp_path / "state"),
        url,
    ]
    with subprocess.Popen(command) as process:
        wait_until(lambda: is_stopped_amid_a_batch(process, client), 60)
        process.kill()
    assert pending(client) > 0
    done = run(tmp_path / "state", url)
    assert done.exit_code == 0, done.output
    assert done.stderr == whole.stderr == "1,200 lines, 1,200 counted\n"
    counts = []
    for name in ("whole", "state"):
        monitor = Monitor.open(tmp_path / name)
        counts.append(monitor.state.counts(0))
        monitor.close()
    assert counts[0] == counts[1] != {}
    assert pending(client) == 0


def test_what_was_committed_and_not_acknowledged_is_only_acknowledged(
    tmp_path: Path, server: Server, client: Any
) -> None:
    add(client, TEXTS[:1_000])
    url, monitor = f"{server.url}?stream=texts", Monitor.open(tmp_path)
    stream = ValkeyStream(url, "mine")
    monitor.feed(next(stream.batches(Place())))  # and killed before the acknowledgement
    assert pending(client) == 512
    stream.close()
    again = ValkeyStream(url, "mine")
    for batch in again.batches(monitor.state.places()[again.name]):
        monitor.feed(batch)
    again.close()
    assert monitor.counters == {"lines": 1_000, "counted": 1_000}
    assert pending(client) == 0
    monitor.close()


def test_a_state_that_was_put_back_reads_on_from_its_own_place(
    tmp_path: Path, server: Server, client: Any
) -> None:
    url, state = f"{server.url}?stream=texts", tmp_path / "state"
    add(client, TEXTS[:100])
    run(state, url)
    shutil.copytree(state, tmp_path / "copy")
    add(client, TEXTS[100:200])
    assert run(state, url).stderr == "200 lines, 200 counted\n"
    assert run(tmp_path / "copy", url).stderr == "200 lines, 200 counted\n"
    client.delete("texts")
    client.xadd("texts", {"json": TEXTS[200]}, id="5-1")
    assert run(state, url).stderr == "201 lines, 201 counted\n"


def test_a_lost_server_is_waited_for(tmp_path: Path) -> None:
    told, found = list[str](), list[int]()
    with Server(tmp_path) as server:
        stream = ValkeyStream(f"{server.url}?stream=texts", "mine")
        places = [Place()]

        def tell(what: str) -> None:
            told.append(what)
            if not server.process.poll():
                return
            server.start()
            with Valkey(port=server.port) as client:
                add(client, TEXTS[5:8])

        with Valkey(port=server.port) as client:
            add(client, TEXTS[:5])
        for batch in islice(following(lambda: stream.batches(places[-1]), 0.1, tell), 2):
            found.append(len(batch))
            places.append(batch[-1].end)
            if len(found) == 1:
                server.kill()
        stream.close()
    assert found == [5, 3]
    assert told[0].startswith(f"redis://127.0.0.1:{server.port}/0: ")
    assert told[0].endswith("; waiting for it")


def test_wrong_entries_are_named(tmp_path: Path, server: Server, client: Any) -> None:
    client.xadd("texts", {"text": "my bag"}, id="7-1")
    client.xadd("texts", {"json": "{"}, id="7-2")
    client.xadd("texts", {"json": TEXTS[0] + " " * (1 << 20)}, id="7-3")
    client.xadd("texts", {"json": TEXTS[0]}, id="7-4")
    done = run(tmp_path, f"{server.url}?stream=texts")
    lines = [line.partition("?stream=texts, ")[2] for line in done.stderr.splitlines()[:3]]
    assert lines[0] == "entry 7-1: has other fields than `json`: put the whole text there, as a line of JSON"
    assert lines[1].startswith("entry 7-2: isn't JSON")
    assert lines[2].startswith("entry 7-3: is longer than 1,048,576 bytes")
    assert done.stderr.endswith("4 lines, 3 bad, 1 counted\n")


def test_wrong_addresses_are_refused(tmp_path: Path, server: Server, client: Any) -> None:
    client.set("other", "x")
    for query, why in (
        ("", "name one stream"),
        ("?stream=a&stream=b", "name one stream"),
        ("?stream=a&strem=b", "'strem' in the address"),
        ("?stream=other", "is no stream"),
    ):
        error = run(tmp_path, server.url + query).exception
        assert isinstance(error, (RequestError, StateError))
        assert why in str(error)
    error = run(tmp_path, "redis://me:hush@127.0.0.1:9/0?stream=a").exception
    assert isinstance(error, StateError)
    assert "start the server" in str(error)
    assert "hush" not in str(error)
    error = run(tmp_path, "https://127.0.0.1/?stream=a").exception
    assert "https://…: name a folder" in str(error)
