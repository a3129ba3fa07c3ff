"""Where tailrank keeps what it downloaded or computed once."""

import os
from pathlib import Path

import platformdirs


def cache_root() -> Path:
    """Name the cache folder: `TAILRANK_CACHE` if it is set, else the platform's usual folder.

    Examples
    --------
    >>> from unittest.mock import patch
    >>> with patch.dict(os.environ, TAILRANK_CACHE="/data/tailrank"):
    ...     print(cache_root().as_posix())
    /data/tailrank
    """
    chosen = os.environ.get("TAILRANK_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("tailrank")
