"""Measure the support desk on a FAQ whose questions were rephrased: order, promise and time."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeAlias

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from bench import study
from tailrank.arrays import Bools, Codes, Doubles, Floats
from tailrank.language.encoder import TextEncoder
from tailrank.language.onnx_encoder import OnnxEncoder
from tailrank.language.store import VectorStore
from tailrank.metrics.significance import paired_bootstrap
from tailrank.tasks.support.chances import Sample
from tailrank.tasks.support.desk import SupportDesk
from tailrank.tasks.support.entries import AskedQuestion, Entry, read_entries
from tailrank.tasks.support.fitting import fit_desk
from tailrank.tasks.support.guarantee import guarantee

SET: Final = "stackfaq/faq.parquet"
FOLDS: Final = 5
SPLITS: Final = 200
PROMISED: Final = 0.05
CONFIDENCE: Final = 0.9
WAYS: Final = ("desk", "encoder", "bm25")
DESKS: Final = 5

Values: TypeAlias = dict[str, Doubles]
"""Reciprocal ranks of the right entries by what ranked them, shape (questions,)."""

Judged: TypeAlias = tuple[Doubles, Bools]
"""How sure a desk is of its best entry for each question, and whether that is right; shape (questions,)."""


def bm25(texts: Sequence[str], owners: Codes, questions: Sequence[str]) -> Doubles:
    """Score entries, whose texts are together, by the best: BM25 (Robertson et al., 1994), k1 1.2, b 0.75."""
    counter = CountVectorizer()
    counts = counter.fit_transform(texts).tocsc()
    lengths, containing = counts.sum(axis=1).A1, np.diff(counts.indptr)
    idf = np.log(1 + (len(texts) - containing + 0.5) / (containing + 0.5))
    counts = counts.tocoo()
    norm = 1.2 * (0.25 + 0.75 * lengths / lengths.mean())
    counts.data = counts.data * 2.2 / (counts.data + norm[counts.row]) * idf[counts.col]
    found = (counter.transform(questions) @ counts.T.tocsr()).toarray()
    first = np.flatnonzero(np.diff(owners, prepend=-1))
    return np.maximum.reduceat(found, first, axis=1)


def reciprocal_ranks(scores: Doubles | Floats, right: Codes) -> Doubles:
    """Give 1 / rank of the right entry; of equal scores the right one comes last."""
    own = scores[np.arange(len(right)), right][:, None]
    return np.asarray(1 / (scores >= own).sum(axis=1))


def ranked(desk: SupportDesk, asked: Sequence[AskedQuestion], vectors: Floats) -> Values:
    """Rank the entries of a desk for questions by the desk, by the encoder alone, and by BM25."""
    codes = {entry.intent: at for at, entry in enumerate(desk.entries)}
    right = np.array([codes[each.intent] for each in asked], np.int32)
    texts, pool = [each.question for each in asked], desk.likeness.phrasings
    scores: dict[str, Doubles | Floats] = {
        "desk": desk.chances.of(desk.likeness(texts, vectors)),
        "encoder": pool.highest(vectors @ pool.vectors.T, len(codes)),
        "bm25": bm25(pool.texts, pool.owners, texts),
    }
    return {way: reciprocal_ranks(each, right) for way, each in scores.items()}


def summary(values: Values, entries: Codes) -> study.Json:
    """Give metrics, and by how much the desk is ahead, with intervals over entries."""
    found: study.Json = {"questions": len(entries)}
    for name in ("mrr", "p@1"):
        metric = {
            way: np.asarray(each == 1, float) if name == "p@1" else each for way, each in values.items()
        }
        found[name] = {way: float(each.mean()) for way, each in metric.items()}
        for way in WAYS[1:]:
            one = paired_bootstrap(metric["desk"], metric[way], entries)
            if one is not None:
                found[f"{name}, desk - {way}"] = {"mean": one.mean, "ci95": [one.low, one.high]}
    return found


def by_rephrasing(entries: Sequence[Entry], encoder: TextEncoder, store: VectorStore) -> study.Json:
    """Leave a fifth of the rephrasings of each entry out; its question and the others are known.

    Of those, the desk sets some aside to test its promise: what it is compared with doesn't know them either.
    """
    rng, parts = np.random.default_rng(0), []
    folds = [rng.permutation(len(entry.rephrasings)) % FOLDS for entry in entries]
    for fold in range(FOLDS):
        known, asked = split(entries, [each == fold for each in folds])
        parts.append((fit_desk(known, encoder, store=store), asked))
    return compared(parts, encoder, store)


def by_question(entries: Sequence[Entry], encoder: TextEncoder, store: VectorStore) -> study.Json:
    """Know each entry by its question and answers only; learn from what was asked of four fifths of them."""
    known, asked = split(entries, [np.ones(len(entry.rephrasings), bool) for entry in entries])
    shuffled = np.random.default_rng(0).permutation(len(entries))
    fold_of = {entries[at].intent: place % FOLDS for place, at in enumerate(shuffled)}
    parts = []
    for fold in range(FOLDS):
        learning = [each for each in asked if fold_of[each.intent] != fold]
        test = [each for each in asked if fold_of[each.intent] == fold]
        parts.append((fit_desk(known, encoder, asked=learning, store=store), test))
    return compared(parts, encoder, store)


def split(
    entries: Sequence[Entry], left_out: Sequence[Bools]
) -> tuple[tuple[Entry, ...], list[AskedQuestion]]:
    """Take rephrasings out of entries."""
    known, asked = [], []
    for entry, out in zip(entries, left_out, strict=True):
        pairs = list(zip(entry.rephrasings, out, strict=True))
        kept = tuple(text for text, is_out in pairs if not is_out)
        known.append(Entry(entry.intent, entry.question, entry.answers, kept))
        asked += [AskedQuestion(text, entry.intent) for text, is_out in pairs if is_out]
    return tuple(known), asked


def compared(
    parts: Sequence[tuple[SupportDesk, Sequence[AskedQuestion]]], encoder: TextEncoder, store: VectorStore
) -> study.Json:
    """Rank by every way, and compare them."""
    found = [
        ranked(desk, asked, store.vectors([e.question for e in asked], encoder)) for desk, asked in parts
    ]
    values = {way: np.concatenate([each[way] for each in found]) for way in WAYS}
    owners = [each.intent for _, asked in parts for each in asked]
    return summary(values, np.unique(owners, return_inverse=True)[1].astype(np.int32))


def promises(entries: Sequence[Entry], encoder: TextEncoder, store: VectorStore) -> study.Json:
    """Count broken promises, where a fifth of the entries is missing and others are known by question only.

    A desk is fitted on half of the questions. The other half is split into what tests the promise and what
    it is then held to; and it is taken for all questions that there are, of which those that test are drawn
    with replacement: so it is known how many answers are wrong in truth.
    """
    rows: list[dict[str, float]] = []
    for seed in range(DESKS):
        rng = np.random.default_rng(seed)
        missing = set(rng.permutation([entry.intent for entry in entries])[: len(entries) // 5].tolist())
        whole, asked = split(entries, [np.ones(len(entry.rephrasings), bool) for entry in entries])
        known = [entry for entry in whole if entry.intent not in missing]
        mixed = [asked[at] for at in rng.permutation(len(asked))]
        mixed = [AskedQuestion(e.question, "" if e.intent in missing else e.intent) for e in mixed]
        half = len(mixed) // 2
        desk = fit_desk(known, encoder, asked=mixed[:half], store=store)
        order, pool = (judged(desk, part, encoder, store) for part in (mixed[:half], mixed[half:]))
        rows += [broken(pool, order, rng) for _ in range(SPLITS // DESKS)]
    return {
        "splits": len(rows),
        "promised": PROMISED,
        "confidence": CONFIDENCE,
        "unanswerable": 0.2,
        **{name: float(np.mean([row[name] for row in rows])) for name in rows[0]},
    }


def judged(
    desk: SupportDesk, asked: Sequence[AskedQuestion], encoder: TextEncoder, store: VectorStore
) -> Judged:
    """Say how sure a desk is of each question, and whether it is right."""
    codes, texts = {entry.intent: at for at, entry in enumerate(desk.entries)}, [e.question for e in asked]
    right = np.array([codes.get(each.intent, -1) for each in asked], np.int32)
    likeness = desk.likeness(texts, store.vectors(texts, encoder))
    return Sample(likeness, right, np.full_like(right, -1)).judged(desk.chances, desk.settings.tie)


def broken(pool: Judged, order: Judged, rng: np.random.Generator) -> dict[str, float]:
    """Test a promise on a half of the pool, and on a sample of it with replacement, and hold it to it."""
    sure, right = pool
    mixed, half = rng.permutation(len(sure)), len(sure) // 2
    found: dict[str, float] = {}
    for name, test, rest in (
        ("split", mixed[:half], mixed[half:]),
        ("truth", rng.integers(len(sure), size=half), mixed),
    ):
        kept = guarantee(sure[test], right[test], order, PROMISED, CONFIDENCE)
        given = sure[rest] >= kept.threshold
        wrong = float((given & ~right[rest]).sum() / max(given.sum(), 1))
        found |= {f"{name}: wrong share": wrong, f"{name}: broken": float(wrong > PROMISED)}
        found |= {f"{name}: answered": float(given.mean()), f"{name}: silent": float(not kept.ever_answers)}
    return found


def times(entries: Sequence[Entry], encoder: TextEncoder, store: VectorStore) -> study.Json:
    """Time answers on one core, without torch: a question at a time."""
    known, asked = split(entries, [np.arange(len(entry.rephrasings)) < 2 for entry in entries])
    desk = replace(fit_desk(known, encoder, store=store), encoder=OnnxEncoder.load())
    wall, busy = [], []
    for each in [*asked[:20], *asked]:
        start, used = time.perf_counter(), time.process_time()
        desk.answer(each.question)
        wall.append(time.perf_counter() - start)
        busy.append(time.process_time() - used)
    found: study.Json = {"questions": len(asked), "load_average": os.getloadavg()[0], "cores": os.cpu_count()}
    for name, seconds in (("wall_ms", wall), ("cpu_ms", busy)):
        found[name] = {f"p{q}": float(np.percentile(seconds[20:], q) * 1e3) for q in (50, 99)}
    return found


def main(data: study.Data, keep: study.Keep = False) -> None:
    """Measure all of it."""
    file = data / SET
    entries, encoder, store = read_entries(file), TextEncoder.load(), VectorStore()
    found: study.Json = {"set": SET, "entries": len(entries)}
    for part in (by_rephrasing, by_question, promises, times):
        found[part.__name__] = part(entries, encoder, store)
        print(part.__name__, found[part.__name__], flush=True)
    study.report("support.json", found, keep)
