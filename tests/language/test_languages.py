"""Languages of item texts: told where texts are long enough, and left open where they aren't."""

from __future__ import annotations

import pytest

from tailrank.data.dataset import Dataset
from tailrank.language.languages import not_english

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
    told = not_english(TEXTS[language] * 3)
    assert told is not None
    assert told.startswith(f"they look {language}: ")


@pytest.mark.parametrize("text", ["Чайная чашка", "绿茶", "شاي أخضر", "緑茶のカップ Tea"])
def test_other_alphabets_are_told(text: str) -> None:
    assert "letters aren't Latin" in (not_english([text]) or "")


@pytest.mark.parametrize(
    "texts",
    [
        ["Brush for the cat", "A cup of tea, and a mug", "Blanket with pockets"] * 5,
        ["Die Hard", "Las Vegas", "La La Land"],  # too little to tell
        ["USB-C 3.0 hub", "12345", ""],
        [],
    ],
)
def test_english_and_what_is_no_language_is_passed_over(texts: list[str]) -> None:
    assert not_english(texts) is None


def test_real_titles_are_english(movielens: Dataset) -> None:
    assert not_english(movielens.items["title"].to_list()) is None
