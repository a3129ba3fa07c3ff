"""What descriptions by a generative model bring back of texts that were cut to three words.

A random sample of items keeps three words of its text. The model, which sees these only, describes them. They
are ranked by the three words (`cut`), by these with the statements that have a ground (`checked`), with all
that was written (`unchecked`), without a model, with the words that go best with theirs in the catalogue's
texts (`associated`), and by their whole text (`whole`). Metrics are of test queries whose target is in the
sample, by single signals. Their recency decay is chosen on validation, as always; nothing else is chosen.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import numpy as np
import typer

from bench import study
from tailrank.arrays import Doubles
from tailrank.data.cache import cache_root
from tailrank.data.splits import Split, leave_one_out
from tailrank.language.encoder import TextEncoder
from tailrank.language.generative import load_generative_model
from tailrank.language.kept_answers import KeptAnswers
from tailrank.language.store import VectorStore
from tailrank.language.text import item_texts
from tailrank.language.vectors import ItemVectors
from tailrank.metrics.significance import paired_bootstrap
from tailrank.signals.lexical import Lexical
from tailrank.tuning.enrichment import FIELDS, Statement, Writer, statements
from tailrank.tuning.grounding import Grounds

WORDS: Final = 3
ASSOCIATED: Final = 5
"""Words that an item gets in place of a model's."""

SIGNALS: Final = ("semantic", "lexical")
READ: Final = 50


def main(
    data: study.Data,
    name: study.Name,
    writer: Annotated[
        str | None,
        typer.Option(help="Generative model: a folder, or the URL of an endpoint; else none writes."),
    ] = None,
    items: Annotated[int, typer.Option(min=1, help="To cut and to describe, drawn at random.")] = 300,
    minutes: Annotated[float, typer.Option(min=0, help="Of processor time, for the model.")] = 20.0,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
) -> None:
    """Store the study of one data set; interrupted, it goes on where it was."""
    dataset, _, about = study.encoded(name, data)
    whole = item_texts(dataset.items)
    drawn = np.random.default_rng(seed).permutation(dataset.n_items)[:items].tolist()
    cut = [" ".join(text.split()[:WORDS]) for text in whole]
    given = replaced(whole, {item: cut[item] for item in drawn})
    grounds = Grounds.from_texts(given)
    found, seconds, identity = dict[int, list[Statement]](), None, None
    if writer is not None:
        found, seconds, identity = written(drawn, given, grounds, writer, minutes)
    arms = texts_of(drawn, found, whole, cut, grounds)
    split = leave_one_out(dataset)
    ranked = {arm: values(replaced(given, said), split, seed) for arm, said in arms.items()}
    rows = [
        {"text": arm, "signal": signal, **row(ranked, arm, signal, split, list(said))}
        for arm, said in arms.items()
        for signal in SIGNALS
    ]
    about |= {"protocol": split.protocol, "seed": seed, "words": WORDS, "writer": identity}
    counts = {"items": len(drawn), "described": len(found), "cpu_seconds_each": seconds}
    said = {"statements": counted(found), "read": read(found, given, seed)}
    study.store(f"{name}/enrichment.json", {**about, **counts, "rows": rows, **said})


def written(
    drawn: Sequence[int], given: Sequence[str], grounds: Grounds, name: str, minutes: float
) -> tuple[dict[int, list[Statement]], float, str]:
    """Have items described as long as the time lasts; gives statements, seconds of each, and by whom."""
    model = load_generative_model(name)
    file = re.sub(r"[^A-Za-z0-9]+", "-", model.identity)
    writer = Writer(model, KeptAnswers(cache_root() / "enrichment" / f"{file}.jsonl"))
    found, new, start = dict[int, list[Statement]](), 0, time.process_time()
    for item in drawn:
        if time.process_time() - start > 60 * minutes:
            break
        new += not writer.has(given[item])
        found[item] = statements(writer.write(given[item]), item, grounds)
        print(given[item], found[item], flush=True)
    return found, (time.process_time() - start) / max(new, 1), model.identity


def texts_of(
    drawn: Sequence[int],
    found: Mapping[int, Sequence[Statement]],
    whole: Sequence[str],
    cut: Sequence[str],
    grounds: Grounds,
) -> dict[str, dict[int, str]]:
    """Give the text of each item in every arm: in those of the model, of each that was described."""

    def joined(item: int, words: Sequence[str]) -> str:
        return ". ".join([cut[item], *words])

    arms = {
        "cut": {item: cut[item] for item in drawn},
        "associated": {item: joined(item, grounds.associated(item, ASSOCIATED)) for item in drawn},
        "whole": {item: whole[item] for item in drawn},
    }
    if found:
        arms["checked"] = {
            item: joined(item, [one.text for one in said if one.ungrounded is None])
            for item, said in found.items()
        }
        arms["unchecked"] = {item: joined(item, [one.text for one in said]) for item, said in found.items()}
    return arms


def replaced(given: Sequence[str], said: Mapping[int, str]) -> list[str]:
    """Give all texts, those of some items replaced."""
    return [said.get(item, text) for item, text in enumerate(given)]


def values(texts: Sequence[str], split: Split, seed: int) -> dict[str, Doubles]:
    """Give ndcg@10 of each test query by each signal."""
    vectors = ItemVectors(VectorStore().vectors(texts, TextEncoder.load()))
    attention = study.attention(study.whitened(vectors), split, seed)
    [lexical] = Lexical.fit(study.training_data(split, seed, texts=texts))
    return {"semantic": study.ndcg(attention, split), "lexical": study.ndcg(lexical, split)}


def row(
    ranked: Mapping[str, Mapping[str, Doubles]], arm: str, signal: str, split: Split, items: Sequence[int]
) -> study.Json:
    """Give ndcg@10 on some items, against their cut texts, and the share of the loss that comes back."""
    mask = np.isin(split.test.targets, items)
    means = {name: float(each[signal][mask].mean()) for name, each in ranked.items()}
    lost = means["whole"] - means["cut"]
    one = paired_bootstrap(ranked[arm][signal], ranked["cut"][signal], split.test.users, mask)
    against = None if one is None or arm == "cut" else {"mean": one.mean, "ci95": [one.low, one.high]}
    back = (means[arm] - means["cut"]) / lost if lost else None
    return {"queries": int(mask.sum()), "ndcg@10": means[arm], "over cut": against, "share back": back}


def counted(found: Mapping[int, Sequence[Statement]]) -> study.Json:
    """Count statements, and those without a ground, by field."""
    said, dropped = Counter[str](), Counter[str]()
    for one in (one for each in found.values() for one in each):
        said[one.name] += 1
        dropped[one.name] += one.ungrounded is not None
    total = {"written": said.total(), "dropped": dropped.total()}
    return total | {name: {"written": said[name], "dropped": dropped[name]} for name in FIELDS}


def read(found: Mapping[int, Sequence[Statement]], given: Sequence[str], seed: int) -> list[study.Json]:
    """List statements drawn at random, for people to read: those that were kept first."""
    every = [(item, one) for item, each in found.items() for one in each]
    drawn = [every[at] for at in np.random.default_rng(seed).permutation(len(every)).tolist()]
    drawn.sort(key=lambda each: each[1].ungrounded is not None)
    return [
        {"fields": given[item], "says": f"{one.name}: {one.text}", "without ground": one.ungrounded}
        for item, one in drawn[:READ]
    ]
