"""Webhooks: what is posted to a real receiver and how it is signed; refusals, kills, and what isn't shown."""

import base64
import contextlib
import hashlib
import hmac
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from bench.waiting import wait_until
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.client.webhook import Webhook
from tailrank.errors import RequestError
from tailrank.tasks.monitor.alert_log import Alert
from tailrank.tasks.monitor.courier import Courier, webhooks_of
from tailrank.tasks.monitor.outbox import GIVEN_UP, LONGEST_PAUSE, Outbox
from tailrank.tasks.monitor.subscribers import Subscribers
from tailrank.tasks.monitor.subscriptions import Receiver, Subscription

HOUR, DAY = 3_600, 86_400
NOW = 20_000 * DAY
SECRET = base64.b64encode(bytes(range(32))).decode()


class Receiving(ThreadingHTTPServer):
    """Notes what is posted; answers with `status`, or not before `may_answer`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.messages: list[tuple[Message, bytes]] = []
        self.status, self.may_answer = 204, threading.Event()
        self.may_answer.set()
        self.url = f"http://127.0.0.1:{self.server_port}/hush/T0"

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.messages]


class _Handler(BaseHTTPRequestHandler):
    server: Receiving

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.messages.append((self.headers, body))
        self.server.may_answer.wait()
        self.send_response(self.server.status)
        self.send_header("location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiving]:
    with Receiving() as found:
        threading.Thread(target=found.serve_forever).start()
        yield found
        found.may_answer.set()
        found.shutdown()


other = receiver


def alert(name: str, until: int = NOW) -> Alert:
    return Alert(name, "volume", "bags", "United", until - HOUR, until, 30.0, 10.0, 30, "why")


def tell(state: Path, wanted: list[Subscription], alerts: list[Alert], now: int = NOW) -> list[str]:
    """Tell subscribers, as the command does; returns what the operator reads."""
    state.mkdir(exist_ok=True)
    told = list[str]()
    with Courier(state, webhooks_of(wanted), told.append) as courier:
        Subscribers(state, wanted, courier.add).tell(alerts, now)
    return told


def stream() -> bytes:
    """Write four texts an hour, and sixteen in three of them."""
    rows = []
    for hour in range(5 * 24):
        for n in range(4 + 12 * (hour in (100, 101, 102))):
            about = {"id": f"{hour}-{n}", "timestamp": NOW - 9 * DAY + hour * HOUR + n, "topic": "bags"}
            rows.append(json.dumps(about | {"text": f"lost {hour * 7} bag {n * 11}"}) + "\n")
    return "".join(rows).encode()


def test_a_killed_process_has_its_alert_posted_again_with_the_same_id(
    tmp_path: Path, receiver: Receiving
) -> None:
    state, file, secret = tmp_path / "state", tmp_path / "subs.json", tmp_path / "secret"
    secret.write_text(f"whsec_{SECRET}\n")
    webhook = {"url": receiver.url, "secret_file": str(secret)}
    file.write_text(json.dumps([{"name": "desk", "webhook": webhook}]))
    watched = ["--set", "watch=volume", "--set", "burn_in_days=2", "--set", "duplicate_hours=0"]
    command = ["monitor", "run", str(state), "-", "--subscriptions", str(file), *watched]
    receiver.may_answer.clear()
    program = str(Path(sys.executable).with_name("tailrank"))
    with subprocess.Popen([program, *command], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(stream())
        process.stdin.close()
        wait_until(lambda: bool(receiver.messages), 60)
        process.kill()
    receiver.may_answer.set()
    done = CliRunner().invoke(app, command, input=b"")
    assert done.exit_code == 0, done.output
    again = CliRunner().invoke(app, command, input=b"")
    logged = [json.loads(line) for line in (state / "alerts.jsonl").read_text().splitlines()]
    assert receiver.bodies == [{"subscriber": "desk", "alerts": logged}] * 2
    first, second = (headers for headers, _ in receiver.messages)
    assert first["webhook-id"] == second["webhook-id"]
    headers, body = receiver.messages[1]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(bytes(range(32)), signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    written = b"".join(path.read_bytes() for path in state.rglob("*") if path.is_file())
    for shown in (done.output, again.output, written.decode(errors="replace")):
        assert SECRET not in shown
        assert "hush" not in shown


def test_alerts_go_one_by_one_or_together(tmp_path: Path, receiver: Receiving) -> None:
    wanted = [
        Subscription("now", webhook=Receiver(receiver.url)),
        Subscription("daily", cadence="daily", webhook=Receiver(receiver.url)),
        Subscription("log"),
    ]
    assert tell(tmp_path, wanted, [alert("a", NOW - HOUR), alert("b")]) == []
    found = [(body["subscriber"], [each["id"] for each in body["alerts"]]) for body in receiver.bodies]
    assert sorted(found) == [("daily", ["a", "b"]), ("now", ["a"]), ("now", ["b"])]
    assert all("webhook-signature" not in headers for headers, _ in receiver.messages)
    assert tell(tmp_path, wanted, [alert("a", NOW - HOUR), alert("b")]) == []
    assert len(receiver.messages) == 3


def test_what_is_refused_waits_and_says_so(
    tmp_path: Path, receiver: Receiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrank.tasks.monitor.outbox.FIRST_PAUSE", 0.0)
    wanted, shown = (
        [Subscription("desk", webhook=Receiver(receiver.url))],
        receiver.url.removesuffix("/hush/T0"),
    )
    receiver.status = 302
    assert tell(tmp_path, wanted, [alert("a"), alert("b")]) == [
        f"desk: {shown}: it answers 302; tried again in 0 seconds",
        "2 deliveries wait for the next run",
    ]
    receiver.status = 200
    assert tell(tmp_path, [], []) == []
    assert len(receiver.messages) == 1  # nothing is posted without the subscription, or where it is led to
    assert tell(tmp_path, wanted, []) == []
    assert [body["alerts"][0]["id"] for body in receiver.bodies] == ["a", "a", "b"]


def test_an_alert_that_was_queued_before_a_kill_is_posted_once(tmp_path: Path, receiver: Receiving) -> None:
    outbox = Outbox(tmp_path)
    outbox.add("desk", [alert("a")], NOW)  # and killed, before the subscriber's log has it
    outbox.close()
    tell(tmp_path, [Subscription("desk", webhook=Receiver(receiver.url))], [alert("a"), alert("b")])
    assert [body["alerts"][0]["id"] for body in receiver.bodies] == ["a", "b"]


def test_a_receiver_that_is_slow_holds_up_no_other(
    tmp_path: Path, receiver: Receiving, other: Receiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrank.client.webhook.TIMEOUT", 300.0)
    wanted = [
        Subscription(name, webhook=Receiver(each.url)) for name, each in (("a", receiver), ("b", other))
    ]
    receiver.may_answer.clear()
    told = list[str]()
    with Courier(tmp_path, webhooks_of(wanted), told.append) as courier:
        Subscribers(tmp_path, wanted, courier.add).tell([alert("x")], NOW)
        wait_until(lambda: bool(other.messages), 60)
        receiver.may_answer.set()
    assert (len(receiver.messages), len(other.messages), told) == (1, 1, [])


def test_what_nobody_subscribes_to_any_more_is_given_up(tmp_path: Path, receiver: Receiving) -> None:
    now, wanted = time.time(), [Subscription("desk", webhook=Receiver(receiver.url))]
    outbox = Outbox(tmp_path)
    for name, age in (("gone", GIVEN_UP + HOUR), ("away", GIVEN_UP - HOUR), ("desk", GIVEN_UP + HOUR)):
        outbox.add(name, [alert("a")], now - age)
    outbox.close()
    first, second = (tell(tmp_path, wanted, []) for _ in range(2))
    assert first[0] == "deliveries given up, as their subscribers are gone: 1"
    assert first[1:] == second == ["1 deliveries wait for the next run"]
    assert [body["subscriber"] for body in receiver.bodies] == ["desk"]


def test_an_outbox_that_cant_be_opened_is_told_and_tried_again(
    tmp_path: Path, receiver: Receiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrank.tasks.monitor.courier.EVERY", 0.1)
    wanted, told = [Subscription("desk", webhook=Receiver(receiver.url))], list[str]()
    with Courier(tmp_path, webhooks_of(wanted), told.append) as courier:
        file = tmp_path / "outbox.sqlite"
        file.rename(tmp_path / "aside")
        file.mkdir()
        wait_until(lambda: bool(told), 60)
        file.rmdir()
        (tmp_path / "aside").rename(file)
        Subscribers(tmp_path, wanted, courier.add).tell([alert("a")], NOW)
        wait_until(lambda: bool(receiver.messages), 60)
    assert all(str(file) in each for each in told)
    assert len(receiver.messages) == 1


def test_pauses_double_and_end(tmp_path: Path) -> None:
    outbox, pauses, now = Outbox(tmp_path), list[float | None](), float(NOW)
    outbox.add("desk", [alert("a")], now)
    while found := outbox.due(now):
        pauses.append(outbox.note_failed(found[0], now))
        now += pauses[-1] or LONGEST_PAUSE
    assert pauses[:4] == [5, 10, 20, 40]
    assert max(pause for pause in pauses if pause) == LONGEST_PAUSE
    assert pauses[-1] is None
    assert 0 <= now - LONGEST_PAUSE - NOW - GIVEN_UP < LONGEST_PAUSE
    assert outbox.waiting() == 0
    outbox.close()


def test_nobody_answers() -> None:
    assert Webhook("http://127.0.0.1:9/x").post("m", b"{}", NOW) == "it can't be reached (ConnectError)"


def test_an_answer_that_never_ends_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrank.client.webhook.TIMEOUT", 1.0)
    is_over = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not is_over.wait(0.1):
            with contextlib.suppress(OSError):
                connection.sendall(b"x: y\r\n")
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        webhook = Webhook(f"http://127.0.0.1:{listener.getsockname()[1]}/x")
        assert webhook.post("m", b"{}", NOW) == "no answer within 1 seconds"
        is_over.set()
        thread.join()


def test_settings_of_the_network_that_make_no_sense_stop_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "nonsense://127.0.0.1:9")
    assert Webhook("http://127.0.0.1:9/x").post("m", b"{}", NOW) == "it can't be reached (ValueError)"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (Receiver("ftp://h/x"), "no URL of a receiver"),
        (Receiver("file:///etc/passwd"), "no URL of a receiver"),
        (Receiver("http://h:99999/x"), "no URL of a receiver"),
        (Receiver("https://me:hush@h/x"), "h: leave the user info out"),
        (Receiver("https://h/x", secret_env="NO_SUCH_NAME"), "NO_SUCH_NAME isn't set"),
        (Receiver("https://h/x", secret_env="SHORT_SECRET"), "24 to 64 bytes in Base64"),
        (Receiver("https://h/x", secret_file="/no/such"), "/no/such: no secret can be read"),
        (Receiver("https://h/x", "/a", "B"), "secret_file or secret_env, not both"),
    ],
)
def test_wrong_receivers_are_refused(given: Receiver, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORT_SECRET", "hush")
    with pytest.raises(RequestError, match=f"subscription a: webhook: .*{why}") as found:
        webhooks_of([Subscription("a", webhook=given)])
    assert "hush" not in str(found.value)
