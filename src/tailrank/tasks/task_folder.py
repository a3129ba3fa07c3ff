"""The folder of a task: a manifest in JSON, arrays as safetensors, and the encoder if it was tuned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from tailrank.arrays import Floats
from tailrank.errors import ModelError, RequestError, first_line
from tailrank.files import sha256_of, written_folder
from tailrank.folders import MANIFEST, SHARED, TASK, TOGETHER, check_kind, check_own_folder
from tailrank.language.encoder import TextEncoder
from tailrank.language.loading import quiet
from tailrank.language.reading import Reading
from tailrank.language.sources import find_encoder
from tailrank.language.vectors import EncoderIdentity
from tailrank.tasks.linear_head import LinearHead
from tailrank.tasks.registry import kind_named
from tailrank.tasks.scope import Scope
from tailrank.tasks.task_manifest import FORMAT, StoredWords, TaskManifest
from tailrank.tasks.text_head import TextHead
from tailrank.tasks.words import WordHead

if TYPE_CHECKING:
    from tailrank.tasks.classifier import TextClassifier

ARRAYS: Final = "head.safetensors"
WORDS: Final = "words.safetensors"
ENCODER: Final = "encoder"
SCOPE: Final = ("centres", "within", "middle", "across")
"""Arrays of a `Scope`."""
PACKAGES: Final = ("tailrank", "numpy")


class Encoder(Protocol):
    """What reads texts: a `TextEncoder` or an `OnnxEncoder`."""

    @property
    def name(self) -> str:
        """Name that it was loaded by."""

    @property
    def sha256(self) -> str:
        """Sha256 of its weights."""

    @property
    def dimension(self) -> int:
        """Width of its vectors."""

    def encode(self, texts: Sequence[str]) -> Floats:
        """Encode n texts, to unit vectors of shape (n, dimension)."""


LoadEncoder: TypeAlias = Callable[[str], Encoder]
"""Loads an encoder by its name."""


def save(folder: Path, task: TextClassifier) -> None:
    """Write a folder, whole or not at all.

    Raises
    ------
    ModelError
        If it can't be written, or holds something else.
    """
    with _written(folder, TASK) as new:
        encoder = (task.encoder.name, task.encoder.sha256)
        if task.tuned:
            encoder = ENCODER, _save_encoder(new / ENCODER, task.encoder)
        _write(new, task, encoder)


def save_together(folder: Path, tasks: Mapping[str, TextClassifier]) -> None:
    """Write a folder with an encoder, and in it the folder of each task that it was tuned on, by its name.

    Raises
    ------
    ModelError
        If no encoder was tuned on all of them, or it can't be written, or holds something else.
    """
    encoder, *others = {id(task.encoder): task.encoder for task in tasks.values()}.values()
    if others or not all(task.tuned for task in tasks.values()):
        raise ModelError(f"{', '.join(tasks)} weren't tuned together: do it by `TextClassifier.fit_together`")
    with _written(folder, TOGETHER) as new:
        identity = SHARED, _save_encoder(new / ENCODER, encoder)
        for name, task in tasks.items():
            (new / name).mkdir()
            _write(new / name, task, identity)


@contextmanager
def _written(folder: Path, kind: str) -> Iterator[Path]:
    """Give a folder to write to, which replaces an empty one, or one of the same kind."""
    check_own_folder(folder, kind, ModelError)
    try:
        with written_folder(folder) as new:
            yield new
    except (OSError, SafetensorError) as why:
        raise ModelError(
            f"{folder}: the task can't be written ({first_line(why)}): name another folder"
        ) from None


def refuse_other_reading(encoder: Encoder) -> None:
    """Refuse what was chosen when an encoder was loaded, which a folder that only names it would forget.

    Raises
    ------
    ModelError
        If anything was.
    """
    if isinstance(encoder, TextEncoder) and encoder.reading != Reading():
        raise ModelError(
            f"encoder {encoder.name!r} was loaded with options ({encoder.reading}), but would be loaded "
            "again by its name alone: leave them out"
        )


def _write(folder: Path, task: TextClassifier, encoder: tuple[str, str]) -> None:
    """Write arrays and manifest; `encoder` is the name and the sha256 of the task's."""
    refuse_other_reading(task.encoder)
    head, words = task.head.vector, task.head.words
    arrays = {"weights": head.weights, "bias": head.bias}
    arrays |= {name: getattr(task.scope, name) for name in SCOPE}
    # It writes an array as it lies in memory, whatever the order of its axes.
    save_file({name: np.ascontiguousarray(each) for name, each in arrays.items()}, folder / ARRAYS)
    if words is not None:
        words.save(folder / WORDS)
    manifest = TaskManifest(
        format=FORMAT,
        packages={name: version(name) for name in PACKAGES},
        kind=task.kind.name,
        labels=task.labels,
        encoder=EncoderIdentity(*encoder, task.template),
        tuned=task.tuned,
        temperature=head.temperature,
        threshold=task.scope.threshold if np.isfinite(task.scope.threshold) else None,
        arrays=sha256_of(folder / ARRAYS),
        about=dict(task.about),
        words=None if words is None else StoredWords(words.share, sha256_of(folder / WORDS)),
    )
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1))


