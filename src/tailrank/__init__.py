"""Rank candidates for one user, now: what items mean and what the user has just done."""

from tailrank.data.dataset import Dataset
from tailrank.data.histories import Event
from tailrank.errors import TailrankError
from tailrank.language.encoder import TextEncoder
from tailrank.language.store import VectorStore
from tailrank.language.text import item_texts
from tailrank.language.vectors import ItemVectors
from tailrank.policy.tail import TailBoost
from tailrank.ranking.explanation import Explanation
from tailrank.ranking.request import RankedItem, Ranking, Request
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.ranking.upstream import Choice

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
    "item_texts",
]
