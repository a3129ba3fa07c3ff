"""Which build this is, with which packages and kernels."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np  # noqa: F401 - loads the kernels that are listed
from threadpoolctl import threadpool_info

import tailrank
from bench.probes import answer
from tailrank.machine import machine


def about() -> dict[str, Any]:
    """Describe the build; `source` changes with any line of it."""
    source, root = hashlib.sha256(), Path(tailrank.__file__).parent
    for file in sorted(root.rglob("*.py")):
        source.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    keys = ("internal_api", "architecture", "version", "num_threads")
    kernels = [" ".join(str(each[key]) for key in keys if each.get(key)) for each in threadpool_info()]
    return {"versions": machine()["versions"], "kernels": kernels, "source": source.hexdigest()}


if __name__ == "__main__":
    answer(about)
