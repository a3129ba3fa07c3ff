"""Markdown tables, and how figures are printed in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.stored import Json

WIN, CHANCE, LOSS = "tailrank is better", "may be chance", "tailrank loses"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """Lay out a table whose first `left` columns hold text and whose others hold numbers."""
    rule = ["---" if nth < left else "--:" for nth in range(len(header))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))


def number(value: float | None) -> str:
    """Print a figure with as many digits as it is worth.

    Examples
    --------
    >>> number(0.06391), number(-0.0012), number(3.14159), number(1234.5), number(None)
    ('.0639', '-.0012', '3.14', '1,234', '-')
    """
    if value is None:
        return "-"
    if abs(value) < 1:
        return f"{value:.4f}".replace("0.", ".", 1)
    return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"


def cost(value: float | None) -> str:
    """Print seconds, milliseconds or megabytes.

    Examples
    --------
    >>> cost(0.0004), cost(0.4753), cost(18.67), cost(1234.5)
    ('0.00', '0.48', '18.7', '1,234')
    """
    if value is None:
        return "-"
    return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f}"


def spread(value: float | None, deviation: float | None) -> str:
    """Print a mean over seeds and its standard deviation, where seeds differ."""
    return f"{number(value)} ± {number(deviation)}" if deviation else number(value)


def difference(pair: Json) -> str:
    """Print a difference with its 95% interval.

    Examples
    --------
    >>> difference({"difference": 0.0028, "ci95": [-0.0004, 0.0061]})
    '+.0028 (-.0004 to +.0061)'
    """
    low, high = pair["ci95"]
    return f"{signed(pair['difference'])} ({signed(low)} to {signed(high)})"


def signed(value: float) -> str:
    """Print a figure with its sign."""
    return number(value) if value < 0 else f"+{number(value)}"


def verdict(pair: Json) -> str:
    """Say what an interval of tailrank minus another model means."""
    low, high = pair["ci95"]
    return CHANCE if low <= 0 <= high else WIN if low > 0 else LOSS
