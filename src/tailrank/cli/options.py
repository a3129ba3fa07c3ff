"""Options and preparations that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from tailrank.arrays import Floats
from tailrank.cli.progress import progress_bars
from tailrank.data.dataset import Dataset
from tailrank.data.public import PUBLIC, fetch
from tailrank.errors import RequestError
from tailrank.language.encoder import TextEncoder
from tailrank.language.provenance import history
from tailrank.language.store import VectorStore
from tailrank.language.text import item_texts

Data: TypeAlias = Annotated[str, typer.Option(help="Data folder, or the name of a public data set.")]
Encoder: TypeAlias = Annotated[
    str, typer.Option(help="`default`, a folder, `package:NAME`, a hub id, or `none` to do without meaning.")
]
Template: TypeAlias = Annotated[
    str | None, typer.Option(help="Text of an item, such as '{title}. {genres}'; else its text columns.")
]
MaxHistory: TypeAlias = Annotated[
    int, typer.Option(min=1, help="Latest events of a person that a ranking looks at.")
]
SequenceEpochs: TypeAlias = Annotated[
    int, typer.Option(min=0, help="Train a sequence model for at most this many epochs; 0: none.")
]
TailCost: TypeAlias = Annotated[
    float, typer.Option(min=0, max=1, help="Share of ndcg@10 that pushing the long tail may cost.")
]
TunedEncoder: TypeAlias = Annotated[
    str | None,
    typer.Option("--tuned", help="Folder of a fine-tuned encoder: what it finds alike becomes a signal too."),
]
Seed: TypeAlias = Annotated[int, typer.Option(help="Seed of every sample.")]


def load(data: str) -> Dataset:
    """Read a data folder; a public set is fetched by its name unless a folder of that name exists."""
    if data not in PUBLIC or Path(data).exists():
        return Dataset.load(Path(data))
    with progress_bars() as progress:
        folder = fetch(data, progress=progress)
    return Dataset.load(folder)


def item_vectors(
    dataset: Dataset, encoder: str, template: str | None
) -> tuple[Floats | None, dict[str, object]]:
    """Take the catalogue's vectors, shape (items, d), from the store, and encode what is new.

    None where the encoder is `none`. The second value describes the encoder, for reports and models.
    """
    if encoder == "none":
        return None, {"encoder": "none"}
    texts = item_texts(dataset.items, template)
    model = TextEncoder.load(encoder)
    with progress_bars() as progress:
        vectors = VectorStore().vectors(texts, model, progress)
    return vectors, {"encoder": encoder, "encoder_sha256": model.sha256}


def tuned_vectors(
    dataset: Dataset, tuned: str | None, template: str | None, past: Dataset | None = None
) -> tuple[Floats | None, dict[str, object]]:
    """Take the vectors of a fine-tuned encoder; where `past` is given, it must have learned from that alone.

    Raises
    ------
    RequestError
        Where it learned from other events of this data set.
    """
    if tuned is None:
        return None, {}
    came_about = history(Path(tuned)) or {}
    for learned in came_about.get("data", []):
        if past and learned["name"] == dataset.name and learned["fingerprint"] != past.fingerprint:
            raise RequestError(
                f"--tuned {tuned}: it learned from {learned['name']}, split as {learned['split']!r}, so it "
                "may know what is asked here: tune it with the --protocol of this evaluation"
            )
    vectors, about = item_vectors(dataset, tuned, template)
    return vectors, {f"tuned_{name}": value for name, value in about.items()}
