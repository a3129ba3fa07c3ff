"""`Monitor`: lines in, alerts out; what was read is counted once, also by a process that was killed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final, Self, TypeAlias

import numpy as np

from tailrank.errors import RequestError
from tailrank.tasks.monitor.alert_log import Alert, AlertLog
from tailrank.tasks.monitor.described import described
from tailrank.tasks.monitor.duplicates import Duplicates
from tailrank.tasks.monitor.history import KEPT
from tailrank.tasks.monitor.inputs import Line, Place
from tailrank.tasks.monitor.monitor_state import MonitorState, histories
from tailrank.tasks.monitor.series import Series, period_of, series_of
from tailrank.tasks.monitor.settings import DAY, HOUR, MonitorSettings
from tailrank.tasks.monitor.stream_texts import BadLine, Text, read_text
from tailrank.tasks.monitor.summaries import Vectors, lexical_vectors
from tailrank.tasks.monitor.surges import Surges

ALERTS: Final = "alerts.jsonl"
"""Name of the log."""

BATCH: Final = 512
"""Lines of a transaction."""

WITNESSES: Final = 3
"""So many texts of a later time close a period: one or two clocks that are wrong don't."""

Labeller: TypeAlias = Callable[[Sequence[Text]], list[Text]]
"""Adds topics, sentiments and reasons to texts that lack them."""


