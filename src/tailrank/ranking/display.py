"""Rankings and explanations as tables of a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def html_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table in HTML: numbers with a fraction to two places, and all else escaped, for ids are data.

    Examples
    --------
    >>> html_table(["item"], [["<b>tea"], [0.5]])
    '<table><tr><th>item</th></tr><tr><td>&lt;b&gt;tea</td></tr><tr><td>0.50</td></tr></table>'
    """
    lines = [_row("th", headings), *(_row("td", row) for row in rows)]
    return f"<table>{''.join(lines)}</table>"


def _row(tag: str, cells: Iterable[object]) -> str:
    return f"<tr>{''.join(f'<{tag}>{_cell(cell)}</{tag}>' for cell in cells)}</tr>"


def _cell(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else escape(str(value))
