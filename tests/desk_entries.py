"""A small desk: three entries, one of which needs a fact."""

from __future__ import annotations

from typing import Final

from tailrank.tasks.support.entries import Entry
from tailrank.tasks.support.settings import DeskSettings

ENTRIES: Final = [
    Entry(
        "where",
        "Where is my parcel?",
        ("Order {order} is on its way.",),
        ("track my parcel", "my delivery hasn't come", "when will my package arrive?", "parcel status"),
    ),
    Entry(
        "refund",
        "How do I get my money back?",
        ("Send it back.",),
        ("I want a refund", "can I return this?", "repay me please", "how are refunds done?"),
    ),
    Entry(
        "password",
        "How do I reset my password?",
        ("Follow the link.",),
        ("I forgot my password", "change my login password", "wrong password", "can't log in"),
    ),
]
SETTINGS: Final = DeskSettings(wrong=0.4, confidence=0.5, tie=0.3, slots=("order",))
