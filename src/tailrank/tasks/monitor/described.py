"""What an alert says beside its numbers: words, sentences and texts behind a surge."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from tailrank.tasks.monitor.alert_log import Alert, Evidence, alert_of
from tailrank.tasks.monitor.monitor_state import MonitorState
from tailrank.tasks.monitor.series import Series, series_of
from tailrank.tasks.monitor.settings import DAY, Kind
from tailrank.tasks.monitor.stream_texts import Text
from tailrank.tasks.monitor.summaries import Vectors, central_texts, summary, told_words
from tailrank.tasks.monitor.surges import Raised

READ: Final = 200
"""The latest texts of a surge that are looked at."""

SHOWN: Final = 5
"""Texts that are shown."""

BEFORE: Final = 7 * DAY
"""Seconds before a surge whose texts are what is usual."""


def described(raised: Raised, state: MonitorState, vectors: Vectors) -> Alert:
    """Make an alert of a surge.

    Parameters
    ----------
    raised
        What surges.
    state
        Holds its texts.
    vectors
        Of texts and sentences.
    """
    since, until = raised.surge.since, raised.surge.until
    surging = deque(_of(state.texts(since, until), raised.series, raised.surge.kind), READ)
    usual = [text.text for text in _of(state.texts(since - BEFORE, since), raised.series, raised.surge.kind)]
    words = [text.text for text in surging]
    rows = central_texts(vectors(words), SHOWN) if words else []
    evidence = [Evidence(text.id, text.timestamp, text.text) for text in (surging[row] for row in rows)]
    telling = told_words(words, usual) if words and usual else []
    return alert_of(raised, telling, summary(words, vectors), evidence)


def _of(texts: Iterable[Text], series: Series, kind: Kind) -> Iterable[Text]:
    """Take the texts that count in a series, of a kind."""
    return (text for text in texts if series in series_of(text) and (kind == "volume" or text.is_negative))
