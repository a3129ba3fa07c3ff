"""Small programs that run under any build of tailrank, and print one line of JSON.

They use of tailrank only what every build has, so that the same work meets each of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any


def answer(measure: Callable[..., dict[str, Any]]) -> None:
    """Call a function with the JSON object that the command line gives, and print what it returns."""
    print(json.dumps(measure(**json.loads(sys.argv[1]))), flush=True)
