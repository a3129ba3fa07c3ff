"""Rank candidates for one user, now: what items mean and what the user has just done."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tailrank.data.dataset import Dataset
    from tailrank.data.histories import Event
    from tailrank.errors import TailrankError
    from tailrank.language.encoder import TextEncoder
    from tailrank.language.store import VectorStore
    from tailrank.language.text import item_texts
    from tailrank.language.vectors import ItemVectors
    from tailrank.policy.tail import TailBoost
    from tailrank.ranking.explanation import Explanation
    from tailrank.ranking.ranking import RankedItem, Ranking
    from tailrank.ranking.request import Request
    from tailrank.ranking.reranker import Reranker
    from tailrank.ranking.settings import Settings
    from tailrank.ranking.upstream import Choice

    __version__: str

__all__ = [
    "Choice",
    "Dataset",
    "Event",
    "Explanation",
    "ItemVectors",
    "RankedItem",
    "Ranking",
    "Request",
    "Reranker",
    "Settings",
    "TailBoost",
    "TailrankError",
    "TextEncoder",
    "VectorStore",
    "__version__",
    "item_texts",
]

# For libraries that would send how they are used, with an id of the machine that they keep in the home
# folder. They read these when they are imported; importing any module of tailrank imports this one first.
os.environ.update(ORT_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_TELEMETRY="1")

_MODULES: Final = {
    "data.dataset": ("Dataset",),
    "data.histories": ("Event",),
    "errors": ("TailrankError",),
    "language.encoder": ("TextEncoder",),
    "language.store": ("VectorStore",),
    "language.text": ("item_texts",),
    "language.vectors": ("ItemVectors",),
    "policy.tail": ("TailBoost",),
    "ranking.explanation": ("Explanation",),
    "ranking.ranking": ("RankedItem", "Ranking"),
    "ranking.request": ("Request",),
    "ranking.reranker": ("Reranker",),
    "ranking.settings": ("Settings",),
    "ranking.upstream": ("Choice",),
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: `tailrank.client` needs none of them."""
    if name == "__version__":
        return import_module("importlib.metadata").version("tailrank")
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"tailrank.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
