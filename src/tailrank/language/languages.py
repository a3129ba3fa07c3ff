"""Which language item texts seem to be in: enough to warn whose encoder reads another one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
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

FOREIGN_SHARE: Final = 0.2
"""Share of letters beyond the Latin alphabet that English texts don't have."""

_LATIN: Final = re.compile(r"[A-Za-z\u00c0-\u024f]")
_LETTER: Final = re.compile(r"[^\W\d_]")


def not_english(texts: Sequence[str]) -> str | None:
    """Say why texts seem not to be English; None if they do, or if they are too short to tell.

    Examples
    --------
    >>> not_english(["Kühlschrank mit Gefrierfach", "Bürste für die Katze", "Tee aus Assam"] * 5)
    "they look German: 20 words such as 'die', 'mit', 'für'; 0 English ones"
    >>> not_english(["Чай из Ассама"])
    "100% of their letters aren't Latin"
    >>> not_english(["Tea", "Brush for the cat"]) is None
    True
    """
    joined = "\n".join(texts[:: len(texts) // SAMPLE + 1]).lower()
    letters = _LETTER.findall(joined)
    foreign = sum(_LATIN.match(letter) is None for letter in letters) / max(len(letters), 1)
    if foreign > FOREIGN_SHARE:
        return f"{foreign:.0%} of their letters aren't Latin"
    words = Counter(re.findall(r"\w+", joined))
    found = {name: {word: words[word] for word in common.split()} for name, common in COMMON.items()}
    totals = {name: sum(counts.values()) for name, counts in found.items()}
    likely = max(totals, key=lambda name: totals[name])
    if totals[likely] < MIN_WORDS or totals[likely] < 2 * totals["English"]:
        return None
    examples = ", ".join(repr(word) for word, n in Counter(found[likely]).most_common(3) if n)
    return (
        f"they look {likely}: {totals[likely]:,} words such as {examples}; {totals['English']:,} English ones"
    )
