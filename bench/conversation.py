"""How well turns of a conversation are understood, and what one costs.

The turns in `bench/turns` are on two catalogues: new cars of 1993 (R. H. Lock, "1993 New Car Data", Journal
of Statistics Education 1(1), 1993), and MovieLens 100K. Ten items are shown. A turn counts as right if all
that it asks for was understood, with all values, and nothing else was; `acts` looks at what is asked for, not
at of which values; `wrong` counts turns in which something was understood that was not said.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import numpy as np
import polars as pl
import typer

from bench.study import Json, Keep, Model, report
from tailrank.api_conversation import Change, Conversation
from tailrank.conversation.acts import phrases, rendered
from tailrank.conversation.reader import TurnReader
from tailrank.conversation.said import after, request_of
from tailrank.data.columns import Columns
from tailrank.language.onnx_encoder import OnnxEncoder
from tailrank.policy.values import categories
from tailrank.policy.wishes import numbers
from tailrank.ranking.catalogue import Catalogue
from tailrank.ranking.request import Request
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.text_events import TextEvent

FOLDER: Final = Path(__file__).with_name("turns")
FILES: Final = ("held-out.txt", "held-out-later.txt", "held-out-extremes.txt")
SHOWN, CANDIDATES, EVENTS, SEED = 10, 200, 50, 0
NONE, COMMANDS = "none", ("undo", "restart")

CLOSE: Final = 1.0
"""By which a limit may differ: before 1960 is until 1959."""

Asked = frozenset[tuple[object, ...]]
"""What a turn asks for, each thing in one way."""


class HeldOut(NamedTuple):
    """A turn, and what it should do."""

    catalogue: str
    text: str
    expected: Sequence[str]


def held_out(file: Path) -> list[HeldOut]:
    """Read turns."""
    lines = (line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    parts = ([part.strip() for part in line.split("|")] for line in lines)
    return [
        HeldOut(catalogue, text, [each.strip() for each in acts.split(";")])
        for catalogue, text, acts in parts
    ]


def cars() -> Catalogue:
    """Read the cars."""
    items = pl.read_csv(FOLDER / "cars.csv", schema_overrides={Columns.ITEM: pl.String})
    return Catalogue.from_items(items, np.zeros(len(items), np.int64), (), "timestamp")


def wanted(turn: HeldOut, catalogue: Catalogue, shown: Sequence[str]) -> list[Change]:
    """Write what a turn should do as changes; commands aren't any."""
    titles = dict(catalogue.items.select("title", Columns.ITEM).iter_rows())

    def item(word: str) -> str:
        return shown[int(word[1:]) - 1] if word.startswith("@") else titles[word.strip('"')]

    def number(column: str, words: Sequence[str]) -> float:
        chosen = [item(" ".join(words))] if words else shown
        found = catalogue.attributes.of(column, chosen, catalogue.codes_of(chosen), numbers)
        return float(np.nanmedian(found.astype(float)))

    def change(words: Sequence[str]) -> Change:
        do, rest = words[0], list(words[1:])
        if do in ("lower", "higher", "most", "least"):
            limit = float(rest[1]) if do in ("most", "least") else number(rest[0], rest[1:])
            side: Any = {{"lower": "below", "higher": "above"}.get(do, do): limit}
            return Change("range", rest[0], **side)
        if do in ("only", "without", "more", "less"):
            values = [" ".join(rest[1:])]
            if values[0].startswith("@"):
                values = list(
                    catalogue.attributes.of(
                        rest[0], [item(values[0])], catalogue.codes_of([item(values[0])]), categories
                    )[0]
                )
            return Change(do, rest[0], values)  # type: ignore[arg-type]
        if do in ("not", "like"):
            return Change("drop" if do == "not" else "like", item=item(" ".join(rest)))
        return Change("say", text=" ".join(rest)) if do == "text" else Change(do)  # type: ignore[arg-type]

    return [change(act.split()) for act in turn.expected if act not in (NONE, *COMMANDS)]


def asked(changes: Iterable[Change], keywords: Sequence[str] = ()) -> Asked:
    """Write changes in one way: ranges of a column as one, each value by itself, texts by their keyword."""
    found, ranges = set[tuple[object, ...]](), dict[str, dict[str, float]]()
    for each in changes:
        if each.do == "range":
            limits = {
                "low": each.above if each.least is None else each.least,
                "high": each.below if each.most is None else each.most,
            }
            ranges.setdefault(each.column, {}).update({k: v for k, v in limits.items() if v is not None})
        elif each.do == "say":
            found.add(("say", next((word for word in keywords if word in each.text.lower()), "")))
        else:
            found |= {(each.do, each.column, value) for value in each.values or [each.item]}
    return frozenset(
        found
        | {("range", name, side, limit) for name, sides in ranges.items() for side, limit in sides.items()}
    )


def acts_of(found: Asked) -> Asked:
    """Leave values, items and numbers out."""
    return frozenset(
        each[:3]
        if each[0] == "range"
        else each[:2]
        if each[0] in ("only", "without", "more", "less")
        else each[:1]
        for each in found
    )


def same(one: Asked, other: Asked) -> bool:
    """Whether the same is asked for, but for limits that are close."""
    if len(one) != len(other):
        return False
    return all(any(each == found or _are_close(each, found) for found in other) for each in one)


