"""What a command reads of the items, shown before it is used."""

from __future__ import annotations

from typing import Final

import polars as pl

from tailrank.language.languages import about_encoder, language_of
from tailrank.language.text import item_texts

N_TEXTS: Final = 3


def about_texts(items: pl.DataFrame, template: str | None, encoder: str = "default") -> str:
    """Show what is read of the first items, say their language and, if need be, which encoder reads it.

    Raises
    ------
    DataError
        If they have no text, or the template doesn't fit them.
    """
    texts = [text for text in item_texts(items, template) if text]
    shown = [text if len(text) <= 100 else f"{text[:99]}…" for text in texts[:N_TEXTS]]
    lines = ["item texts, such as", *(f"  {' '.join(text.split())}" for text in shown)]
    if (likely := language_of(texts)) is not None:
        lines.append(about_encoder(likely, encoder))
    return "\n".join(lines)
