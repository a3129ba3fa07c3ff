"""Which language item texts seem to be in: enough to say which encoder reads it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

COMMON: Final = {
    "English": "the and of for with from your this that is are you it by our not can",
    "German": "und der die das mit für von den ist im zum zur aus auf ein eine nicht ohne bei",
    "French": "et les des du pour avec dans une est aux sur pas au vous votre qui",
    "Spanish": "y el los las para con una del por su al es sin como más",
    "Italian": "e il gli per con una del della dei di che è nel alla sono",
    "Portuguese": "e os as para com uma do da dos não em ao é seu mais",
    "Dutch": "en het een voor met van de op niet uit zijn bij naar deze",
}
"""Words of which few texts have none, and that are rare in other languages' texts."""

SAMPLE: Final = 2_000
MIN_WORDS: Final = 10
"""So many common words are enough to tell a language by."""

SCRIPTS: Final = {
    "CJK": "Chinese",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "HANGUL": "Korean",
    "THAI": "Thai",
    "CYRILLIC": "Russian, or another language in Cyrillic letters",
    "ARABIC": "Arabic, or another language in Arabic letters",
    "DEVANAGARI": "Hindi, or another language in Devanagari",
    "GREEK": "Greek",
    "HEBREW": "Hebrew",
}
"""Languages by the word that the names of their letters begin with in Unicode."""

FOREIGN_SHARE: Final = 0.2
"""Share of letters beyond the Latin alphabet that English texts don't have."""

KANA_SHARE: Final = 0.05
"""Share of letters that Chinese texts don't have: Japanese ones have a third."""

MULTILINGUAL: Final = "multilingual-e5-small"
ENGLISH_ONLY: Final = ("default", "all-mpnet-base-v2")
"""Encoders that read nothing else."""

_LETTER: Final = re.compile(r"[^\W\d_]")


@dataclass(frozen=True)
class Likely:
    """What language texts seem to be in.

    Attributes
    ----------
    language
        Its name.
    why
        What it is told by.
    """

    language: str
    why: str

    def __str__(self) -> str:
        return f"they look {self.language}: {self.why}"


def language_of(texts: Sequence[str]) -> Likely | None:
    """Tell the language by letters, or by common words; None if texts are too short to tell.

    Examples
    --------
    >>> print(language_of(["Kühlschrank mit Gefrierfach", "Bürste für die Katze", "Tee aus Assam"] * 5))
    they look German: 20 words such as 'die', 'mit', 'für'; 0 English ones
    >>> print(language_of(["双人帐篷", "帐篷钉 20cm"]))
    they look Chinese: 78% of their letters aren't Latin
    >>> print(language_of(["キャンプ用テント", "ペグ"]).language)
    Japanese
    >>> language_of(["Tea", "Brush for the cat"]) is None
    True
    """
    joined = "\n".join(texts[:: len(texts) // SAMPLE + 1]).lower()
    letters = Counter(_LETTER.findall(joined))
    scripts = Counter[str]()
    for letter, count in letters.items():
        scripts[unicodedata.name(letter, "").partition(" ")[0]] += count
    n = max(letters.total(), 1)
    foreign = 1 - scripts["LATIN"] / n
    if letters and foreign > FOREIGN_SHARE:
        kana = scripts["HIRAGANA"] + scripts["KATAKANA"]
        del scripts["LATIN"]
        script = "HIRAGANA" if kana > KANA_SHARE * n else scripts.most_common(1)[0][0]
        name = SCRIPTS.get(script, f"a language in {script.capitalize()} letters")
        return Likely(name, f"{foreign:.0%} of their letters aren't Latin")
    return _by_words(joined)


def _by_words(joined: str) -> Likely | None:
    """Tell a language in Latin letters by its common words."""
    words = Counter(re.findall(r"\w+", joined))
    found = {name: {word: words[word] for word in common.split()} for name, common in COMMON.items()}
    totals = {name: sum(counts.values()) for name, counts in found.items()}
    likely = max(totals, key=lambda name: totals[name])
    if totals[likely] < 2 * totals["English"]:
        likely = "English"
    if totals[likely] < MIN_WORDS:
        return None
    examples = ", ".join(repr(word) for word, n in Counter(found[likely]).most_common(3) if n)
    others = "" if likely == "English" else f"; {totals['English']:,} English ones"
    return Likely(likely, f"{totals[likely]:,} words such as {examples}{others}")


def about_encoder(likely: Likely, encoder: str) -> str:
    """Say what language texts seem to be in and, if an encoder is known not to read it, which does.

    Examples
    --------
    >>> print(about_encoder(Likely("Greek", "95% of their letters aren't Latin"), "default"))
    warning: the default encoder reads English, and they look Greek: 95% of their letters aren't Latin. If \
so, give another: --encoder multilingual-e5-small (docs/encoders.md).
    >>> print(about_encoder(Likely("English", "31 words such as 'the'"), "default"))
    they look English: 31 words such as 'the'
    """
    if likely.language == "English" or encoder not in ENGLISH_ONLY:
        return str(likely)
    what = "default encoder" if encoder == "default" else f"encoder {encoder}"
    return (
        f"warning: the {what} reads English, and {likely}. If so, give another: --encoder {MULTILINGUAL} "
        "(docs/encoders.md)."
    )
