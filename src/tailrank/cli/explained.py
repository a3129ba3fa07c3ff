"""Explanations of `tailrank rank`: in words, as JSON and as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from tailrank import api
from tailrank.cli.progress import progress_bars
from tailrank.errors import RequestError, needs
from tailrank.files import written_file
from tailrank.ranking.counterfactual import Counterfactual, counterfactual
from tailrank.ranking.explanation import Explanation
from tailrank.ranking.phrasebook import Phrasebook, said
from tailrank.ranking.ranking import Ranking
from tailrank.ranking.reasons import as_sum, because, moved
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker
from tailrank.reporting import counted
from tailrank.server.translation import to_explanations, to_items


def told_of(
    one: Explanation, titles: Mapping[str, str], language: api.Language, book: Phrasebook | None = None
) -> list[str]:
    """Say why an item is where it is, what its score is the sum of and, if any step moved it, how."""
    moves, reasons = moved(one), said(book, partial(because, one, language=language), titles)
    return [reasons, as_sum(one), *([f"moved by {moves}"] if moves else [])]


def not_rephrased(found: Sequence[Explanation], book: Phrasebook) -> str:
    """Say how many reasons a phrasebook has words for, and why the template's stand for the others."""
    why_not = Counter(book.say(partial(because, one), {}).why_not for one in found)
    rephrased = why_not.pop(None, 0)
    why = "; ".join(f"{count} times {reason}" for reason, count in why_not.most_common())
    return f"rephrased by {book.model}: {rephrased} of {len(found)}" + (
        f"; not, because {why}" if why else ""
    )


def ranking_as_json(
    ranking: Ranking,
    found: Sequence[Explanation],
    titles: Mapping[str, str],
    language: api.Language,
    book: Phrasebook | None = None,
) -> str:
    """Write a ranking as `POST /v1/rank` answers it, as far as no server is needed for that."""
    answer = {
        "ranking_id": ranking.ranking_id,
        "items": to_items(ranking, to_explanations(found, titles, language, book)),
        "unknown_history": ranking.unknown_history,
        "history_length": ranking.history_length,
        "removed": ranking.removed,
    }
    events = {"events": found[0].events} if found else {}
    return msgspec.json.encode(answer | events).decode()


def write_page(
    file: Path,
    reranker: Reranker,
    request: Request,
    ranking: Ranking,
    found: Sequence[Explanation],
    titles: Mapping[str, str],
    language: api.Language,
) -> None:
    """Write a page that explains a ranking; if it was cut, with the events that items owe their ranks to.

    Raises
    ------
    RequestError
        If the file can't be written, or Jinja is missing.
    """
    with needs("--html", "report"):
        from tailrank.ranking.explanation_page import render
    owed = dict[str, Counterfactual]()
    if request.k is not None:
        with progress_bars() as progress:
            items = [[item] for item in ranking.item_ids]
            for [item] in counted(items, progress, "ranking without events", len(items)):
                one = counterfactual(reranker, request, item, request.k)
                if one is not None:
                    owed[item] = one
    try:
        with written_file(file) as page:
            page.write_text(render(ranking, found, titles, language, owed), encoding="utf-8")
    except OSError as why:
        raise RequestError(f"--html {file}: can't be written ({why})") from None
