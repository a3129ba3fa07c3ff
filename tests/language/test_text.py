"""Item text: what a template gives, what is left out by default, and what is refused."""

import datetime as dt
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrank.errors import DataError
from tailrank.language.text import item_texts

ITEMS = pl.DataFrame(
    {
        "item_id": ["1", "2", "3"],
        "title": ["Green tea", " Mug ", None],
        "genres": [["drink", "leaf", None], [], ["odd"]],
        "year": [2020, None, None],
        "price": [None, 3.5, None],
    },
    schema_overrides={"price": pl.Float64},
)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{title}. {genres}", ["Green tea. drink, leaf", "Mug", "odd"]),
        ("{title} ({year}), {genres}", ["Green tea (2020), drink, leaf", "Mug", "odd"]),
        ("passage: {title}; costs {price}", ["passage: Green tea", "passage: Mug; costs 3.5", ""]),
        (
            "Title: {title}. Genres: {genres}.",
            ["Title: Green tea. Genres: drink, leaf.", "Title: Mug.", "Title: Genres: odd."],
        ),
        ("{{{title}}}", ["{Green tea}", "{Mug}", ""]),
        ("{title} {title}", ["Green tea Green tea", "Mug Mug", ""]),
    ],
)
def test_templates(template: str, expected: list[str]) -> None:
    assert item_texts(ITEMS, template) == expected


@pytest.mark.parametrize(
    "template",
    [
        "{titel}",
        "{title.upper}",
        "{title[0]}",
        "{title!r}",
        "{title:>10}",
        "{title:{year}}",
        "{",
        "}",
        "{}",
        "{0}",
        "",
        "no column",
    ],
)
def test_templates_that_are_refused(template: str) -> None:
    with pytest.raises(DataError, match="template"):
        item_texts(ITEMS, template)


def test_an_unknown_column_lists_the_known_ones() -> None:
    with pytest.raises(DataError, match="'titel' is not a column; items have item_id, title, genres"):
        item_texts(ITEMS, "{titel}")


@given(
    st.one_of(
        st.text(),
        st.lists(st.sampled_from(["{", "}", "title", ".", "!r", ":", "[0]", " ", "("])).map("".join),
    )
)
def test_a_template_gives_a_text_an_item_or_a_data_error(template: str) -> None:
    try:
        texts = item_texts(ITEMS, template)
    except DataError:
        return
    assert len(texts) == 3
    assert "Green tea" in texts[0]
    assert texts[2] == ""


@given(st.lists(st.one_of(st.none(), st.text()), min_size=1, max_size=5))
def test_any_value_is_written_and_only_blank_ones_are_blank(values: list[str | None]) -> None:
    items = pl.DataFrame({"a": values}, schema={"a": pl.String})
    expected = [pl.Series([value or ""]).str.strip_chars()[0] for value in values]
    assert item_texts(items, "{a}") == expected


def test_by_default_text_columns_are_joined_in_their_usual_order() -> None:
    items = pl.DataFrame({"brand": ["Acme", None], "title": ["Tea", "Mug"], "color": ["red", "blue"]})
    assert item_texts(items) == ["Tea. Acme", "Mug"]


def test_a_column_that_another_one_repeats_is_left_out() -> None:
    plots = pl.DataFrame(
        {
            "title": ["Up"],
            "genres": [["Drama", "War"]],
            "overview": ["A house flies."],
            "text": ["Up. Drama, War. A house flies."],
        }
    )
    assert item_texts(plots) == ["Up. Drama, War. A house flies."]
    assert item_texts(pl.DataFrame({"title": ["Up"], "text": ["Up"]})) == ["Up"]


def test_empty_columns_are_skipped() -> None:
    items = pl.DataFrame({"title": ["Tea"], "brand": [None], "description": [" "]})
    assert item_texts(items) == ["Tea"]


def test_no_text_column_names_the_remedy() -> None:
    with pytest.raises(DataError, match=r"template with your own columns \(item_id, label\)"):
        item_texts(pl.DataFrame({"item_id": ["1"], "label": ["Tea"]}))
    with pytest.raises(DataError, match="no text"):
        item_texts(pl.DataFrame({"title": [None, ""]}))


def test_columns_without_a_text_form_are_named() -> None:
    items = pl.DataFrame({"title": [{"en": "Tea"}]})
    with pytest.raises(DataError, match="'title' holds Struct"):
        item_texts(items, "{title}")


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('["Adventure", "Comedy"]', "Adventure, Comedy"),
        (' [ "Adventure" , null, 7, 2.5, true ] ', "Adventure, 7, 2.5, true"),
        ('["caf\\u00e9", "5\\" pipe"]', 'café, 5" pipe'),
        ("['Adventure', 'Comedy']", "Adventure, Comedy"),
        ("""["Children's", 'Comedy']""", "Children's, Comedy"),
        (
            r"""['Rock \'n\' "Roll"', "5\" pipe", 'caf\xe9']""",
            """Rock 'n' "Roll", 5" pipe, café""",
        ),
        ("['Adventure' \"Children's\"\n 'Comedy']", "Adventure, Children's, Comedy"),
        ("['Adventure', None, nan]", "Adventure"),
        ("[None]", ""),
        (r"['half \ud83d']", r"['half \ud83d']"),
        ("['one''two']", "['one''two']"),
        ("[]", ""),
        ("[Set of 2] Mug", "[Set of 2] Mug"),
        ("[Mug]", "[Mug]"),
        ("['Mug', x]", "['Mug', x]"),
        ('[["a"], ["b"]]', '[["a"], ["b"]]'),
        ('{"en": "Mug"}', '{"en": "Mug"}'),
    ],
)
def test_a_cell_that_holds_a_list_is_joined_like_a_list(cell: str, text: str) -> None:
    assert item_texts(pl.DataFrame({"a": ["Tea", cell, None]}), "{a}") == ["Tea", text, ""]


@given(st.lists(st.text(max_size=8), min_size=1, max_size=4))
def test_lists_of_text_are_read_as_python_prints_them(values: list[str]) -> None:
    [text] = item_texts(pl.DataFrame({"a": [repr(values)]}), "{a}")
    assert text.strip() == ", ".join(values).strip()


@pytest.mark.parametrize(
    "values", [[dt.timedelta(1)], [[dt.timedelta(1)]], [b"Tea"], [[b"Tea"]], [[["a"]]], [object()]]
)
def test_no_type_of_a_column_is_a_traceback(values: list[object]) -> None:
    with pytest.raises(DataError, match=r"column 'a' holds .*leave it out of the template"):
        item_texts(pl.DataFrame({"a": values}), "{a}")


def test_types_of_columns() -> None:
    items = pl.DataFrame(
        {
            "a": pl.Series(["x"], dtype=pl.Categorical),
            "b": pl.Series([[1, 2]], dtype=pl.Array(pl.Int64, 2)),
            "c": [True],
            "d": [dt.date(2024, 1, 31)],
            "e": [dt.time(9, 30)],
            "f": [Decimal("1.50")],
            "g": pl.Series(["s"], dtype=pl.Enum(["s", "m"])),
            "h": [[dt.date(2024, 1, 31)]],
            "i": [None],
        }
    )
    expected = ["x 1, 2 true 2024-01-31 09:30:00 1.50 s 2024-01-31"]
    assert item_texts(items, "{a} {b} {c} {d} {e} {f} {g} {h} {i}") == expected
