"""Lists of words and phrases that the package holds."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

PHRASES, WORDS = "phrases.txt", "words.txt"


@cache
def sections(name: str) -> dict[str, list[str]]:
    """Read the lines of a file below each `[heading]`, without comments."""
    found: dict[str, list[str]] = {}
    lines = list[str]()
    for line in (files(__package__) / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            lines = found.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            lines.append(line)
    return found


def listed_words(kind: str) -> frozenset[str]:
    """List the words of a kind.

    Examples
    --------
    >>> "please" in listed_words("filler")
    True
    """
    return frozenset(" ".join(sections(WORDS)[kind]).split())
