"""Sizes of memory: as people write them, and what this process holds."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path
from typing import Final

from tailrank.errors import RequestError

UNITS: Final = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def parse_size(text: str) -> int:
    """Read a number of bytes.

    Raises
    ------
    RequestError
        If it isn't a number with a unit.

    Examples
    --------
    >>> parse_size("4GB"), parse_size("1.5 MB")
    (4000000000, 1500000)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]B)", text.strip().upper())
    if found is None:
        raise RequestError(f"--memory {text!r} is no size of memory: write it as 500MB or 4GB")
    return int(float(found[1]) * UNITS[found[2]])


def as_size(n_bytes: int) -> str:
    """Write a number of bytes, rounded up to whole megabytes.

    Examples
    --------
    >>> as_size(1_234_567), as_size(25_000_000_000)
    ('2MB', '25000MB')
    """
    return f"{-(-n_bytes // UNITS['MB'])}MB"


def resident() -> int:
    """Give the bytes of memory that this process holds now; where the system doesn't say, at its peak."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return peak()
    return pages * resource.getpagesize()


def peak() -> int:
    """Give the bytes of memory that this process held at its peak."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
