"""`SearchPage`: the hits of Elasticsearch or OpenSearch as candidates, and back in the order of a ranking."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from tailrank import api
from tailrank.errors import RequestError

ID: Final = "_id"
"""Of the document itself."""

ADDED: Final = "tailrank"
"""Where a response and its hits say what this did."""


class LocalRanking(Protocol):
    """A ranking that a `Reranker` returns."""

    @property
    def ranking_id(self) -> str:
        """To name in events."""

    @property
    def item_ids(self) -> Sequence[str]:
        """In their order."""

    @property
    def scores(self) -> Sequence[float]:
        """One an item."""

    @property
    def previous_ranks(self) -> Sequence[int]:
        """Ranks of the items' first candidates, from 1."""


class SearchPage:
    """Hits of a search, to be ranked for a user.

    Attributes
    ----------
    item_ids
        Of the hits, in their order. Several hits may be of one item.
    scores
        `_score` of each, NaN if there is none.

    Parameters
    ----------
    response
        What `_search` answered; it isn't changed. Of the client `elasticsearch`, give `response.body`.
    item_id
        Field that holds the item's id, by its full path, in `_source` or `fields` of each hit; by default the
        id of the document.

    Raises
    ------
    RequestError
        If it is no such response, or a hit has no id.

    Examples
    --------
    >>> hits = [{"_id": "p1", "_score": 2.5}, {"_id": "t3", "_score": 2.0}]
    >>> page = SearchPage({"hits": {"hits": hits}})
    >>> page.candidates
    [Candidate(id='p1', score=2.5), Candidate(id='t3', score=2.0)]
    >>> ranking = api.Ranking("r", "m", 0.4, False, [api.RankedItem("t3", 1.2, 1, 2)])
    >>> page.reordered(ranking)["hits"]["hits"]
    [{'_id': 't3', '_score': 2.0, 'tailrank': {'score': 1.2, 'rank': 1, 'previous_rank': 2}}]
    """

    def __init__(self, response: Mapping[str, Any], item_id: str = ID) -> None:
        self._response, self._hits = response, _hits(response)
        self.item_ids = [_item_id(hit, item_id, at) for at, hit in enumerate(self._hits)]
        self.scores = [_score(hit, at) for at, hit in enumerate(self._hits)]

    @property
    def candidates(self) -> list[api.Candidate]:
        """What a client's `rank` takes."""
        pairs = zip(self.item_ids, self.scores, strict=True)
        return [api.Candidate(name, None if math.isnan(score) else score) for name, score in pairs]

    def reordered(self, ranking: api.Ranking | LocalRanking) -> dict[str, Any]:
        """Give the response with its hits in the order of a ranking.

        Parameters
        ----------
        ranking
            Of the candidates of this page.

        Returns
        -------
        dict
            The response without the hits that the ranking lacks: removed by a policy, or beyond `k`. Each hit
            has all that it had, `_score` too, and in `tailrank` its item's `score`, `rank` and
            `previous_rank`; hits of one item follow each other. `tailrank` of the response holds the
            `ranking_id`, and of a server's ranking the `model` and whether it is `degraded`.

        Raises
        ------
        RequestError
            If the ranking has an item that no hit is of.
        """
        about: dict[str, Any] = {"ranking_id": ranking.ranking_id}
        if isinstance(ranking, api.Ranking):
            about |= {"model": ranking.model, "degraded": ranking.degraded}
            rows = [(item.id, item.score, item.previous_rank) for item in ranking.items]
        else:
            rows = list(zip(ranking.item_ids, ranking.scores, ranking.previous_ranks, strict=True))
        by_item = dict[str, list[Mapping[str, Any]]]()
        for name, hit in zip(self.item_ids, self._hits, strict=True):
            by_item.setdefault(name, []).append(hit)
        if unknown := [name for name, _, _ in rows if name not in by_item]:
            raise RequestError(
                f"the ranking has {unknown[0]!r}, which no hit is of: rank the page's candidates"
            )
        hits = [
            {**hit, ADDED: {"score": score, "rank": rank, "previous_rank": previous_rank}}
            for rank, (name, score, previous_rank) in enumerate(rows, 1)
            for hit in by_item[name]
        ]
        return {**self._response, "hits": {**self._response["hits"], "hits": hits}, ADDED: about}


def _hits(response: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Find the hits; raises RequestError if there is no list of them."""
    outer = response.get("hits") if isinstance(response, Mapping) else None
    hits = outer.get("hits") if isinstance(outer, Mapping) else None
    if not isinstance(hits, list) or not all(isinstance(hit, Mapping) for hit in hits):
        raise RequestError(
            "no list at `hits.hits`: give what `_search` answered, decoded; of the client elasticsearch, "
            "`response.body`"
        )
    if len(hits) > api.MAX_CANDIDATES:
        raise RequestError(f"{len(hits):,} hits: search for {api.MAX_CANDIDATES:,} at most (`size`)")
    return hits


def _item_id(hit: Mapping[str, Any], field: str, at: int) -> str:
    """Read the item's id of the hit at a position; raises RequestError if there is none."""
    value = hit.get(ID) if field == ID else _value(hit, field)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value:
        return value
    found = "is missing" if value is None else f"is {str(value)[:40]!r}"
    where = (
        "" if field == ID else ": have the search return it, in `_source` or `fields`, or name another field"
    )
    raise RequestError(f"hits.hits[{at}] ({ID} {hit.get(ID)!r}): `{field}` {found}, not an item's id{where}")


def _value(hit: Mapping[str, Any], path: str) -> object:
    """Look a field up, as text or in the only element of a list; in `_source`, dots may lead into objects."""
    fields = hit.get("fields")
    value: object = fields.get(path) if isinstance(fields, Mapping) else None
    if value is None:
        value = _descended(hit.get("_source"), path)
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _descended(value: object, path: str) -> object:
    """Follow a path, of which a name may have dots itself."""
    if not isinstance(value, Mapping) or path in value:
        return value[path] if isinstance(value, Mapping) else None
    head, _, rest = path.partition(".")
    return _descended(value.get(head), rest) if rest else None


def _score(hit: Mapping[str, Any], at: int) -> float:
    """Read the score of the hit at a position; a search that sorts by something else has none."""
    score = hit.get("_score")
    if score is None:
        return math.nan
    if isinstance(score, bool) or not isinstance(score, int | float) or abs(score) > sys.float_info.max:
        raise RequestError(
            f"hits.hits[{at}] ({ID} {hit.get(ID)!r}): `_score` is {str(score)[:40]!r}, no finite number"
        )
    return float(score)
