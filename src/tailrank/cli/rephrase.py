"""`tailrank rephrase`: explanations in the words of a generative model, written beforehand."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer

from tailrank.cli import options
from tailrank.cli.progress import progress_bars
from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError
from tailrank.files import is_writable
from tailrank.language.generative import load_generative_model
from tailrank.ranking.phrasebook import TOKENS, Phrasebook, sentences_of
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker
from tailrank.reporting import step

CANDIDATES: Final = 200
EXPLAINED: Final = 10
"""Candidates of a user, drawn by how often they are chosen, and the first of them that are explained."""


def rephrase(
    model: Annotated[Path, typer.Option(help="Model folder whose explanations are to be rephrased.")],
    data: options.Data,
    writer: options.Writer,
    out: Annotated[Path, typer.Option(help="Phrasebook, a JSON file; one that is there is gone on with.")],
    users: Annotated[int, typer.Option(min=1, help="Whose explanations to look at, drawn at random.")] = 300,
    minutes: Annotated[float, typer.Option(min=0, help="That the writer may take.")] = 30.0,
    seed: options.Seed = 0,
    device: options.Device = "auto",
) -> None:
    """Have a generative model say explanations in other words, checked; an interrupted run goes on."""
    if not is_writable(out):
        raise RequestError(f"--out {out}: can't be written: name another file")
    with progress_bars() as progress, step(progress, f"reading {model}"):
        reranker = Reranker.load(model)
    seen = _sentences(reranker, options.load(data), users, seed)
    with progress_bars() as progress, step(progress, f"loading {writer}"):
        generative = load_generative_model(writer)
    book = Phrasebook.load(out) if out.exists() else Phrasebook(generative.identity)
    missing = [sentence for sentence, _ in seen.most_common() if sentence not in book.entries]
    typer.echo(
        f"{len(seen):,} sentences in {seen.total():,} explanations; {len(missing):,} to write, the most "
        f"frequent first: at most {TOKENS * len(missing):,} tokens, and {minutes:g} min",
        err=True,
    )
    end = time.monotonic() + 60 * minutes
    with progress_bars() as progress:
        for done, book in enumerate(book.extended(missing, generative), 1):  # noqa: B020 - each is longer
            book.save(out)
            progress("rephrasing", done, len(missing))
            if time.monotonic() > end:
                break
    typer.echo(f"{out}: {_summary(book, seen)}")


def _sentences(reranker: Reranker, dataset: Dataset, users: int, seed: int) -> Counter[str]:
    """Count the sentences of explanations for some users, without titles."""
    rng, seen = np.random.default_rng(seed), Counter[str]()
    chances = dataset.counts / max(dataset.counts.sum(), 1)
    offered = min(CANDIDATES, int((chances > 0).sum()))
    drawn = rng.permutation(dataset.n_users)[:users].tolist()
    if not offered:
        raise RequestError("there are no events, so there is nobody to explain rankings to")
    with progress_bars() as progress:
        for done, user in enumerate(drawn, 1):
            codes = rng.choice(dataset.n_items, offered, replace=False, p=chances)
            ids = [dataset.item_ids[code] for code in codes.tolist()]
            history = dataset.history(dataset.user_ids[user])
            seen.update(sentences_of(reranker.explain(Request(history, ids, k=EXPLAINED))))
            progress("explaining rankings", done, len(drawn))
    return seen


def _summary(book: Phrasebook, seen: Counter[str]) -> str:
    """Say what is used, and why the rest isn't."""
    why_not = Counter(entry.why_not for entry in book.entries.values())
    used = why_not.pop(None, 0)
    passing = {sentence for sentence, entry in book.entries.items() if entry.why_not is None}
    share = sum(seen[sentence] for sentence in passing) / max(seen.total(), 1)
    most = ", ".join(f"{why} ({count})" for why, count in why_not.most_common(3))
    return (
        f"{used:,} of {len(book.entries):,} sentences pass the check, for {share:.0%} of explanations; "
        "for the others the template's stand" + (f": {most}" if most else "")
    )
