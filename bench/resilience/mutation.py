"""Model folders that are whole, every sum right, but say something else than the model they come from."""

from __future__ import annotations

import copy
import hashlib
import json
import random
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
from safetensors.numpy import load, save

from tailrank.data.columns import Columns
from tailrank.folders import MANIFEST
from tailrank.ranking.manifest import ARRAYS, ITEMS, named_by_content

Arrays = dict[str, npt.NDArray[Any]]

VALUES: Final[tuple[Any, ...]] = (
    *(
        None,
        True,
        -1,
        0,
        1,
        2**70,
        -0.5,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "x",
        "0" * 64,
        "package:this",
    ),
    *([], {}, [1, "x"], {"x": 1}, [[]], "../manifest.json", "/dev/zero"),
)
"""What fields of the manifest are replaced by."""

NUMBERS: Final = (np.nan, np.inf, -np.inf, -1, 0, 1, 3, 1e6, -1e6, 1e38, 2**31 - 1, 2**62)
"""What elements of arrays are replaced by, as far as the type holds them."""

ID: Final = Columns.ITEM
ITEM_CHANGES: Final[dict[str, Callable[[pl.DataFrame], pl.DataFrame]]] = {
    "no ids": lambda items: items.drop(ID),
    "ids that are numbers": lambda items: items.with_columns(pl.int_range(pl.len()).alias(ID)),
    "an id twice": lambda items: items.with_columns(pl.col(ID).shift(1).fill_null(pl.col(ID))),
    "an id that is null": lambda items: items.with_columns(pl.col(ID).shift(1)),
    "fewer items": lambda items: items.head(len(items) // 2),
    "more items": lambda items: pl.concat([items, items.with_columns(pl.format("{}+", ID).alias(ID))]),
    "no item": lambda items: items.clear(),
    "no text": lambda items: items.select(ID),
}


class Mutator:
    """Changes one thing in a model at a time.

    Parameters
    ----------
    model
        A model folder; it stays as it is.
    """

    def __init__(self, model: Path) -> None:
        self.manifest: dict[str, Any] = json.loads((model / MANIFEST).read_bytes())
        digests = self.manifest["files"]
        self.items = pl.read_parquet(model / named_by_content(ITEMS, digests[ITEMS]))
        arrays = load((model / named_by_content(ARRAYS, digests[ARRAYS])).read_bytes())
        self.arrays = dict(sorted(arrays.items()))  # `load` has another order each time

    def write(self, folder: Path, rng: random.Random) -> str:
        """Write a changed model into an empty folder; returns what was changed."""
        manifest, items, arrays = copy.deepcopy(self.manifest), self.items, dict(self.arrays)
        part = rng.choices(("manifest", "arrays", "items"), (5, 5, 1))[0]
        if part == "items":
            change = rng.choice(list(ITEM_CHANGES))
            items = ITEM_CHANGES[change](items)
        elif part == "arrays":
            change = _change_array(arrays, rng)
        else:
            change = _change_field(manifest, rng)
        self._write(folder, manifest, items, arrays, change)
        return f"{part}: {change}"

    def _write(
        self, folder: Path, manifest: dict[str, Any], items: pl.DataFrame, arrays: Arrays, change: str
    ) -> None:
        parquet = BytesIO()
        items.write_parquet(parquet)
        for name, content in {ITEMS: parquet.getvalue(), ARRAYS: save(arrays)}.items():
            digest = hashlib.sha256(content).hexdigest()
            (folder / named_by_content(name, digest)).write_bytes(content)
            if not change.startswith("files"):
                manifest["files"][name] = digest
        manifest.pop("sha256", None)
        manifest["sha256"] = hashlib.sha256(_as_json(manifest)).hexdigest()
        (folder / MANIFEST).write_bytes(_as_json(manifest))


def _change_field(manifest: dict[str, Any], rng: random.Random) -> str:
    """Replace, drop or add a field, however deep."""
    places = [place for place in _places(manifest) if place[0] not in {"sha256", "about", "packages"}]
    *above, last = rng.choice(places)
    inner: Any = manifest
    for key in above:
        inner = inner[key]
    name = ".".join(map(str, (*above, last)))
    how = rng.choice(("replaced", "replaced", "replaced", "dropped", "added"))
    if how == "replaced":
        inner[last] = rng.choice(VALUES)
        return f"{name} = {inner[last]!r}"
    if how == "dropped":
        del inner[last]
    elif isinstance(inner, dict):
        inner["more"] = rng.choice(VALUES)
    else:
        inner.append(rng.choice(VALUES))
    return f"{name} {how}"


def _places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List the ways to every field and element."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, each in inner for place in ((*above, key), *_places(each, (*above, key)))]


def _change_array(arrays: Arrays, rng: random.Random) -> str:
    """Drop, add, cut, convert or reshape an array, or change one of its elements."""
    name = rng.choice(list(arrays))
    array, how = (
        arrays[name],
        rng.choice(("element", "element", "element", "drop", "add", "cut", "type", "shape")),
    )
    if how == "element" and array.size:
        flat = array.ravel().copy()
        at, number = rng.randrange(flat.size), rng.choice(NUMBERS)
        with np.errstate(invalid="ignore", over="ignore"):
            flat[at] = np.array(number).astype(flat.dtype)
        arrays[name] = flat.reshape(array.shape)
        return f"{name}[{at}] = {flat[at]}"
    if how == "add":
        arrays[f"{name}+"] = array
    elif how == "cut":
        arrays[name] = array[:-1].copy()
    elif how == "type":
        kind = rng.choice((np.uint8, np.int32, np.int64, np.float32, np.float64))
        with np.errstate(invalid="ignore", over="ignore"):
            arrays[name] = array.astype(kind)
        how = f"as {np.dtype(kind)}"
    elif how == "shape":
        arrays[name] = array[None].copy()
    else:
        del arrays[name]
    return f"{name}, {how}"


def _as_json(manifest: dict[str, Any]) -> bytes:
    return (json.dumps(manifest, indent=1) + "\n").encode()
