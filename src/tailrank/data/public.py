"""Public data sets by name: downloaded from their publishers, prepared once and kept as data folders."""

from __future__ import annotations

import json
import logging
import shutil
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from filelock import FileLock
from polars.exceptions import PanicException, PolarsError

from tailrank.data.cache import cache_root
from tailrank.data.columns import Columns
from tailrank.data.dataset import Dataset
from tailrank.data.imports.tables import check_free
from tailrank.data.parsers import DatasetTables
from tailrank.data.publishers import PUBLIC, Distribution
from tailrank.data.readers import read_events, read_items, table_files
from tailrank.data.schema import raise_failures
from tailrank.data.validation import validate
from tailrank.errors import DataError, first_line
from tailrank.files import sha256_of, written_folder
from tailrank.reporting import Progress, silent, step

__all__ = ["PUBLIC", "fetch", "is_prepared", "prepared_path"]

_UNREADABLE = (
    *(DataError, PolarsError, PanicException, OSError, EOFError, zlib.error),
    *(ValueError, SyntaxError, LookupError, TypeError, AttributeError),
)
"""What parsing a file of another shape may raise."""


def fetch(
    name: str, out: Path | None = None, source: Path | None = None, progress: Progress = silent
) -> Path:
    """Prepare a public data set, unless it is prepared already.

    Parameters
    ----------
    name
        A key of `PUBLIC`.
    out
        Folder to write; by default one in the cache.
    source
        Folder with the publisher's original files or archive, or with `items` and `events` of this
        set that were prepared before; by default they are downloaded.
    progress
        Called with the bytes of each file that are downloaded.

    Returns
    -------
    Path
        Data folder with `items.parquet`, `events.parquet` and `source.json` (origin, licence, citation).

    Raises
    ------
    DataError
        If the name is unknown, no source can be reached, the files are damaged, or `out` holds
        something else.
    """
    if name not in PUBLIC:
        raise DataError(f"no public data set {name!r}. Choose one of {', '.join(PUBLIC)}.")
    target = prepared_path(name) if out is None else out
    work = cache_root() / "downloads" / name
    try:
        work.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(work.with_suffix(".lock")):
            if is_prepared(target, name) and source is None:
                return target
            check_free(target)
            tables, origin = _from_folder(name, source) if source else _from_publisher(name, work, progress)
            with step(progress, f"writing {target}"):
                _write(name, target, tables, origin)
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"{name}: can't write {target} or {work}: {error}. Free some space, or set TAILRANK_CACHE."
        ) from None
    return target


def prepared_path(name: str) -> Path:
    """Name the folder in the cache where a public set is kept."""
    return cache_root() / "datasets" / name


def is_prepared(folder: Path, name: str) -> bool:
    """Whether a folder holds this public set."""
    try:
        about = json.loads((folder / "source.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    tables = (folder / "items.parquet", folder / "events.parquet")
    return isinstance(about, dict) and about.get("name") == name and all(path.is_file() for path in tables)


def _from_folder(name: str, source: Path) -> tuple[DatasetTables, dict[str, object]]:
    """Read a set from a folder that the user gave."""
    if not source.is_dir():
        raise DataError(f"{source}: no such folder.")
    if table_files(source, "items") and table_files(source, "events"):
        raise_failures(validate(source), str(source))
        return DatasetTables(read_items(source), read_events(source)), {"origin": str(source.resolve())}
    chosen = PUBLIC[name]
    for distribution in chosen.distributions:
        with TemporaryDirectory() as scratch:
            files = _find_files(source, distribution.files, Path(scratch))
            if len(files) == len(distribution.files):
                return _read(name, distribution, files, str(source.resolve()))
    wanted = ", or ".join(" and ".join(distribution.files) for distribution in chosen.distributions)
    raise DataError(
        f"{source}: holds neither {wanted}, nor items and events. Get the files from {chosen.homepage}."
    )


def _from_publisher(name: str, work: Path, progress: Progress) -> tuple[DatasetTables, dict[str, object]]:
    """Read a set from the first source that can be reached and holds the known files."""
    failures: list[str] = []
    for distribution in PUBLIC[name].distributions:
        origin = str(distribution.source)
        if failures:
            logging.getLogger(__name__).warning("%s. Going on with %s.", failures[-1], origin)
        try:
            folder = distribution.source.obtain(work, progress)
            with TemporaryDirectory() as scratch:
                files = _find_files(folder, distribution.files, Path(scratch))
                for file, sha256 in distribution.files.items():
                    if file not in files:
                        raise DataError(f"{origin}: no {file} inside")
                    if sha256 and sha256_of(files[file]) != sha256:
                        raise DataError(f"{files[file]}: its sha256 is not that of {origin}")
                with step(progress, f"reading {name}"):
                    return _read(name, distribution, files, origin)
        except DataError as error:
            failures.append(str(error))
    raise DataError(
        f"{name}: {'; '.join(failures)}. "
        f"Get the files from {PUBLIC[name].homepage} and give their folder with --from DIR."
    )


def _find_files(folder: Path, names: Collection[str], scratch: Path) -> dict[str, Path]:
    """Find files by name in a folder, one level below it, or in its archives (unpacked to `scratch`)."""
    found = {path.name: path for name in names for path in (*folder.glob(f"*/{name}"), *folder.glob(name))}
    for archive in (*folder.glob("*.zip"), *folder.glob("*.whl")):
        try:
            with zipfile.ZipFile(archive) as zipped:
                for member in zipped.namelist():
                    name = PurePosixPath(member).name
                    if name in names and name not in found:
                        found[name] = scratch / name
                        with zipped.open(member) as packed, found[name].open("wb") as plain:
                            shutil.copyfileobj(packed, plain)
        except (zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"{archive}: damaged archive ({error}). Download it again.") from None
    return found


def _read(
    name: str, distribution: Distribution, files: Mapping[str, Path], origin: str
) -> tuple[DatasetTables, dict[str, object]]:
    """Read original files and note where they came from."""
    hashes = {file: sha256_of(path) for file, path in files.items()}
    try:
        tables = distribution.read(files)
        Dataset.construct(*tables)
    except _UNREADABLE as error:
        paths = ", ".join(map(str, files.values()))
        raise DataError(
            f"{paths}: not the original files of {name}: {first_line(error)}. Download them again."
        ) from None
    return tables, {"origin": origin, "sha256": hashes}


def _write(name: str, target: Path, tables: DatasetTables, origin: Mapping[str, object]) -> None:
    """Write a data folder beside its destination, then rename it."""
    chosen = PUBLIC[name]
    about = {
        "name": name,
        "what": chosen.what,
        "users": tables.events[Columns.USER].n_unique(),
        "items": len(tables.items),
        "events": len(tables.events),
        "homepage": chosen.homepage,
        "licence": chosen.licence,
        "citation": chosen.citation,
        **origin,
    }
    with written_folder(target) as new:
        tables.items.write_parquet(new / "items.parquet")
        tables.events.write_parquet(new / "events.parquet")
        (new / "source.json").write_text(
            json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
