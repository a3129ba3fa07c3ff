"""What waits to be sent to subscribers, in one SQLite file: nothing is lost by a kill, or forgotten."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from tailrank.errors import DataError, first_line
from tailrank.tasks.monitor.alert_log import Alert
from tailrank.tasks.monitor.settings import DAY, HOUR

NAME: Final = "outbox.sqlite"

FIRST_PAUSE: Final = 5.0
"""Seconds after the first failure; each further pause is twice as long."""

LONGEST_PAUSE: Final = HOUR

GIVEN_UP: Final = 7 * DAY
"""Seconds after which what isn't accepted isn't tried any more."""

KEPT: Final = 30 * DAY
"""Seconds for which it is known what was sent."""

_TABLES: Final = """
create table if not exists deliveries (
    id text primary key, subscriber text not null, body blob not null, made real not null,
    attempts integer not null default 0, next real not null, ended real);
create table if not exists alerts (
    subscriber text not null, alert text not null, delivery text not null, primary key (subscriber, alert));
"""


@dataclass(frozen=True)
class Delivery:
    """Alerts that one subscriber gets at once.

    Attributes
    ----------
    id
        The same whenever it is tried.
    subscriber
        Its name.
    body
        JSON.
    attempts
        That have failed.
    """

    id: str
    subscriber: str
    body: bytes
    attempts: int


class Outbox:
    """Opens the file in the folder of a monitor, or makes it; of one thread.

    Raises
    ------
    DataError
        If it can't be used.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / NAME
        with self._errors():
            self._db = sqlite3.connect(self.file, timeout=10.0, isolation_level=None)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
            self._db.executescript(_TABLES)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def add(self, subscriber: str, alerts: Sequence[Alert], now: float) -> None:
        """Have alerts sent together, but those that were added before.

        Parameters
        ----------
        subscriber
            Its name.
        alerts
            Of one delivery.
        now
            In seconds since 1970.
        """
        with self._transaction():
            known = "select alert from alerts where subscriber = ?"
            before = {row[0] for row in self._db.execute(known, (subscriber,))}
            new = [alert for alert in alerts if alert.id not in before]
            if not new:
                return
            key = "\0".join([subscriber, *(alert.id for alert in new)])
            name = hashlib.sha256(key.encode()).hexdigest()[:32]
            body = msgspec.json.encode({"subscriber": subscriber, "alerts": new})
            row = name, subscriber, body, now, now
            self._db.execute(
                "insert into deliveries (id, subscriber, body, made, next) values (?, ?, ?, ?, ?)", row
            )
            rows = [(subscriber, alert.id, name) for alert in new]
            self._db.executemany("insert into alerts values (?, ?, ?)", rows)

    def due(self, now: float) -> list[Delivery]:
        """Give what is to be tried at a time, in seconds since 1970, the oldest first."""
        query = (
            "select id, subscriber, body, attempts from deliveries where ended is null and next <= ?"
            " order by rowid"
        )
        with self._errors():
            return [Delivery(*row) for row in self._db.execute(query, (now,))]

    def waiting(self) -> int:
        """Count what hasn't ended."""
        with self._errors():
            found = self._db.execute("select count(*) from deliveries where ended is null").fetchone()
        return int(found[0])

    def note_accepted(self, delivery: Delivery, now: float) -> None:
        """Note that it was accepted, and forget what was long ago."""
        with self._transaction():
            self._db.execute("update deliveries set ended = ? where id = ?", (now, delivery.id))
            self._db.execute("delete from deliveries where ended < ?", (now - KEPT,))
            self._db.execute("delete from alerts where delivery not in (select id from deliveries)")

    def note_failed(self, delivery: Delivery, now: float) -> float | None:
        """Note that it wasn't; returns the seconds until it is tried again, None if it is given up."""
        pause = min(FIRST_PAUSE * 2.0**delivery.attempts, LONGEST_PAUSE)
        with self._transaction():
            query = "select made from deliveries where id = ?"
            is_over = now - self._db.execute(query, (delivery.id,)).fetchone()[0] >= GIVEN_UP
            self._db.execute(
                "update deliveries set attempts = attempts + 1, next = ?, ended = ? where id = ?",
                (now + pause, now if is_over else None, delivery.id),
            )
        return None if is_over else pause

    def give_up_others(self, subscribers: Iterable[str], now: float) -> int:
        """End what has waited too long for subscribers that there aren't any more; returns how many."""
        query = (
            "update deliveries set ended = ? where ended is null and made <= ?"
            " and subscriber not in (select value from json_each(?))"
        )
        with self._transaction():
            return self._db.execute(query, (now, now - GIVEN_UP, json.dumps(list(subscribers)))).rowcount

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._errors(), self._db:  # which ends the transaction
            self._db.execute("begin immediate")
            yield

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as why:
            raise DataError(
                f"{self.file}: can't be used ({first_line(why)}). Is there room, and may it be written?"
            ) from None
