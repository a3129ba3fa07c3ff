"""Words of Chinese and Japanese, and users of one language among items in another: descriptions by Debian.

Debian's volunteers translate the descriptions of packages. A package names others that it needs or goes
with: one of them is the target, the others are the history. No one bought anything, but whoever maintains
a package chose what it goes with. The seed draws which packages are asked.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from bench import study
from tailrank.arrays import Doubles, Floats, Offsets
from tailrank.errors import RequestError
from tailrank.language.encoder import TextEncoder
from tailrank.metrics.significance import paired_bootstrap
from tailrank.signals.lexical import Lexical
from tailrank.signals.vocabulary import terms_of

RELATIONS: Final = ("Depends", "Recommends", "Suggests")
LANGUAGES: Final = {"zh": "zh_CN", "ja": "ja"}
N_QUERIES: Final = 2_000
N_TIMES: Final = 3
"""How often an item is a target, at most: else most targets were the few libraries that all packages need."""

ENGLISH: Final = "en"

_IS_UNSPACED: Final = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")

Cut = Callable[[str], list[str]]


@dataclass(frozen=True)
class Catalogue:
    """Packages with a translated description.

    Attributes
    ----------
    texts
        By language, in the order of the items: the description's first line and what follows.
    users
        Of each query, the package that names others.
    histories
        Items of each query without its target.
    targets
        Shape (queries,).
    counts
        How many packages name an item, shape (items,).
    """

    texts: Mapping[str, list[str]]
    users: Offsets
    histories: list[Offsets]
    targets: Offsets
    counts: Offsets

    @property
    def tail(self) -> Any:
        """Queries whose target is outside the most named fifth of the items, shape (queries,)."""
        order = np.argsort(-self.counts, kind="stable")
        is_head = np.zeros(len(order), bool)
        is_head[order[: len(order) // 5]] = True
        return ~is_head[self.targets]

    def ndcg(self, likeness: Floats) -> Doubles:
        """Rank all items that aren't in the history by their summed likeness to it; ndcg@10 of each query.

        Equal items are ranked in the order of the least favourable: a score that says nothing gains nothing.

        Parameters
        ----------
        likeness
            Of each item of a history to each candidate, shape (items, items).
        """
        found = np.zeros(len(self.targets))
        for at, (history, target) in enumerate(zip(self.histories, self.targets, strict=True)):
            scores = likeness[history].sum(axis=0)
            scores[history] = -np.inf
            rank = (scores >= scores[target]).sum()
            found[at] = 1 / np.log2(rank + 1) if rank <= 10 else 0
        return found


def paragraphs(file: Path) -> Iterator[dict[str, str]]:
    """Read the paragraphs of an index of apt, perhaps compressed, by field."""
    helper = ["/usr/lib/apt/apt-helper", "cat-file", str(file)]
    text = subprocess.run(helper, capture_output=True, text=True, check=True).stdout  # noqa: S603 - apt's own
    for paragraph in text.split("\n\n"):
        parts = re.findall(r"^([\w-]+): (.*(?:\n[ \t].*)*)", paragraph, re.MULTILINE)
        yield {name: re.sub(r"\n \.?", "\n", value) for name, value in parts}


def descriptions(lists: Path, code: str) -> dict[tuple[str, str], str]:
    """Read the descriptions in a language, by the package and the sum of the original."""
    file = next(iter(lists.glob(f"*Translation-{code.replace('_', '%5f')}*")), None)
    if file is None:
        raise RequestError(f"{lists}: no Translation-{code}: run apt-get update with that language")
    field = f"Description-{code}"
    return {
        (each["Package"], each["Description-md5"]): each[field]
        for each in paragraphs(file)
        if each.keys() >= {"Package", "Description-md5", field}
    }


def catalogue(lists: Path, language: str, seed: int) -> Catalogue:
    """Make the catalogue of a language."""
    there, english = descriptions(lists, LANGUAGES[language]), descriptions(lists, ENGLISH)
    rng, packages = np.random.default_rng(seed), next(iter(lists.glob("*_Packages*")))
    keys = dict(sorted({name: key for key in there.keys() & english.keys() for name in (key[0],)}.items()))
    codes = {name: code for code, name in enumerate(keys)}
    texts = {
        language: [there[key] for key in keys.values()],
        ENGLISH: [english[key] for key in keys.values()],
    }
    named = []
    for each in paragraphs(packages):
        relations = ", ".join(each.get(name, "") for name in RELATIONS)
        names = re.findall(r"(?:^|,)\s*([a-z0-9][a-z0-9+.-]+)", relations)
        found = np.array(
            sorted({codes[name] for name in names if name in codes} - {codes.get(each.get("Package", ""))})
        )
        if len(found) > 1:
            named.append(found)
    counts = np.bincount(np.concatenate(named), minlength=len(codes))
    queries: list[tuple[int, int]] = []
    times = np.zeros(len(codes), int)
    for at in rng.permutation(len(named)):
        for target in named[at]:
            if times[target] < N_TIMES:
                times[target] += 1
                queries.append((at, target))
    queries = queries[:N_QUERIES]
    histories = [named[at][named[at] != target] for at, target in queries]
    users, targets = (np.array(each) for each in zip(*queries, strict=True))
    return Catalogue(texts, users, histories, targets, counts)


def ways(language: str) -> dict[str, Cut]:
    """Ways to cut runs of letters that are written without spaces."""
    found: dict[str, Cut] = {
        "whole runs": lambda run: [run],
        "letters": list,
        "pairs": lambda run: [run[at : at + 2] for at in range(max(len(run) - 1, 1))],
        "letters and pairs": lambda run: [*run, *(run[at : at + 2] for at in range(len(run) - 1))],
    }
    if language == "zh":
        jieba = import_module("jieba")
        jieba.setLogLevel("ERROR")
        found["jieba"] = lambda run: list(jieba.cut(run))
        found["jieba, parts too"] = lambda run: list(jieba.cut_for_search(run))
    return found


def spelled(texts: Sequence[str], cut: Cut) -> list[str]:
    """Write each term in letters that no tokeniser cuts; words between spaces are those of the product."""
    run = re.compile(f"{_IS_UNSPACED.pattern}+")
    others = terms_of([run.sub(" ", text) for text in texts]).to_list()
    cuts = [[term for each in run.findall(text) for term in cut(each)] for text in texts]
    return [
        " ".join(term.encode().hex().translate(DIGITS) for term in (*a, *b))
        for a, b in zip(others, cuts, strict=True)
    ]


DIGITS: Final = str.maketrans("0123456789abcdef", "ghijklmnopqrstuv")


def words(texts: Sequence[str], others: Sequence[str] | None = None) -> Floats:
    """Compare TF-IDF vectors of texts with each other's, or with those of others: shape (texts, texts)."""
    matrix = Lexical.from_texts([*texts, *(others or ())]).rows.matrix
    first = matrix[: len(texts)]
    second = first if others is None else matrix[len(texts) :]
    likeness: Floats = (first @ second.T).toarray()
    return likeness


