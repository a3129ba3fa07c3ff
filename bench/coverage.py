"""How estimates of many logs lie about a truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.study import Json
from tailrank.errors import RequestError
from tailrank.metrics.estimate import Estimate


def summary(found: list[Estimate | None], truth: float) -> Json:
    """Say how estimates of many logs lie about the truth; None is a log that an estimator refused."""
    made = [each for each in found if each is not None]
    if not made:
        return {"runs": len(found), "refused": len(found)}
    values = np.array([each.value for each in made])
    return {
        "runs": len(found),
        "refused": len(found) - len(made),
        "truth": truth,
        "bias": float(values.mean() - truth),
        "bias_error": float(values.std(ddof=1) / np.sqrt(len(values))),
        "spread": float(values.std(ddof=1)),
        "effective_size": float(np.mean([each.effective_size for each in made])),
        "width": float(np.mean([each.high - each.low for each in made])),
        "coverage": float(np.mean([each.low <= truth <= each.high for each in made])),
        "below": float(np.mean([each.high < truth for each in made])),
        "above": float(np.mean([each.low > truth for each in made])),
    }


def made(call: Callable[[], Estimate]) -> Estimate | None:
    """Give an estimate; None if it is refused."""
    try:
        return call()
    except RequestError:
        return None
