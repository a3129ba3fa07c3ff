"""The words of explanations, by language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tailrank.api import Language
from tailrank.ranking.chinese import CHINESE
from tailrank.ranking.english import ENGLISH
from tailrank.ranking.wording import Wording

WORDINGS: Final[Mapping[Language, Wording]] = {"en": ENGLISH, "zh": CHINESE}
