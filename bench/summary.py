"""What the README and the top of the page say of all evaluations: what tailrank loses at, then by ground."""

from __future__ import annotations

import re
from typing import Final

from bench.grounds import COMPARED, FAIR
from bench.losses import rows
from bench.stored import Evaluated
from bench.study import Json

BLOCK: Final = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- /figures -->)", re.DOTALL)
"""What is generated of the README."""


def summary(found: list[Evaluated]) -> Json:
    """Choose what to tell of evaluations.

    Returns
    -------
    Json
        `judged`: evaluations by time or on fair ground, and `cold`: those of cold items; `full`: those that
        compare with published metrics. `doubts`: the compared metrics of all that tailrank doesn't lead at,
        on the ground to judge by.
    """
    lead = [one.grounds[0] for one in found]
    judged = [one for one in lead if one.ground == FAIR or one.protocol == "temporal"]
    cold = [one for one in judged if one.protocol == "cold-items"]
    return {
        "judged": [one for one in judged if one not in cold],
        "cold": cold,
        "full": [one.grounds[-1] for one in found if one.protocol.startswith("leave-one-out")],
        "doubts": rows(lead, COMPARED),
    }


def with_figures(readme: str, figures: str) -> str:
    """Put figures into the README, in place of those that it has."""
    filled, times = BLOCK.subn(lambda _: figures, readme)
    if times != 1:
        raise SystemExit("README.md: mark once what is generated, by <!-- figures --> and <!-- /figures -->")
    return filled
