"""`Vocabulary`: the words by which a catalogue's columns, their values and its items are called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import polars as pl

from tailrank.data.columns import Columns

Words = tuple[str, ...]

PROSE: Final = frozenset({"title", "name", "text", "description", "overview"})
"""Columns whose values are no names for groups of items."""

TITLES: Final = ("title", "name")
MOST_VALUES: Final = 20_000
"""Distinct values of a column, and half as many as items, at most: others are no groups."""

LONGEST_VALUE: Final = 5
LONGEST_TITLE: Final = 10
"""Words."""

ROLES: Final[Mapping[str, frozenset[str]]] = {
    "price": frozenset({"price", "cost", "amount", "fee"}),
    "year": frozenset({"year", "released", "release"}),
    "length": frozenset({"duration", "runtime", "length", "minutes", "pages"}),
}
"""What a column of numbers is about, by a word of its name."""

NOUNS: Final[Mapping[str, frozenset[str]]] = {
    "brand": frozenset({"brand", "make", "manufacturer", "maker", "company", "label"}),
    "category": frozenset({"category", "type", "kind", "sort", "class"}),
    "genre": frozenset({"genre", "kind", "type"}),
    "author": frozenset({"author", "writer"}),
    "artist": frozenset({"artist", "band", "singer"}),
}
"""Other words for a column, by a word of its name."""

CURLY: Final = "\N{RIGHT SINGLE QUOTATION MARK}"
WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
YEAR_AT_END: Final = re.compile(r"\s*\(\d{4}\)\s*$")
ARTICLE_AT_END: Final = re.compile(r"^(.*), (the|a|an)$", re.I)


class Value(NamedTuple):
    """A value of a column."""

    column: str
    value: str


@dataclass(frozen=True)
class Vocabulary:
    """What items are called, and what is said of them.

    Attributes
    ----------
    values
        Values of columns by their words' stems; several if columns share a value.
    titles
        Item ids by the words of their titles.
    nouns
        Columns of values by the stems of the words for them.
    numbers
        Columns of numbers by the stems of the words for them.
    roles
        The column of each role that there is.
    lists
        Columns of which an item has several values.
    """

    values: Mapping[Words, Sequence[Value]]
    titles: Mapping[Words, str]
    nouns: Mapping[Words, str]
    numbers: Mapping[Words, str]
    roles: Mapping[str, str]
    lists: frozenset[str]

    @classmethod
    def from_items(cls, items: pl.DataFrame) -> Self:
        """Read the columns of items; of ambiguous titles, the first row counts."""
        schema = {name: kind for name, kind in items.schema.items() if name != Columns.ITEM}
        numbers = [name for name, kind in schema.items() if kind.is_numeric()]
        groups = {name: found for name in schema if (found := _groups(items, name))}
        values: dict[Words, list[Value]] = {}
        for name, found in groups.items():
            for value in found:
                if words := stems(value):
                    values.setdefault(words, []).append(Value(name, value))
        roles = {
            role: column
            for role, names in ROLES.items()
            if (column := next((each for each in numbers if names & {*words_of(each)}), None))
        }
        return cls(
            {words: found for words, found in values.items() if len(words) <= LONGEST_VALUE},
            _titles(items),
            {words: name for name in groups for words in _names(name)},
            {words: name for name in numbers for words in _names(name)},
            roles,
            frozenset(name for name in groups if schema[name] == pl.List),
        )


def words_of(text: str) -> Words:
    """Split a text, or a name such as `releaseYear`, into words in lower case.

    Examples
    --------
    >>> words_of("Children's Sci-Fi"), words_of("release_year")
    (("children's", 'sci', 'fi'), ('release', 'year'))
    """
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text) if " " not in text else text
    return tuple(WORD.findall(apart.replace(CURLY, "'").lower()))


def stem(word: str) -> str:
    """Take the ending of a plural or a possessive from a word.

    Examples
    --------
    >>> [stem(word) for word in ("comedies", "comedy", "buses", "vans", "Children's".lower(), "boss")]
    ['comedy', 'comedy', 'bus', 'van', 'children', 'boss']
    """
    word = re.sub(r"'s?$", "", word)
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 4 and re.search(r"(ss|sh|ch|x|z|us)es$", word):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and word[-2] not in "su" else word


def stems(text: str) -> Words:
    """Give the stems of a text's words."""
    return tuple(map(stem, words_of(text)))


def title_words(title: str) -> Words:
    """Give the words by which people call a title: without its year, the article in front.

    Examples
    --------
    >>> title_words("Piano, The (1993)")
    ('the', 'piano')
    """
    bare = YEAR_AT_END.sub("", title)
    return words_of(ARTICLE_AT_END.sub(r"\2 \1", bare))


def _titles(items: pl.DataFrame) -> dict[Words, str]:
    column = next((name for name in TITLES if items.schema.get(name) == pl.String), None)
    if column is None:
        return {}
    found: dict[Words, str] = {}
    for item, title in items.select(Columns.ITEM, column).drop_nulls().iter_rows():
        words = title_words(title)
        if 0 < len(words) <= LONGEST_TITLE:
            found.setdefault(words, item)
            if words[0] in ("the", "a", "an") and len(words) > 2:
                found.setdefault(words[1:], item)
    return found


def _groups(items: pl.DataFrame, name: str) -> list[str]:
    """List the distinct values of a column, if it puts items into groups."""
    kind = items.schema[name]
    if name.lower() in PROSE or not (kind == pl.String or kind == pl.List(pl.String)):
        return []
    column = items[name].explode() if kind == pl.List(pl.String) else items[name]
    distinct = column.drop_nulls().unique(maintain_order=True)
    if len(distinct) > min(MOST_VALUES, len(items) / 2):
        return []
    return [value for value in distinct.to_list() if value.strip()]


def _names(column: str) -> Iterator[Words]:
    """Give the words for a column: its name, and others for a word of it."""
    words = stems(column)
    yield words
    for word in _synonyms(words):
        yield (word,)


def _synonyms(words: Iterable[str]) -> list[str]:
    return [each for word in words for each in sorted(NOUNS.get(word, ()))]
