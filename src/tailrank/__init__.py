"""Re-rank candidates for one person, now: what items mean and what the person has just done."""

from tailrank.data.dataset import Dataset
from tailrank.data.histories import Event
from tailrank.errors import TailrankError
from tailrank.language.encoder import TextEncoder
from tailrank.language.store import VectorStore
from tailrank.language.text import item_texts
from tailrank.ranking.explanation import Explanation
from tailrank.ranking.fitting import Settings
from tailrank.ranking.ordering import RankedItem
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.upstream import Choice

__all__ = [
    "Choice",
    "Dataset",
    "Event",
    "Explanation",
    "RankedItem",
    "Reranker",
    "Settings",
    "TailrankError",
    "TextEncoder",
    "VectorStore",
    "item_texts",
]