@dataclass
class Monitor:
    """Watches a stream; make one with `Monitor.open`.

    Attributes
    ----------
    state
        What it knows, on the disk.
    log
        Its alerts.
    settings
        How it watches.
    labeller
        Says what texts are about; None if the texts say it.
    vectors
        Of texts and sentences, for evidence.
    on_bad
        Is told of lines that can't be read.
    """

    state: MonitorState
    log: AlertLog
    settings: MonitorSettings
    labeller: Labeller | None = None
    vectors: Vectors = lexical_vectors
    on_bad: Callable[[BadLine], None] = lambda bad: None
    surges: Surges = field(init=False)
    counters: Counter[str] = field(init=False)
    _open: defaultdict[int, Counter[tuple[Series, bool]]] = field(init=False)
    _latest: list[float] = field(init=False)
    _next: int | None = field(init=False)
    _duplicates: Duplicates = field(init=False)

    @classmethod
    def open(
        cls,
        folder: Path,
        settings: MonitorSettings | None = None,
        labeller: Labeller | None = None,
        vectors: Vectors = lexical_vectors,
        on_bad: Callable[[BadLine], None] = lambda bad: None,
    ) -> Self:
        """Begin in an empty folder, or go on in one that another monitor left.

        Parameters
        ----------
        folder
            For the state and the log of alerts; made if there is none.
        settings
            None takes those of before, or the defaults.
        labeller, vectors, on_bad
            As the attributes.

        Raises
        ------
        DataError
            If the folder can't be used, or another process counts in it.
        RequestError
            If the period isn't that of before.
        """
        state = MonitorState(folder)
        state.hold()
        before = state.note("settings")
        if settings is None:
            settings = MonitorSettings.from_dict(before or {})
        elif before is not None and before["period"] != settings.period:
            state.close()
            raise RequestError(
                f"{folder} counts by {before['period']}, not by {settings.period}: give another folder"
            )
        found = cls(state, AlertLog(folder / ALERTS), settings, labeller, vectors, on_bad)
        found._restore()
        found.write_log()
        return found

    @property
    def now(self) -> int | None:
        """End of the latest period that is over, in seconds since 1970; None if none is."""
        return self._next

    def close(self) -> None:
        """Let go of the files."""
        self.state.close()

    def feed(self, lines: Iterable[Line]) -> list[Alert]:
        """Read lines, batch by batch; returns the alerts that were raised, which are in the log by then.

        Raises
        ------
        DataError
            If the state or the log can't be written. What isn't committed is read again next time.
        """
        rest, alerts = iter(lines), list[Alert]()
        while batch := list(islice(rest, BATCH)):
            places: dict[str, Place] = {line.file: line.end for line in batch}
            texts, counters = self._read(batch)
            with self.state.transaction():
                self.counters.update(counters)
                before = self._next
                for text in texts:
                    self._take(text)
                self.state.write_places(places)
                self._write_notes()
                if self._next != before:
                    self.state.write_note("surges", self.surges.state())
            alerts += self.write_log()
        return alerts

    def write_log(self) -> list[Alert]:
        """Append to the log what isn't in it; returns that."""
        waiting = self.state.unlogged()
        if not waiting:
            return []
        new = self.log.append(waiting)
        self.state.mark_logged()
        return new

    def _read(self, batch: Sequence[Line]) -> tuple[list[Text], Counter[str]]:
        """Read and label the texts of a batch."""
        texts, counters = [], Counter(lines=len(batch))
        for line in batch:
            try:
                if line.fault:
                    raise ValueError(line.fault)
                texts.append(read_text(line.content))
            except ValueError as why:
                counters["bad"] += 1
                self.on_bad(BadLine(line.file, str(line.end), str(why)))
        return texts if self.labeller is None else self.labeller(texts), counters

    def _take(self, text: Text) -> None:
        """Count one text, and close the periods that are over by it."""
        if self._next is not None and text.timestamp < self._next:
            self.counters["late"] += 1
            return
        if self.state.has_text(text.id):
            self.counters["repeated"] += 1
            return
        original = self._duplicates.add(text.id, text.text, text.timestamp)
        self.state.add_text(text, original)
        self.counters["near-duplicate" if original is not None else "counted"] += 1
        if original is None:
            self._count(text)
        self._latest = sorted([*self._latest, text.timestamp])[-WITNESSES:]
        if len(self._latest) == WITNESSES:
            self._close_until(self._latest[0] - self.settings.lateness_hours * HOUR)

    def _count(self, text: Text) -> None:
        start = period_of(text.timestamp, self.settings.seconds)
        self._open[start].update((series, text.is_negative) for series in series_of(text))

    def _close_until(self, time: float) -> None:
        """Close the periods that end by a time, in seconds since 1970."""
        length = self.settings.seconds
        start = min(self._open) if self._next is None else self._next
        while start + length <= time:
            following = min(self._open, default=start)
            if following - start > KEPT:
                self.surges, start = Surges(self.settings), following
                continue
            self._close(start)
            start += length
            self._next = start
        if self._next is not None:
            self._duplicates.forget(self._next - self._duplicates.window)

    def _close(self, start: int) -> None:
        """Close a period: counts go to the detectors, surges become alerts."""
        counts: dict[Series, tuple[int, int]] = {}
        for (series, is_negative), n in sorted(self._open.pop(start, Counter()).items()):
            before = counts.get(series, (0, 0))
            counts[series] = before[0] + n, before[1] + n * is_negative
        self.state.add_counts(start, counts)
        for raised in self.surges.close(start, counts):
            self.state.add_alert(described(raised, self.state, self.vectors))
        if start % DAY == 0:
            kept = self.settings.keep_days * DAY
            self.state.forget(start - kept, start - max(kept, KEPT))

    def _write_notes(self) -> None:
        self.state.write_note("settings", self.settings.as_dict())
        self.state.write_note("counters", self.counters)
        self.state.write_note("latest", self._latest)
        self.state.write_note("next", self._next)

    def _restore(self) -> None:
        """Go on from the state."""
        self.surges = Surges(self.settings)
        self.counters = Counter(self.state.note("counters", {}))
        self._latest, self._next = self.state.note("latest", []), self.state.note("next")
        self._open = defaultdict(Counter)
        window = self.settings.duplicate_hours * HOUR
        self._duplicates = Duplicates(window)
        if not self._latest:
            return
        since = float("-inf") if self._next is None else self._next
        for text in self.state.texts(since - window, float("inf")):
            self._duplicates.add(text.id, text.text, text.timestamp)
            if text.timestamp >= since:
                self._count(text)
        known = self.state.note("surges")
        if self._next is not None and known["first"] is not None:
            length = self.settings.seconds
            first = max(known["first"], self._next - length - KEPT)
            starts = np.arange(first, self._next, length, dtype=np.int64)
            self.surges.restore(known, starts, histories(self.state.counts(first), starts))
