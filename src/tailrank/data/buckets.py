"""Data folders in a bucket of S3, or of a store that speaks its protocol: copied to the cache, read there."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from filelock import FileLock

from tailrank.data.cache import cache_root
from tailrank.data.reading import SETTINGS
from tailrank.data.schema import ALL_TABLES
from tailrank.errors import DataError, RequestError, first_line, needs
from tailrank.files import written_file
from tailrank.reporting import Progress, silent

SCHEME: Final = "s3://"
TABLES: Final = {table.name for table in ALL_TABLES}
AT_ONCE: Final = 8
"""Objects that are copied at the same time: most of the time of a small one is waiting."""

VERSIONS: Final = "versions.json"
"""Beside the copy: the entity tag of each object in it."""

KEYS: Final = (
    "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, and AWS_ENDPOINT_URL if it isn't Amazon's"
)


def is_bucket(place: str) -> bool:
    """Whether a data folder is in a bucket."""
    return place.startswith(SCHEME)


def copy_folder(address: str, progress: Progress = silent) -> Path:
    """Copy the tables of a data folder from a bucket to the cache; what is there already isn't copied again.

    Parameters
    ----------
    address
        `s3://BUCKET/FOLDER`. Keys, region and endpoint are those of the environment, as `AWS_ACCESS_KEY_ID`,
        `AWS_SECRET_ACCESS_KEY`, `AWS_REGION` and `AWS_ENDPOINT_URL`.
    progress
        Called with the number of objects that are copied.

    Returns
    -------
    Path
        The copy, which the next call brings up to date.

    Raises
    ------
    RequestError
        If obstore isn't installed, or the address isn't of that form.
    DataError
        If the bucket can't be read, or there is no table at that place.
    """
    folder = _Folder.at(address)
    place = folder.place
    with _reading(address):
        place.mkdir(parents=True, exist_ok=True)
    with FileLock(place.parent / ".lock"), _reading(address):
        versions, there = folder.versions(), folder.objects()
        if not there:
            raise DataError(
                f"{address}: no such folder, or no items and events in it. Name another one (docs/data.md)."
            )
        local = {file.relative_to(place).as_posix(): file for file in place.rglob("*") if file.is_file()}
        for path in local.keys() - there.keys():
            local[path].unlink()
        kept = {
            path: tag for path, tag in versions.items() if path in local and tag and there.get(path) == tag
        }
        folder.keep(kept)  # before anything changes, so that a copy that is broken off is made again
        new = sorted(there.keys() - kept.keys())
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for path, tag in zip(new, threads.map(folder.copy, new), strict=True):
                kept[path] = tag
                progress(f"copying {address}", len(kept) - len(there) + len(new), len(new))
        folder.keep(kept)
    return place


@dataclass(frozen=True)
class _Folder:
    """A folder of a bucket, and where its copy is."""

    store: Any
    place: Path

    @classmethod
    def at(cls, address: str) -> _Folder:
        parts = urlsplit(address)
        if "@" in parts.netloc:
            raise RequestError(f"--data {SCHEME}…: keys don't belong into an address: {KEYS}")
        if not parts.netloc or parts.query or parts.fragment:
            raise RequestError(f"--data {address}: write {SCHEME}BUCKET/FOLDER")
        with needs(f"--data {SCHEME}…", "s3"):
            from obstore.store import S3Store
        folder = parts.path.strip("/")
        endpoints = [value for name, value in os.environ.items() if name.startswith("AWS_ENDPOINT")]
        # Who writes http:// means it.
        plain = any(value.startswith("http://") for value in endpoints)
        with _reading(address):
            store = S3Store(
                parts.netloc,
                prefix=folder or None,
                client_options={"allow_http": True} if plain else None,
                retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=30)},
            )
        key = hashlib.sha256("\n".join([address, *sorted(endpoints)]).encode()).hexdigest()[:16]
        return cls(store, cache_root() / "buckets" / key / (folder.rpartition("/")[2] or parts.netloc))

    def objects(self) -> dict[str, str]:
        """List what holds tables, with the entity tag of each; empty objects stand for folders."""
        import obstore

        found = (each for chunk in obstore.list(self.store) for each in chunk)
        return {
            each["path"]: each["e_tag"] or "" for each in found if each["size"] and _is_table(each["path"])
        }

    def copy(self, path: str) -> str:
        """Copy an object; gives its entity tag, as what is listed may have changed since."""
        import obstore

        found = obstore.get(self.store, path)
        with written_file(self.place / path) as new, new.open("wb") as file:
            for chunk in found.stream():
                file.write(chunk)
        return found.meta["e_tag"] or ""

    def versions(self) -> dict[str, str]:
        """Read the entity tags of what is copied."""
        try:
            return msgspec.json.decode((self.place.parent / VERSIONS).read_bytes(), type=dict[str, str])
        except (FileNotFoundError, msgspec.DecodeError):
            return {}

    def keep(self, versions: Mapping[str, str]) -> None:
        """Write the entity tags of what is copied."""
        with written_file(self.place.parent / VERSIONS) as new:
            new.write_bytes(msgspec.json.encode(versions))


def _is_table(path: str) -> bool:
    first = path.partition("/")[0]
    return first.partition(".")[0] in TABLES or path == SETTINGS


@contextmanager
def _reading(address: str) -> Iterator[None]:
    """Say what went wrong without the rest of what a store answers, which names keys."""
    with needs(f"--data {SCHEME}…", "s3"):
        from obstore.exceptions import BaseError
    try:
        yield
    except (BaseError, OSError, ValueError) as why:
        if isinstance(why, OSError) and why.errno:  # not one that a store answered with
            raise DataError(f"{address}: can't be copied to {cache_root()} ({first_line(why)}).") from None
        answer = re.search(r"<Code>(.*?)</Code>", str(why))
        said = answer[1] if answer else first_line(why).rpartition(" - ")[2]
        raise DataError(f"{address}: can't be read ({said}). Check the address, and {KEYS}.") from None
