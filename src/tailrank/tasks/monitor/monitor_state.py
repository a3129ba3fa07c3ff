"""What the monitor knows, in one SQLite file: texts, counts, detectors and how far the input was read.

All that follows from a batch of lines is committed in one transaction, with the places behind these lines.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from tailrank.arrays import Offsets
from tailrank.errors import DataError, first_line
from tailrank.files import exclusive
from tailrank.folders import check_room
from tailrank.tasks.monitor.alert_log import Alert
from tailrank.tasks.monitor.history import History
from tailrank.tasks.monitor.inputs import Place
from tailrank.tasks.monitor.series import Series
from tailrank.tasks.monitor.stream_texts import Text
from tailrank.tasks.monitor.surges import Counts

FORMAT: Final = "tailrank monitor 1"
NAME: Final = "monitor.sqlite"
LOCK: Final = "monitor.lock"

_TABLES: Final = """
create table if not exists notes (name text primary key, value text not null);
create table if not exists places (file text primary key, bytes integer not null, lines integer not null);
create table if not exists texts (
    id text primary key, at real not null, entity text not null, topics text not null,
    sentiment text not null, reason text not null, text text not null, original text);
create index if not exists texts_by_time on texts (at);
create table if not exists counts (
    start integer not null, topic text not null, entity text not null,
    n integer not null, negative integer not null, primary key (start, topic, entity));
