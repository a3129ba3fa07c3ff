"""What a command reads of the items, shown before it is used."""

from __future__ import annotations

from typing import Final

import polars as pl

from tailrank.errors import DataError
from tailrank.language.languages import about_encoder, language_of
from tailrank.language.text import item_texts

N_TEXTS: Final = 3


def about_texts(items: pl.DataFrame, template: str | None, encoder: str = "default") -> str:
    """Show what is read of the first items, say their language and, if need be, which encoder reads it."""
    try:
        texts = [text for text in item_texts(items, template) if text]
    except DataError as none:
        return f"warning: {none}"
    shown = [text if len(text) <= 100 else f"{text[:99]}…" for text in texts[:N_TEXTS]]
    lines = ["item texts, such as", *(f"  {' '.join(text.split())}" for text in shown)]
    if (likely := language_of(texts)) is not None:
        lines.append(about_encoder(likely, encoder))
    return "\n".join(lines)
