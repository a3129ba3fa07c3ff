"""`Courier`: posts alerts to the webhooks of subscribers, and tries again what isn't accepted."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tailrank.errors import DataError, RequestError, needs
from tailrank.tasks.monitor.alert_log import Alert
from tailrank.tasks.monitor.outbox import Delivery, Outbox
from tailrank.tasks.monitor.subscriptions import Receiver, Subscription

if TYPE_CHECKING:  # it needs httpx, which only those with webhooks do
    from tailrank.client.webhook import Webhook

EVERY: Final = 1.0
"""Seconds between two looks at what is due."""

AT_ONCE: Final = 16
"""Receivers that are posted to at once."""


class Courier:
    """Posts in a thread of its own, so that no receiver holds up the monitor; use it in a `with`.

    At the end of the `with`, what is due is tried once more. What is left is tried by the next one.

    Parameters
    ----------
    folder
        Of the monitor.
    webhooks
        Of subscribers, by name.
    tell
        Is told what isn't accepted.
    """

    def __init__(self, folder: Path, webhooks: Mapping[str, Webhook], tell: Callable[[str], None]) -> None:
        self._folder, self._webhooks, self._tell = folder, webhooks, tell
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Courier:
        if self._webhooks:
            self._outbox = Outbox(self._folder)
            if gone := self._outbox.give_up_others(self._webhooks, time.time()):
                self._tell(f"deliveries given up, as their subscribers are gone: {gone:,}")
            self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        if not self._webhooks:
            return
        self._is_over.set()
        self._thread.join()
        self._send(self._outbox)
        if waiting := self._outbox.waiting():
            self._tell(f"{waiting:,} deliveries wait for the next run")
        self._outbox.close()

    def add(self, one: Subscription, alerts: Sequence[Alert]) -> None:
        """Have alerts sent to a subscriber that has a webhook: one by one if it wants them at once."""
        if one.name not in self._webhooks:
            return
        for each in [[alert] for alert in alerts] if one.cadence == "at once" else [alerts]:
            self._outbox.add(one.name, each, time.time())

    def _run(self) -> None:
        while not self._is_over.wait(EVERY):
            try:
                with closing(Outbox(self._folder)) as outbox:  # of this thread
                    self._send(outbox)
            except DataError as why:
                self._tell(str(why))

    def _send(self, outbox: Outbox) -> None:
        """Try what is due, the oldest first, in rounds of one to each subscriber, all at once.

        A receiver that is slow holds up the others by one answer; one that refuses waits for the next look.
        """
        rest = dict(self._webhooks)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while due := self._next_of_each(outbox, rest):
                posts = {
                    pool.submit(rest[each.subscriber].post, each.id, each.body, time.time()): each
                    for each in due
                }
                for post in as_completed(posts):
                    if why := post.result():
                        self._note_failed(outbox, posts[post], why)
                        del rest[posts[post].subscriber]
                    else:
                        outbox.note_accepted(posts[post], time.time())

    def _note_failed(self, outbox: Outbox, delivery: Delivery, why: str) -> None:
        pause = outbox.note_failed(delivery, time.time())
        then = "it is given up" if pause is None else f"tried again in {pause:,.0f} seconds"
        self._tell(f"{delivery.subscriber}: {self._webhooks[delivery.subscriber]}: {why}; {then}")

    @staticmethod
    def _next_of_each(outbox: Outbox, known: Container[str]) -> list[Delivery]:
        """Give the oldest delivery that is due of each subscriber that is known."""
        oldest: dict[str, Delivery] = {}
        for delivery in outbox.due(time.time()):
            if delivery.subscriber in known:
                oldest.setdefault(delivery.subscriber, delivery)
        return list(oldest.values())


def webhooks_of(subscriptions: Sequence[Subscription]) -> dict[str, Webhook]:
    """Make the webhooks of subscriptions, by name, and read their secrets.

    Raises
    ------
    RequestError
        If a URL isn't one of http or https, or a secret isn't there or too short.
    """
    found = {}
    for one in subscriptions:
        if one.webhook is not None:
            try:
                found[one.name] = _webhook(one.webhook)
            except RequestError as why:
                raise RequestError(f"subscription {one.name}: webhook: {why}") from None
    return found


def _webhook(receiver: Receiver) -> Webhook:
    with needs("a webhook", "client"):
        from tailrank.client.webhook import Webhook, decoded_secret
    text = _secret(receiver)
    return Webhook(receiver.url, None if text is None else decoded_secret(text))


def _secret(receiver: Receiver) -> str | None:
    """Read a secret as it is written; None if there is none."""
    if receiver.secret_file and receiver.secret_env:
        raise RequestError("give secret_file or secret_env, not both")
    if receiver.secret_env and receiver.secret_env not in os.environ:
        raise RequestError(f"{receiver.secret_env} isn't set in the environment: put the secret there")
    if receiver.secret_env:
        return os.environ[receiver.secret_env]
    try:
        return Path(receiver.secret_file).read_text(encoding="ascii") if receiver.secret_file else None
    except (OSError, UnicodeDecodeError) as why:
        reason = why.strerror if isinstance(why, OSError) else "isn't ASCII"
        raise RequestError(f"{receiver.secret_file}: no secret can be read ({reason})") from None