create table if not exists alerts (id text primary key, value text not null, is_logged integer not null);
"""


class MonitorState:
    """Opens the file in a folder, or makes it.

    Parameters
    ----------
    folder
        Of the monitor.
    read_only
        Read it as it is now, while another process may write it; a file that isn't there is not made.

    Raises
    ------
    DataError
        If it can't be opened, is of another format, or another process holds it.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.file, self._held = folder / NAME, ExitStack()
        if read_only:
            self._open_to_read(folder)
        else:
            self._open_to_write(folder)
        if self.note("format", FORMAT) != FORMAT:
            raise DataError(f"{self.file}: is of another version of tailrank. Give another folder.")

    def _open_to_write(self, folder: Path) -> None:
        check_room(folder, "a monitor", DataError, NAME)
        with self._errors():
            folder.mkdir(parents=True, exist_ok=True)
            others = [each.name for each in folder.iterdir() if each.is_file() and each.name[0] != "."]
            if others and not has_run(folder):
                what = f"holds other files ({min(others)}), and no monitor has run there"
                raise DataError(f"{folder}: {what}. Give a new folder.")
            self._db = sqlite3.connect(self.file, timeout=1.0, isolation_level=None)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
            self._db.executescript(_TABLES)

    def _open_to_read(self, folder: Path) -> None:
        check_has_run(folder)
        with self._errors():
            where = f"{self.file.absolute().as_uri()}?mode=ro"
            self._db = sqlite3.connect(where, uri=True, timeout=1.0, isolation_level=None)
            self._db.execute("begin")  # so that all that is read is of one moment

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
        self._held.close()

    def hold(self) -> None:
        """Keep others from counting here until it is closed: each would miss what the other one read.

        Raises
        ------
        DataError
            If another one does, or the lock can't be written. It is closed then.
        """
        try:
            self._held.enter_context(exclusive(self.file.with_name(LOCK), 0))
        except OSError as why:
            self.close()
            is_held = isinstance(why, TimeoutError)
            what = "another monitor runs there: stop it" if is_held else f"can't be written ({why.strerror})"
            raise DataError(f"{self.file.parent}: {what}, or give another folder.") from None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all that is written in the block, or nothing."""
        with self._errors(), self._db:  # which ends the transaction
            self._db.execute("begin immediate")
            yield

    def note(self, name: str, default: Any = None) -> Any:
        """Read a note, as JSON has it."""
        with self._errors():
            row = self._db.execute("select value from notes where name = ?", (name,)).fetchone()
        return default if row is None else json.loads(row[0])

    def write_note(self, name: str, value: Any) -> None:
        """Write a note."""
        self._db.execute("insert or replace into notes values (?, ?)", (name, json.dumps(value)))

    def name(self) -> str:
        """Give a name that no other state has, drawn once."""
        if (found := self.note("name")) is None:
            found = f"tailrank-{secrets.token_hex(4)}"
            with self.transaction():
                self.write_note("name", found)
        return str(found)

    def places(self) -> dict[str, Place]:
        """Say how far each file was read."""
        with self._errors():
            rows = self._db.execute("select file, bytes, lines from places").fetchall()
        return {file: Place(size, lines) for file, size, lines in rows}

    def write_places(self, places: Mapping[str, Place]) -> None:
        """Note how far files were read."""
        rows = [(file, place.bytes, place.lines) for file, place in places.items()]
        self._db.executemany("insert or replace into places values (?, ?, ?)", rows)

    def forget_places(self, files: Iterable[str]) -> None:
        """Forget how far files were read that are gone."""
        self._db.executemany("delete from places where file = ?", [(file,) for file in files])

    def has_text(self, text_id: str) -> bool:
        """Whether a text of this id is kept."""
        return self._db.execute("select 1 from texts where id = ?", (text_id,)).fetchone() is not None

    def add_text(self, text: Text, original: str | None) -> None:
        """Keep a text, and the id of the one that it nearly repeats."""
        topics = json.dumps(text.topics)
        row = text.id, text.timestamp, text.entity, topics, text.sentiment, text.reason, text.text, original
        self._db.execute("insert into texts values (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def texts(self, since: float, until: float) -> Iterator[Text]:
        """Give texts written from `since` to before `until` that repeat none, the oldest first."""
        query = (
            "select id, text, at, entity, topics, sentiment, reason from texts where at >= ? and at < ?"
            " and original is null order by at, id"
        )
        with self._errors():
            for row in self._db.execute(query, (since, until)):
                text_id, text, at, entity, topics, sentiment, reason = row
                yield Text(text_id, text, at, entity, tuple(json.loads(topics)), sentiment, reason)

    def add_counts(self, start: int, counts: Counts) -> None:
        """Keep the counts of a period."""
        rows = [(start, *series, *count) for series, count in counts.items()]
        self._db.executemany("insert or replace into counts values (?, ?, ?, ?, ?)", rows)

    def counts(self, since: float) -> dict[int, dict[Series, tuple[int, int]]]:
        """Give the counts of periods from `since` on, by their starts."""
        query = "select start, topic, entity, n, negative from counts where start >= ? order by start"
        found: defaultdict[int, dict[Series, tuple[int, int]]] = defaultdict(dict)
        with self._errors():
            for start, topic, entity, n, negative in self._db.execute(query, (since,)):
                found[start][Series(topic, entity)] = n, negative
        return dict(found)

    def counts_of(self, series: Series, since: float) -> dict[int, tuple[int, int]]:
        """Give texts and negative ones of a series, by the starts of periods from `since` on."""
        query = "select start, n, negative from counts where start >= ? and topic = ? and entity = ?"
        with self._errors():
            rows = self._db.execute(query, (since, *series)).fetchall()
        return {start: (n, negative) for start, n, negative in rows}

    def totals(self, since: float) -> dict[Series, int]:
        """Count the texts of each series in periods from `since` on; series of most texts come first."""
        query = (
            "select topic, entity, sum(n) as texts from counts where start >= ? group by topic, entity"
            " order by texts desc, topic, entity"
        )
        with self._errors():
            rows = self._db.execute(query, (since,)).fetchall()
        return {Series(topic, entity): texts for topic, entity, texts in rows}

    def latest_alerts(self, most: int) -> list[Alert]:
        """Give alerts, the latest first, those too that aren't logged yet."""
        with self._errors():
            rows = self._db.execute(
                "select value from alerts order by rowid desc limit ?", (most,)
            ).fetchall()
        return [msgspec.json.decode(row[0], type=Alert) for row in rows]

    def alert_count(self) -> int:
        """Count all alerts."""
        with self._errors():
            return int(self._db.execute("select count(*) from alerts").fetchone()[0])

    def add_alert(self, alert: Alert) -> None:
        """Keep an alert that is to be logged."""
        row = alert.id, msgspec.json.encode(alert).decode()
        self._db.execute("insert or ignore into alerts values (?, ?, 0)", row)

    def unlogged(self) -> list[Alert]:
        """Give the alerts that aren't known to be logged, the oldest first."""
        with self._errors():
            rows = self._db.execute("select value from alerts where not is_logged order by rowid").fetchall()
        return [msgspec.json.decode(row[0], type=Alert) for row in rows]

    def mark_logged(self) -> None:
        """Note that all alerts are logged."""
        with self._errors():
            self._db.execute("update alerts set is_logged = 1 where not is_logged")

    def forget(self, texts_before: float, counts_before: float) -> None:
        """Delete what is too old, times in seconds since 1970."""
        self._db.execute("delete from texts where at < ?", (texts_before,))
        self._db.execute("delete from counts where start < ?", (counts_before,))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as why:
            held = "locked" in str(why)
            remedy = "Does another monitor run on it?" if held else "Is there room, and may it be written?"
            raise DataError(f"{self.file}: can't be used ({first_line(why)}). {remedy}") from None


def has_run(folder: Path) -> bool:
    """Whether a monitor has run in a folder."""
    return (folder / NAME).is_file()


def check_has_run(folder: Path) -> None:
    """Raise a DataError unless a monitor has run in a folder."""
    if not has_run(folder):
        raise DataError(
            f"{folder}: no monitor has run there. Give the folder that `tailrank monitor run` had."
        )


def histories(
    counts: Mapping[int, Mapping[Series, tuple[int, int]]], starts: Offsets
) -> dict[Series, History]:
    """Turn counts by period into counts by series.

    Parameters
    ----------
    counts
        As `MonitorState.counts` gives them.
    starts
        Of all periods, those without texts, too, in seconds since 1970.
    """
    rows = {int(start): row for row, start in enumerate(starts)}
    found: dict[Series, History] = {}
    for start, period in counts.items():
        for series, (n, negative) in period.items() if start in rows else ():
            if series not in found:
                none = History.empty(starts)
                found[series] = History(starts, none.n.copy(), none.n.copy(), none.used)
            found[series].n[rows[start]], found[series].negative[rows[start]] = n, negative
    return found
