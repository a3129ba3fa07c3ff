"""Markup in texts: gone with what a page doesn't show, and no text gone with it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrank.data.markup import plain_text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("I <3 this > that", "I <3 this > that"),
        ("I &lt;3 this &gt; that", "I <3 this > that"),
        ("I </3 this > that", "I </3 this > that"),
        ("size <5 cm or >3 cm", "size <5 cm or >3 cm"),
        ("less <more", "less <more"),
        ("x < y", "x < y"),
        ("<p>one</p>two<br/>three", "one two three"),
        ("<a title='1 > 0' href=\"/tea\">Tea</a>", "Tea"),
        ("<script>var title = '<b>Tea</b>';</script>", ""),
        ("Tea<SCRIPT src=x>1 < 2</SCRIPT > pot", "Tea pot"),
        ("&lt;script&gt;go()&lt;/script&gt;Tea", "Tea"),
        ("<style>p > a {color: red}</style><p>Tea", "Tea"),
        ("Tea<!-- 1 > 0 --> pot", "Tea pot"),
        ("<!DOCTYPE html><html><body>Tea", "Tea"),
        ("R&D, AT&amp;T, caf&eacute;&nbsp;&#8211; 5&quot;", 'R&D, AT&T, café \u2013 5"'),
        ("black &amp;amp; green", "black & green"),
        ("  Tea \n\t pot ", "Tea pot"),
        ("", ""),
    ],
)
def test_what_a_page_shows_is_kept(markup: str, text: str) -> None:
    assert plain_text(markup) == text


@given(st.text())
def test_text_without_markup_only_has_its_white_space_folded(text: str) -> None:
    plain = text.replace("&", "").replace("<", "")
    assert plain_text(plain) == " ".join(plain.split())
