"""Plain text of descriptions that were written for a web page."""

import html
import re
from html.parser import HTMLParser
from typing import Final

_NO_TAG: Final = re.compile(r"<(?!/?[a-zA-Z]|!)")


def plain_text(markup: str) -> str:
    """Drop tags, comments, scripts and styles, undo HTML escapes, and fold white space.

    Text that was escaped twice is read, too, and a `<` that opens no tag is text.

    Examples
    --------
    >>> plain_text("<p>Tea &amp;amp; cups<br>I <3 this > that</p><style>p {color: red}</style>")
    'Tea & cups I <3 this > that'
    """
    closed, end, rest = _NO_TAG.sub("&lt;", html.unescape(markup)).rpartition(">")
    parser = _Text()
    parser.feed(closed + end)
    parser.close()
    parser.handle_data(html.unescape(rest))  # no tag, since none ends there
    return " ".join("".join(parser.parts).split())


class _Text(HTMLParser):
    """Collects the text between tags."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.parts.append(" ")
        self._hidden = tag in ("script", "style")  # whose content the parser gives as one piece of data

    def handle_endtag(self, tag: str) -> None:
        self.parts.append(" ")
        self._hidden = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)