def load(folder: Path, load_encoder: LoadEncoder) -> dict[str, Any]:
    """Read the fields of a `TextClassifier`.

    Raises
    ------
    ModelError
        If the folder is missing, damaged or of another format, or the encoder has changed since.
    """
    check_kind(folder, TASK, ModelError)
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=TaskManifest)
        arrays = _arrays(folder / ARRAYS, manifest.arrays)
        head, scope = _head(arrays, manifest), _scope(arrays, manifest)
        words = None
        if manifest.words is not None:
            stored = _arrays(folder / WORDS, manifest.words.arrays)
            words = WordHead.from_arrays(stored, len(manifest.labels), manifest.words.share)
    except (OSError, msgspec.DecodeError, SafetensorError, ModelError, RecursionError) as why:
        raise ModelError(
            f"{folder}: no task can be read ({first_line(why)}): train it by `tailrank task train`"
        ) from None
    kind, about = kind_named(manifest.kind), manifest.encoder
    encoder = load_encoder(_tuned_encoder(folder, about.name) if manifest.tuned else about.name)
    features = kind.features(np.zeros((2, encoder.dimension), np.float32), about.template)
    if encoder.sha256 != about.sha256 or features.shape[1] != head.weights.shape[1]:
        raise ModelError(
            f"{folder}: encoder {about.name!r} has other weights now: restore it, or train the task again"
        )
    return {
        "kind": kind,
        "labels": manifest.labels,
        "encoder": encoder,
        "template": about.template,
        "head": TextHead(head, words),
        "scope": scope,
        "tuned": manifest.tuned,
        "about": manifest.about,
    }


def _arrays(file: Path, sha256: str) -> dict[str, Any]:
    """Read the arrays of a file.

    Raises
    ------
    ModelError
        If it isn't as it was written.
    """
    if sha256_of(file) != sha256:
        raise ModelError(f"{file}: not as it was written")
    return load_file(file)


def _head(arrays: Mapping[str, Any], manifest: TaskManifest) -> LinearHead:
    """Check what the manifest and the arrays say of each other.

    Raises
    ------
    ModelError
        Naming what doesn't fit.
    """
    try:
        kind = kind_named(manifest.kind)
    except RequestError as error:
        raise ModelError(str(error)) from None
    if manifest.encoder.template not in kind.templates:
        raise ModelError(f"template {manifest.encoder.template!r} is none of the kind {kind.name!r}")
    n, empty = len(manifest.labels), np.zeros(0)
    found = [arrays.get("weights", empty), arrays.get("bias", empty)]
    if list(manifest.labels) != sorted(set(manifest.labels)):
        raise ModelError("labels are repeated, or not sorted")
    for array, dimensions in zip(found, (2, 1), strict=True):
        if array.dtype != np.float32 or array.ndim != dimensions or len(array) != n:
            raise ModelError(f"{ARRAYS}: no weights and bias of {n} labels")
        if not np.isfinite(array).all():
            raise ModelError(f"{ARRAYS}: weights aren't finite")
    return LinearHead(found[0], found[1], kind.exclusive, manifest.temperature)


def _scope(arrays: Mapping[str, Any], manifest: TaskManifest) -> Scope:
    """Check the arrays of a scope.

    Raises
    ------
    ModelError
        If one is missing, of another shape or type, or not finite.
    """
    n, width = arrays["weights"].shape
    found = [arrays.get(name, np.zeros(0)) for name in SCOPE]
    centres = found[0].shape[:1] if found[0].shape[:1] in ((n,), (n + 1,)) else (n,)
    shapes = ((*centres, width), (width, width), (width,), (width, width))
    for name, array, shape in zip(SCOPE, found, shapes, strict=True):
        if array.dtype != np.float32 or array.shape != shape or not np.isfinite(array).all():
            raise ModelError(f"{ARRAYS}: `{name}` isn't {shape} finite numbers")
    threshold = -np.inf if manifest.threshold is None else manifest.threshold
    return Scope(found[0], found[1], found[2], found[3], threshold)


def _tuned_encoder(folder: Path, name: str) -> str:
    """Name the encoder that a task was tuned with: its own, or one that it shares with those beside it.

    Raises
    ------
    ModelError
        If it is neither.
    """
    if name not in (ENCODER, SHARED):
        raise ModelError(f"{folder}: a tuned encoder is at {ENCODER!r} or {SHARED!r}, not {name!r}")
    # Resolved, so that a server loads one that is shared only once.
    return str((folder / name).resolve()) if name == SHARED else str(folder / name)


def _save_encoder(folder: Path, encoder: Encoder) -> str:
    """Write an encoder; gives the sha256 of its weights."""
    if not isinstance(encoder, TextEncoder):
        raise ModelError(
            "the task's own encoder was loaded without torch: load the task by `TextEncoder.load`"
        )
    with quiet():
        encoder.model.save(str(folder), create_model_card=False, safe_serialization=True)
    return find_encoder(str(folder)).sha256
