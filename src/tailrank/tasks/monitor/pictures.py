"""A picture of a series: what came, what was expected, and where alerts were raised."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

from tailrank.errors import DataError, RequestError, needs
from tailrank.files import written_file
from tailrank.tasks.monitor.alert_log import Alert, moment
from tailrank.tasks.monitor.replays import Trace
from tailrank.tasks.monitor.settings import DAY

SUFFIXES: Final = (".png", ".html")


def draw(file: Path, trace: Trace, alerts: Sequence[Alert]) -> None:
    """Draw a series as PNG, or as a page with the alerts in words.

    Parameters
    ----------
    file
        Ends in `.png` or `.html`.
    trace
        The series.
    alerts
        Those of the series, or with which it surges, are marked.

    Raises
    ------
    RequestError
        If the file has another ending, or matplotlib is missing.
    DataError
        If the file can't be written.
    """
    if file.suffix not in SUFFIXES:
        raise RequestError(f"{file}: pictures end in {' or '.join(SUFFIXES)}")
    marked = [each for each in alerts if tuple(trace.series) in [tuple(each.series), *each.also]]
    png = _png(trace, marked)
    content = png if file.suffix == ".png" else _page(trace, marked, png).encode()
    try:
        with written_file(file) as new:
            new.write_bytes(content)
    except OSError as why:
        raise DataError(f"{file}: can't be written ({why.strerror}). Name another file.") from None


def _png(trace: Trace, alerts: Sequence[Alert]) -> bytes:
    with needs("a picture", "report"):
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
        from matplotlib.figure import Figure
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.add_subplot()
    times = trace.starts / DAY
    axes.plot(times, trace.observed, drawstyle="steps-post", color="#3b6ea5", label="observed", linewidth=1)
    axes.plot(times, trace.expected, drawstyle="steps-post", color="#888888", label="expected", linewidth=1)
    for at, alert in enumerate(alerts):
        axes.axvspan(
            alert.since / DAY, alert.until / DAY, color="#c0392b", alpha=0.25, label=None if at else "alert"
        )
    axes.set_title(f"{trace.kind}: {trace.series}", parse_math=False)
    axes.set_ylabel("texts")
    axes.legend(frameon=False)
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def _page(trace: Trace, alerts: Sequence[Alert], png: bytes) -> str:
    title = escape(f"{trace.kind}: {trace.series}")
    rows = []
    for alert in alerts:
        quotes = "".join(f"<li>{escape(sentence)}</li>" for sentence in alert.summary)
        rows.append(f"<h2>{moment(alert.until)} UTC</h2><p>{escape(alert.why)}</p><ul>{quotes}</ul>")
    image = (
        f'<img alt="{title}" src="data:image/png;base64,{b64encode(png).decode()}" style="max-width:100%">'
    )
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    return f"{head}<body><h1>{title}</h1>{image}{''.join(rows)}</body></html>\n"
