"""What a generative model makes of explanations: how many say the same, and what the rest says instead.

Items are explained for users drawn at random; the sentences, without titles, go to the model, the most
frequent first. Then every explanation is said by the phrasebook, with its titles, and searched for any other
title of the catalogue and for any number, which is another way than the check's own. A second part needs no
model: sentences are spoilt in known ways, which the check has to notice, and reworded in known ways, which it
has to let through.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Final

import numpy as np
import typer

from bench.explain import requests
from bench.study import Json, Keep, Model, report
from tailrank.cli.options import load
from tailrank.data.cache import cache_root
from tailrank.language.generative import load_generative_model
from tailrank.ranking.explanation import Explanation
from tailrank.ranking.paraphrase import departure
from tailrank.ranking.phrasebook import Phrasebook, sentences_of, writers_of
from tailrank.ranking.reasons import titles_of
from tailrank.ranking.reranker import Reranker

TOP: Final = 10
READ: Final = 50
"""Answers that are listed, to be read by eye: drawn at random, those that were used first."""

REWORDED: Final = {"often": "frequently", "lately": "recently", "chosen": "picked", "seldom": "rarely"}
TURNED: Final = {
    "more": "less",
    "often": "seldom",
    "seldom": "often",
    "soon": "long",
    "like": "unlike",
    "for it": "against it",
    "above": "below",
    "it is": "it isn't",
    "it was": "it wasn't",
}


def main(
    model: Model,
    writer: Annotated[str, typer.Option(help="Generative model: a folder, or the URL of an endpoint.")],
    data: Annotated[str, typer.Option(help="What MODEL learned from: a public data set, or a folder.")] = (
        "movielens-100k"
    ),
    users: Annotated[int, typer.Option(min=1, help="Drawn at random.")] = 300,
    sentences: Annotated[int, typer.Option(min=1, help="To have rephrased, at most.")] = 500,
    minutes: Annotated[float, typer.Option(min=0, help="Of processor time, for the model.")] = 20.0,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    keep: Keep = False,
) -> None:
    """Measure, and print."""
    reranker, dataset = Reranker.load(model), load(data)
    rng = np.random.default_rng(seed)
    found = [reranker.explain(replace(request, k=TOP)) for _, _, request in requests(dataset, rng, users)]
    seen = Counter(sentence for listed in found for sentence in sentences_of(listed))
    ordered = [sentence for sentence, _ in seen.most_common()]
    book, seconds = written(ordered[:sentences], writer, minutes)
    contents = {
        "dataset": dataset.name,
        "writer": book.model,
        "explanations": sum(map(len, found)),
        "sentences": {"distinct": len(seen), "said": seen.total()},
        "answers": answers(book, seen) | {"cpu_seconds_each": seconds},
        "independent": searched(reranker, found, book),
        "spoilt": spoilt(ordered, rng),
        "read": read(book, rng),
    }
    report(f"{dataset.name}/reasons.json", contents, keep)


def written(sentences: Sequence[str], writer: str, minutes: float) -> tuple[Phrasebook, float | None]:
    """Have sentences rephrased as long as the time lasts; an interrupted run goes on where it was."""
    model = load_generative_model(writer)
    file = cache_root() / "reasons" / f"{re.sub(r'[^A-Za-z0-9]+', '-', model.identity)}.json"
    book = Phrasebook.load(file) if file.exists() else Phrasebook(model.identity)
    before, start = len(book.entries), time.process_time()
    for longer in book.extended(sentences, model):
        book = longer
        book.save(file)
        print(list(book.entries.items())[-1], flush=True)
        if time.process_time() - start > 60 * minutes:
            break
    new = len(book.entries) - before
    return book, (time.process_time() - start) / new if new else None


def answers(book: Phrasebook, seen: Mapping[str, int]) -> Json:
    """Count what became of them, by sentence and by how often each is said."""
    outcome = Counter[str]()
    weighed = Counter[str]()
    for sentence, count in seen.items():
        entry = book.entries.get(sentence)
        why = "not asked for" if entry is None else entry.why_not or "used"
        outcome[kind(why)] += 1
        weighed[kind(why)] += count
    return {"sentences": dict(outcome.most_common()), "said": dict(weighed.most_common())}


def kind(why: str) -> str:
    """Sort reasons, without the word that they are about."""
    return re.sub(r" `.*`$", " …", why, flags=re.DOTALL)


def searched(reranker: Reranker, found: Sequence[Sequence[Explanation]], book: Phrasebook) -> Json:
    """Say all explanations, and look for what isn't in them: titles of other items, and numbers."""
    every = titles_of(reranker.catalogue, reranker.item_ids)
    other, numbers, rephrased, said = 0, 0, 0, 0
    for write in (write for listed in found for write in writers_of(listed)):
        sentence, why_not = book.say(write, every)
        said, rephrased = said + 1, rephrased + (why_not is None)
        quoted, plain = re.findall("“(.*?)”", sentence), sentence
        for title in sorted(quoted, key=len, reverse=True):
            plain = plain.replace(f"“{title}”", "")
        others = sorted(quoted) != sorted(re.findall("“(.*?)”", write(every)))
        other += others or any(len(title) > 3 and title in plain for title in every.values())
        numbers += bool(re.search(r"\d", plain))
    return {"said": said, "rephrased": rephrased, "with another title": other, "with a number": numbers}


def spoilt(sentences: Sequence[str], rng: np.random.Generator) -> Json:
    """Reword each sentence truly and falsely; give how many of each the check lets through."""
    counts = {name: Counter[bool]() for name in ("true", "false")}
    missed = list[tuple[str, str]]()
    for sentence in sentences:
        for is_true, text in variants(sentence):
            if text == sentence:
                continue
            passes = departure(sentence, text) is None
            counts["true" if is_true else "false"][passes] += 1
            if passes != is_true:
                missed.append((sentence, text))
    listed = [missed[at] for at in rng.permutation(len(missed))[:READ].tolist()]
    found = {name: {"variants": each.total(), "let through": each[True]} for name, each in counts.items()}
    return found | {"wrong": listed}


def variants(sentence: str) -> Iterator[tuple[bool, str]]:
    """Vary a sentence; with each, whether it still says the same."""
    reworded = sentence
    for old, new in REWORDED.items():
        yield True, re.sub(rf"\b{old}\b", new, sentence)
        reworded = re.sub(rf"\b{old}\b", new, reworded)
    yield True, reworded
    yield True, sentence.replace("because ", "Since ").replace(", but ", ", although ")
    for old, new in TURNED.items():
        yield False, re.sub(rf"\b{old}\b", new, sentence, count=1)
    if "[A]" in sentence and "[B]" in sentence:
        yield False, sentence.replace("[A]", "[?]").replace("[B]", "[A]").replace("[?]", "[B]")
    yield False, sentence.replace("[A]", "[A] (1995)", 1)
    yield False, re.sub(r"“\[A\]”", "“[A]” and “Casablanca”", sentence, count=1)
    yield False, sentence.replace("it is", "it is surely", 1).replace("it was", "it was by far", 1)
    yield False, f"{sentence}, and it is great"
    yield False, re.split(", (?:and|but) ", sentence)[0]


def read(book: Phrasebook, rng: np.random.Generator) -> list[Json]:
    """List answers with their sentences and what the check says, for people to read."""
    listed = list(book.entries.items())
    drawn = [listed[at] for at in rng.permutation(len(listed)).tolist()]
    drawn.sort(key=lambda each: each[1].why_not is not None)
    return [
        {"sentence": sentence, "answer": entry.answer, "check": entry.why_not or "passes"}
        for sentence, entry in drawn[:READ]
    ]