def _are_close(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    if one[0] != "range" or one[:3] != other[:3]:
        return False
    return abs(float(str(one[3])) - float(str(other[3]))) <= CLOSE


def judged(turn: HeldOut, reader: TurnReader, catalogue: Catalogue, encoder: OnnxEncoder) -> Json:
    """Read a turn, and compare."""
    shown = catalogue.items[Columns.ITEM].head(SHOWN).to_list()
    reading = reader.read(turn.text, Conversation(shown=shown), catalogue, encoder)
    changes = wanted(turn, catalogue, shown)
    keywords = [change.text.lower() for change in changes if change.do == "say"]
    commands = frozenset((act,) for act in turn.expected if act in COMMANDS)
    done = frozenset((each.command,) for each in reading.understood if each.command is not None)
    expected = asked(changes, keywords) | commands
    found = asked((each.change for each in reading.understood if each.change), keywords) | done
    return {
        "text": turn.text,
        "right": same(expected, found),
        "acts": acts_of(expected) == acts_of(found),
        "wrong": not all(
            any(each == other or _are_close(each, other) for other in expected) for each in found
        ),
        "asks": bool(expected),
        "verbatim": rendered(turn.text).lower() in {phrase.text.lower() for phrase in phrases()},
        "read": bool(reader.parse(turn.text, Conversation(shown=shown)).to_encode),
        "found": [each.means for each in reading.understood],
        "missed": reading.not_understood,
    }


def shares(rows: Sequence[Json]) -> Json:
    """Average what was judged."""
    return {
        "turns": len(rows),
        **{name: float(np.mean([row[name] for row in rows])) for name in ("right", "acts", "wrong")},
    }


def by_group(rows: Sequence[Json]) -> Json:
    """Average what was judged, also of some turns alone."""
    return {
        "all": shares(rows),
        **{name: shares([row for row in rows if row["catalogue"] == name]) for name in ("cars", "movies")},
        "ask for something": shares([row for row in rows if row["asks"]]),
        "ask for nothing": shares([row for row in rows if not row["asks"]]),
        "without the encoder": shares([row for row in rows if not row["read"]]),
        "with the encoder": shares([row for row in rows if row["read"]]),
        "not among the phrases": shares([row for row in rows if not row["verbatim"]]),
    }


def measured(
    turns: Sequence[HeldOut], catalogues: Mapping[str, Catalogue], encoder: OnnxEncoder
) -> list[Json]:
    """Judge all turns."""
    readers = {name: TurnReader.from_catalogue(catalogue) for name, catalogue in catalogues.items()}
    return [
        {
            "catalogue": turn.catalogue,
            **judged(turn, readers[turn.catalogue], catalogues[turn.catalogue], encoder),
        }
        for turn in turns
    ]


def costs(reranker: Reranker, encoder: OnnxEncoder, texts: Sequence[str]) -> Json:
    """Measure the CPU time of turns on a model, in ms: to read one, to put the request together, to rank."""
    reader, took = TurnReader.from_catalogue(reranker.catalogue), dict[str, list[float]]()
    rng, items = np.random.default_rng(SEED), reranker.item_ids
    for text in texts:
        chosen = [items[at] for at in rng.permutation(len(items))[: CANDIDATES + EVENTS].tolist()]
        request = Request(chosen[CANDIDATES:], chosen[:CANDIDATES], k=SHOWN)
        conversation = Conversation(shown=list(reranker.rank(request).item_ids))
        for name, ms in _turn(text, reader, encoder, reranker, request, conversation):
            took.setdefault(name, []).append(ms)
    return {
        name: {"median": float(np.median(each)), "p99": float(np.percentile(each, 99)), "turns": len(each)}
        for name, each in took.items()
    }


def _turn(
    text: str,
    reader: TurnReader,
    encoder: OnnxEncoder,
    reranker: Reranker,
    request: Request,
    conversation: Conversation,
) -> Iterator[tuple[str, float]]:
    def read(text: str) -> TextEvent:
        return TextEvent(text, {name: encoder.encode([text])[0] for name in reranker.spaces})

    marks = [time.process_time()]
    parsed = reader.parse(text, conversation)
    marks.append(time.process_time())
    vectors = (
        dict(zip(parsed.to_encode, encoder.encode(parsed.to_encode), strict=True)) if parsed.to_encode else {}
    )
    marks.append(time.process_time())
    reading = reader.understand(parsed, vectors, conversation, reranker.catalogue)
    said = after(conversation, reading)
    marks.append(time.process_time())
    asks = request_of(said, request, reranker.policy, read)
    marks.append(time.process_time())
    reranker.rank(asks)
    marks.append(time.process_time())
    reranker.rank(request)
    marks.append(time.process_time())
    parse, encode, understand, texts, rank, plain = 1e3 * np.diff(marks)
    yield "reading without the encoder", parse + understand
    if parsed.to_encode:
        yield "encoding what acts are told by", encode
    if asks.texts:
        yield "encoding what is looked for", texts
    yield "ranking", rank
    yield "ranking without the conversation", plain


def main(
    model: Model,
    keep: Keep = False,
    errors: Annotated[bool, typer.Option(help="Print the turns that went wrong.")] = False,
) -> None:
    """Judge the turns, and measure them on a model of MovieLens 100K."""
    reranker, encoder = Reranker.load(model), OnnxEncoder.load()
    catalogues = {"cars": cars(), "movies": reranker.catalogue}
    files = {file: held_out(FOLDER / file) for file in FILES}
    rows = {file: measured(turns, catalogues, encoder) for file, turns in files.items()}
    for row in (row for each in rows.values() for row in each if errors and not row["right"]):
        print(row["catalogue"], "|", row["text"], "|", row["found"], "|", row["missed"])
    texts = [turn.text for turns in files.values() for turn in turns if turn.catalogue == "movies"]
    about = {file: by_group(each) for file, each in rows.items()}
    report("conversation.json", {**about, "cpu_ms": costs(reranker, encoder, texts)}, keep)
