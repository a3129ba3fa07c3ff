"""What the score of a re-ranked text means: a chance, for encoders that this was measured for."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from tailrank.arrays import Doubles, Floats


class Calibration(NamedTuple):
    """The chance that a text belongs to a query, ``sigmoid(slope * cosine + bias)`` (Platt, 1999)."""

    slope: float
    bias: float


CALIBRATIONS: Final = {
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db": Calibration(
        slope=13.674, bias=-4.151
    ),
}
"""By the sha256 of an encoder's weights; from `python -m bench relevance DATA`, seed 0.

It is the chance if every second text belongs to the query: fitted on questions with their answers and on
requests of one intent (stackfaq, banking77, clinc150), and on as many pairs that don't belong together.
"""


def relevance(likeness: Floats, calibration: Calibration | None) -> Doubles:
    """Map likeness, shape (texts,), to 0 to 1; what is more alike is never less relevant.

    Parameters
    ----------
    likeness
        The cosine of query and text, moved by what the text has to do with the user.
    calibration
        Of the encoder; without one, -1 becomes 0, and 1 becomes 1.

    Examples
    --------
    >>> likeness = np.array([-1.0, 0.3, 1.0], np.float32)
    >>> relevance(likeness, None).round(2).tolist()
    [0.0, 0.65, 1.0]
    >>> relevance(likeness, Calibration(10.0, -3.0)).round(3).tolist()
    [0.0, 0.5, 0.999]
    """
    exact = likeness.astype(np.float64)
    if calibration is None:
        return np.clip((1 + exact) / 2, 0, 1)
    return 1 / (1 + np.exp(-(calibration.slope * exact + calibration.bias)))


def is_blank(text: str) -> bool:
    r"""Whether nothing of a text can be seen, so that an encoder's vector of it means nothing.

    Examples
    --------
    >>> [is_blank(text) for text in ("", " \n", "\u200b\ufeff", ".")]
    [True, True, True, False]
    """
    return not any(mark.isprintable() and not mark.isspace() for mark in text)
