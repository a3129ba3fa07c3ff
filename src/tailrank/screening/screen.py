"""`Screen`: holds back items whose text is denied, like texts that were labelled, or written to be found."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta, Struct

from tailrank.arrays import Floats
from tailrank.errors import ModelError, RequestError
from tailrank.files import written_file
from tailrank.language.vectors import EncoderIdentity
from tailrank.screening.deny_list import EVERYWHERE, DenyList

FORMAT: Final = "tailrank screen 1"


class Judgement(NamedTuple):
    """What a screen thinks of a text.

    Attributes
    ----------
    text
        Sha256 of the text.
    markets
        Whether it is held there, by market; `EVERYWHERE` stands for those that aren't named.
    why
        In words; empty if it is held nowhere.
    score
        Of the classifier, 0 to 1; None without one.
    """

    text: str
    markets: dict[str, bool]
    why: str
    score: float | None

    @property
    def is_held(self) -> bool:
        """Whether it is held in any market."""
        return any(self.markets.values())


class Screen(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """What holds texts, a deny-list, a classifier of vectors and more: a file of JSON that may be edited.

    Attributes
    ----------
    template
        What is read of an item, such as "{title}. {description}".
    deny
        Phrases by market, as in `DenyList`.
    encoder
        What makes the classifier's vectors; None without a classifier.
    weights, bias
        Of the classifier, shape (d,): p = sigmoid(weights · vector + bias).
    thresholds
        From which p on an item is held, by market; `EVERYWHERE` stands for those that aren't named.
    measured
        How well the classifier did in cross-validation. Nothing depends on it.
    pushed
        Share of items, the most popular, whose texts may not be copied; words may not be gathered from many
        texts either. 0 allows both.
    """

    template: str
    deny: dict[str, list[str]] = {}
    encoder: EncoderIdentity | None = None
    weights: list[float] = []
    bias: float = 0.0
    thresholds: dict[str, Annotated[float, Meta(ge=0, le=1)]] = {}
    measured: dict[str, Any] = {}
    pushed: Annotated[float, Meta(ge=0, le=1)] = 0.0
    format: Literal["tailrank screen 1"] = FORMAT

    def __post_init__(self) -> None:
        if self.encoder is None and not self.deny and not self.pushed:
            raise ValueError("no deny-list, no classifier, and `pushed` is 0: nothing would be held")
        if self.encoder is not None and not (self.weights and EVERYWHERE in self.thresholds):
            raise ValueError('a classifier needs weights, and a threshold for "", the other markets')
        if not np.isfinite([*self.weights, self.bias]).all():
            raise ValueError("weights must be finite numbers")

    @classmethod
    def read(cls, file: Path) -> Screen:
        """Read a file that `write` wrote.

        Raises
        ------
        ModelError
            If it can't be read, or is something else.
        """
        try:
            return msgspec.json.decode(file.read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as why:
            raise ModelError(
                f"{file}: no screen can be read ({why}): make one by `tailrank screen train`"
            ) from None

    def write(self, file: Path) -> None:
        """Write it, whole or not at all.

        Raises
        ------
        RequestError
            If that can't be done.
        """
        try:
            with written_file(file) as new:
                new.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1))
        except OSError as why:
            raise RequestError(
                f"{file}: can't be written ({why.strerror or why}): name another file"
            ) from None

    def judge(
        self, texts: Sequence[str], vectors: Floats | None = None, pushed: Sequence[str] | None = None
    ) -> list[Judgement]:
        """Judge texts.

        Parameters
        ----------
        texts
            Of items, written by the template.
        vectors
            What the encoder makes of them, shape (texts, d); only a classifier needs them.
        pushed
            What `TextScreen.reasons` says of each, shape (texts,); only a screen with `pushed` needs it.

        Raises
        ------
        RequestError
            If the classifier has no vectors, or some of another width; if `pushed` is missing.
        """
        scores: Sequence[float | None] = [None] * len(texts)
        if self.encoder is not None:
            if vectors is None or vectors.shape != (len(texts), len(self.weights)):
                raise RequestError(f"the screen needs a vector of width {len(self.weights)} for each text")
            log_odds = vectors @ np.array(self.weights, np.float32) + self.bias
            scores = np.exp(-np.logaddexp(0, -log_odds)).tolist()
        if self.pushed and pushed is None:
            raise RequestError("the screen needs to know of each text whether it is written to be found")
        found, reasons = self._deny_list.found(texts), pushed or [""] * len(texts)
        return [self._judgement(*each) for each in zip(texts, found, scores, reasons, strict=True)]

    def _judgement(
        self, text: str, said: dict[str, list[str]], score: float | None, pushed: str
    ) -> Judgement:
        everywhere = bool(said.get(EVERYWHERE) or pushed)
        markets = {
            market: everywhere or bool(said.get(market)) or self._exceeds(score, market)
            for market in self.markets
        }
        why = [
            f"says {phrase!r}{f' ({market})' * bool(market)}" for market in said for phrase in said[market]
        ]
        if score is not None and any(self._exceeds(score, market) for market in self.markets):
            why.append(f"is like texts that were labelled ({score:.2f})")
        if pushed:
            why.append(pushed)
        return Judgement(hashlib.sha256(text.encode()).hexdigest(), markets, "; ".join(why), score)

    def _exceeds(self, score: float | None, market: str) -> bool:
        return score is not None and score >= self.thresholds.get(market, self.thresholds[EVERYWHERE])

    @cached_property
    def markets(self) -> list[str]:
        """Those that it tells apart; `EVERYWHERE`, the first, stands for all others."""
        return list(dict.fromkeys([EVERYWHERE, *self.deny, *self.thresholds]))

    @cached_property
    def _deny_list(self) -> DenyList:
        return DenyList(self.deny)