def meaning(vectors: Floats, others: Floats | None = None) -> Floats:
    """Compare vectors, whitened together, as `words` compares texts."""
    white = study.whitened(vectors if others is None else np.concatenate([vectors, others]))
    first = white[: len(vectors)]
    likeness: Floats = first @ (first if others is None else white[len(vectors) :]).T
    return likeness


def segmentation(data: Catalogue, texts: Sequence[str], language: str) -> study.Json:
    """Measure each way of cutting texts of a language."""
    found = {name: data.ndcg(words(spelled(texts, cut))) for name, cut in ways(language).items()}
    return {name: row(data, values, found["letters and pairs"]) for name, values in found.items()}


def across(data: Catalogue, titles: Mapping[str, list[str]], encoder: TextEncoder | None) -> study.Json:
    """Measure histories and candidates in one language, and histories in English among the other's."""
    english, (language, own) = titles[ENGLISH], next(each for each in titles.items() if each[0] != ENGLISH)
    given: Any = (english, own)
    if encoder is not None:
        given = np.split(encoder.encode([*english, *own]), 2)
    compare: Any = words if encoder is None else meaning
    crossed = compare(*given)
    likeness = {f"{ENGLISH} to {language}": crossed}
    likeness |= {
        f"{each} to {each}": compare(one) for each, one in zip((ENGLISH, language), given, strict=True)
    }
    ranks = (crossed >= crossed.diagonal()[:, None]).sum(axis=1)
    found: study.Json = {name: row(data, data.ndcg(each)) for name, each in likeness.items()}
    return found | {"translation found first": float((ranks == 1).mean()), "mrr": float((1 / ranks).mean())}


def row(data: Catalogue, values: Doubles, against: Doubles | None = None) -> study.Json:
    """Give ndcg@10 of all queries and of the tail, and how it differs."""
    found: study.Json = {"ndcg@10": float(values.mean()), "ndcg@10/tail80": float(values[data.tail].mean())}
    if against is not None and against is not values:
        one = paired_bootstrap(values, against, data.users.astype(np.int32))
        if one is not None:
            found["difference"] = {"mean": one.mean, "ci95": [one.low, one.high]}
    return found


def main(
    lists: Annotated[Path, typer.Argument(metavar="LISTS", help="Indexes of apt: Packages, Translation-*.")],
    encoder: Annotated[list[str], typer.Option(help="As `tailrank train` takes it; may be given again.")],
    seed: Annotated[int, typer.Option(help="Draws queries and targets.")] = 0,
) -> None:
    """Store what was measured of both languages."""
    found: study.Json = {}
    for language in LANGUAGES:
        data = catalogue(lists, language, seed)
        titles = {name: [text.split("\n")[0] for text in texts] for name, texts in data.texts.items()}
        found[language] = {
            "items": len(data.counts),
            "queries": len(data.targets),
            "queries/tail80": int(data.tail.sum()),
            "words of titles": segmentation(data, titles[language], language),
            "words of descriptions": segmentation(data, data.texts[language], language),
        }
        if language == "zh":
            found[language]["across, titles"] = {"words": across(data, titles, None)} | {
                name: across(data, titles, TextEncoder.load(name, "cpu")) for name in encoder
            }
        study.store("languages.json", {"dataset": "Debian 12 descriptions", "seed": seed, **found})
