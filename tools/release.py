"""Build a release into `dist/`: `make release`, or `python3 tools/release.py`; it needs Python and git only.

What is committed is built, from two clones in different folders, and has to come out byte for byte the same.
The wheel is then installed in a clean environment of each Python from 3.11 to 3.14 that there is, where it
must show its documentation, train on the shop of the README and rank: on the Python that runs this with all
extras and the language model, on the others as it comes. Written are the sdist, the wheel, `sbom.json`
(CycloneDX) and `licences.md` of what was installed with all extras, and `SHA256SUMS`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.request import urlopen

ROOT: Final = Path(__file__).parents[1]
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
TABLE: Final = re.compile(r"`([^`]+\.csv)`:\n\n```csv\n(.*?)```", re.S)
RANK: Final = ("rank", "--model", "model", "--history", "t1,t2", "--candidates", "p1,p2,n1,n2,t3")
BEST: Final = "Camping gas stove"
PINS: Final = {name: str(ROOT / "constraints.txt") for name in ("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT")}


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """Run a command and return what it prints; a release ends with the first that fails."""
    told = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "COLUMNS": "90", **PINS, **environment}
    told.pop("PYTHONPATH", None)  # or the checkout would stand in for what is installed
    done = subprocess.run(  # noqa: S603 - our own commands
        command, cwd=cwd, env=told, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def environment(folder: Path, python: str, *requirements: str) -> Path:
    """Set up a clean environment with the pinned pip; returns the folder of its programs."""
    run(python, "-m", "venv", folder)
    programs = folder / "bin"
    run(programs / "python", "-m", "pip", "install", "--quiet", "pip")
    run(programs / "python", "-m", "pip", "install", "--quiet", *requirements)
    return programs


def build(tools: Path, folder: Path) -> Path:
    """Clone what is committed; build the site, the sdist with it, and the wheel from that: their folder."""
    run("git", "clone", "--quiet", "--no-hardlinks", ROOT, folder / "clone")
    committed = run("git", "log", "-1", "--format=%ct", cwd=folder / "clone").strip()
    run(tools / "python", "docs/build_site.py", cwd=folder / "clone")
    run(tools / "python", "-m", "build", cwd=folder / "clone", SOURCE_DATE_EPOCH=committed)
    return folder / "clone" / "dist"


def sums(folder: Path) -> str:
    """List the SHA-256 of each file of a folder, as `sha256sum --check` reads it."""
    files = sorted(file for file in folder.iterdir() if file.name != "SHA256SUMS")
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)


def pythons() -> Iterator[tuple[str, str | None]]:
    """Find each Python that is supported: its version, and a command that starts it, if there is one."""
    for version in PYTHONS:
        found = shutil.which(f"python{version}")
        if version == "{}.{}".format(*sys.version_info):
            found = sys.executable
        yield version, found if found and starts(found) else None


def starts(python: str) -> bool:
    """Whether a command starts a Python; a shim of pyenv may lead to none."""
    return not subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode  # noqa: S603


def check(programs: Path, folder: Path, version: str, *options: str) -> None:
    """Train on the shop of the README with what is installed, and rank."""
    for name, table in TABLE.findall((ROOT / "README.md").read_text(encoding="utf-8")):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(table, encoding="utf-8")
    told = run(programs / "tailrank", "--version", cwd=folder).strip()
    if told != f"tailrank {version}":
        raise SystemExit(f"the wheel of {version} says that it is {told}")
    show_documentation(programs, folder)
    run(programs / "tailrank", "validate", "shop", cwd=folder)
    run(programs / "tailrank", "train", "--data", "shop", "--out", "model", *options, cwd=folder)
    ranked = run(programs / "tailrank", *RANK, cwd=folder)
    first = next((line for line in ranked.splitlines() if re.match(r"\s+1\s", line)), "")
    if BEST not in first:
        raise SystemExit(f"{BEST} should come first:\n{ranked}")


def show_documentation(programs: Path, folder: Path) -> None:
    """Ask what serves the pages of the wheel for the first of them."""
    told = {**os.environ, "BROWSER": "true", "PYTHONUNBUFFERED": "1"}  # no browser is opened
    told.pop("PYTHONPATH", None)
    command = (programs / "tailrank", "docs")
    with subprocess.Popen(command, cwd=folder, env=told, stdout=subprocess.PIPE, text=True) as served:  # noqa: S603
        try:
            address = next(iter(served.stdout or ()), "").strip()
            page = urlopen(address, timeout=60).read().decode()  # noqa: S310 - our own
        finally:
            served.kill()
    if "<title>tailrank" not in page:
        raise SystemExit(f"tailrank docs should show the first page:\n{page}")


def describe(tools: Path, programs: Path, dist: Path) -> None:
    """Write which packages were installed, as a bill of materials, and their licences as a table."""
    python = programs / "python"
    sbom: list[str | Path] = [
        "--pyproject",
        ROOT / "pyproject.toml",
        "--output-reproducible",
        "-o",
        dist / "sbom.json",
    ]
    run(tools / "cyclonedx-py", "environment", *sbom, python)
    table: list[str | Path] = ["--python", python, "--from", "mixed", "--with-urls", "--format", "markdown"]
    run(tools / "pip-licenses", *table, "--output-file", dist / "licences.md")


def release(folder: Path) -> None:
    """Build twice, compare, try, describe."""
    if run("git", "status", "--porcelain", "--untracked-files=no"):
        raise SystemExit("there are changes that aren't committed: a release is built from what is committed")
    tools = environment(folder / "tools", sys.executable, "--group", "release", "--group", "docs")
    first, second = (build(tools, folder / name) for name in ("first", "the-second"))
    if sums(first) != sums(second):
        raise SystemExit(f"two builds differ:\n{sums(first)}{sums(second)}")
    print(f"built twice, the same:\n{sums(first)}", end="", flush=True)
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    shutil.copytree(first, dist)
    [wheel] = dist.glob("*.whl")
    for python, command in pythons():
        if command is None:
            print(f"Python {python}: not tried, there is none here", flush=True)
            continue
        own = command == sys.executable
        wanted = f"{wheel}[all]" if own else str(wheel)
        programs = environment(folder / python, command, wanted)
        (folder / f"shop-{python}").mkdir()
        check(
            programs,
            folder / f"shop-{python}",
            wheel.name.split("-")[1],
            *([] if own else ["--encoder", "none"]),
        )
        print(
            f"Python {python}: {'with all extras and the language model' if own else 'as it comes'}, works",
            flush=True,
        )
        if own:
            describe(tools, programs, dist)
    (dist / "SHA256SUMS").write_text(sums(dist), encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="tailrank-release-") as folder:
        release(Path(folder))
