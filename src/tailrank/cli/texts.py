"""What a command reads of the items, shown before it is used."""

from __future__ import annotations

from typing import Final

import polars as pl

from tailrank.errors import DataError
from tailrank.language.languages import not_english
from tailrank.language.text import item_texts

N_TEXTS: Final = 3


def about_texts(items: pl.DataFrame, template: str | None, encoder: str = "default") -> str:
    """Show what is read of the first items, and warn if the default encoder hardly reads their language."""
    try:
        texts = [text for text in item_texts(items, template) if text]
    except DataError as none:
        return f"warning: {none}"
    shown = [text if len(text) <= 100 else f"{text[:99]}…" for text in texts[:N_TEXTS]]
    lines = ["item texts, such as", *(f"  {' '.join(text.split())}" for text in shown)]
    if encoder == "default" and (why := not_english(texts)) is not None:
        lines.append(
            f"warning: the default encoder reads English, and {why}. If so, give another: --encoder "
            "(docs/encoders.md)."
        )
    return "\n".join(lines)
