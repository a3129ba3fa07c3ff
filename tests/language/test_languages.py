"""Languages of item texts: told where texts are long enough, and left open where they aren't."""

from __future__ import annotations

import polars as pl
import pytest

from tailrank.cli.texts import about_texts
from tailrank.data.dataset import Dataset
from tailrank.language.languages import language_of

TEXTS = {
    "German": ["Decke für das Sofa", "Tee aus der Region", "Tasse mit Henkel", "Lampe ohne Schirm und Kabel"],
    "French": ["Couverture pour le canapé", "Thé du jardin et des bois", "Tasse avec une anse dans la boîte"],
    "Spanish": [
        "Manta para el sofá",
        "Té del jardín con menta",
        "Taza con asa y plato",
        "Los mejores cuadernos",
    ],
    "Italian": ["Coperta per il divano", "Tè del giardino e della casa", "Tazza con manico nella scatola"],
    "Dutch": [
        "Deken voor het bed",
        "Thee uit de tuin",
        "Mok met een oor",
        "Lamp van hout en glas bij het bed",
    ],
}


@pytest.mark.parametrize("language", TEXTS)
def test_other_languages_are_named(language: str) -> None:
    assert str(language_of(TEXTS[language] * 3)).startswith(f"they look {language}: ")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Чайная чашка", "Russian, or another language in Cyrillic letters"),
        ("绿茶", "Chinese"),
        ("シルク100% 緑茶のカップ Tea", "Japanese"),
        ("녹차 컵", "Korean"),
        ("ถ้วยชา", "Thai"),
        ("شاي أخضر", "Arabic, or another language in Arabic letters"),
        ("चाय का कप", "Hindi, or another language in Devanagari"),
        ("ஒரு தேநீர்", "a language in Tamil letters"),
    ],
)
def test_other_alphabets_are_told(text: str, language: str) -> None:
    found = language_of([text])
    assert found is not None
    assert found.language == language
    assert "letters aren't Latin" in found.why


@pytest.mark.parametrize(
    "texts",
    [
        ["Die Hard", "Las Vegas", "La La Land"],  # too little to tell
        ["USB-C 3.0 hub", "12345", ""],
        [],
    ],
)
def test_what_is_too_little_is_left_open(texts: list[str]) -> None:
    assert language_of(texts) is None


def test_real_titles_are_english(movielens: Dataset) -> None:
    assert str(language_of(movielens.items["title"].to_list())).startswith("they look English: ")


def test_the_encoder_that_reads_a_language_is_named() -> None:
    items = pl.DataFrame({"item_id": ["a", "b"], "title": ["双人帐篷", "帐篷钉"]})
    assert about_texts(items, None).endswith("--encoder multilingual-e5-small (docs/encoders.md).")
    for reads in ("multilingual-e5-small", "a folder", "none"):
        assert about_texts(items, None, reads).endswith(
            "they look Chinese: 100% of their letters aren't Latin"
        )
