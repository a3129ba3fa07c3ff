"""The one place that names the columns of a data folder."""

from typing import Final


class Columns:
    """Column names of the tables of a data folder (docs/data.md) and of logs (docs/off_policy.md)."""

    USER: Final = "user_id"
    ITEM: Final = "item_id"
    TIMESTAMP: Final = "timestamp"
    POSITION: Final = "position"
    ELAPSED: Final = "elapsed_seconds"
    EVENT: Final = "event"
    VALUE: Final = "value"
    RANKING: Final = "ranking_id"
    QUERY: Final = "query"
    CLICKED: Final = "clicked"
    SCORE: Final = "score"
    PROPENSITY: Final = "propensity"
    TARGET: Final = "target"
    NEXT_PROPENSITY: Final = "next_propensity"
    NEXT_TARGET: Final = "next_target"
    PREDICTED: Final = "predicted"
    PREDICTED_TARGET: Final = "predicted_target"
    REWARD: Final = "reward"
    HEAD: Final = "head"
    RELATION: Final = "relation"
    TAIL: Final = "tail"
    NEIGHBOUR: Final = "neighbour"
    ORIGIN: Final = "origin"

    TEXT: Final = (
        "title",
        "name",
        "categories",
        "category",
        "genres",
        "brand",
        "description",
        "overview",
        "text",
    )
    """Columns that make up an item's text unless a template says otherwise, in this order."""
