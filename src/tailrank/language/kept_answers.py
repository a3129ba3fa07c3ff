"""`KeptAnswers`: what a slow model said, in a file, so that it is asked once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tailrank.errors import DataError, first_line
from tailrank.files import cut_half_a_line


class _Answer(msgspec.Struct, frozen=True):
    key: str
    answer: str


@dataclass
class KeptAnswers:
    """Answers by what was asked, one a line: a killed run loses one at most.

    Attributes
    ----------
    file
        Made if there is none.

    Raises
    ------
    DataError
        If the file can't be read or written, or holds something else.
    """

    file: Path
    _kept: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("ab+") as opened:
                cut_half_a_line(opened.fileno())
            lines = self.file.read_bytes().splitlines()
            self._kept = {one.key: one.answer for one in map(msgspec.json.Decoder(_Answer).decode, lines)}
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as why:
            raise DataError(f"{self.file}: can't be used ({first_line(why)}): remove it") from None

    def __contains__(self, key: str) -> bool:
        return key in self._kept

    def answer(self, key: str, ask: Callable[[], str]) -> str:
        """Give the answer to what has this key; ask only if it isn't kept.

        Raises
        ------
        DataError
            If the answer can't be kept.
        """
        if key not in self._kept:
            found = ask()
            try:
                with self.file.open("ab") as opened:
                    opened.write(msgspec.json.encode(_Answer(key, found)) + b"\n")
            except OSError as why:
                raise DataError(f"{self.file}: can't be written ({first_line(why)})") from None
            self._kept[key] = found
        return self._kept[key]
