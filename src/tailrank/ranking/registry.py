"""A folder of versions of a model, with a link to the one that serves.

The link is all that a server follows, and it is replaced as a whole. So who is killed at any moment leaves a
registry that serves what it served before, or what it was to serve.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tailrank.errors import ModelError, RequestError
from tailrank.files import UNFINISHED, exclusive, sync
from tailrank.folders import MANIFEST, check_room
from tailrank.ranking.promotions import Deed, add_promotion, read_promotions, served
from tailrank.ranking.readiness import check_ranks
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.storage import model_manifest
from tailrank.ranking.versions import Version, next_name, version_folders

CURRENT: Final = "current"
"""Name of the link to the version that serves."""

HISTORY: Final = "history.jsonl"
"""Name of the file that `promotions` writes."""

KEEP: Final = 10
"""Versions that are kept, by default."""

PATIENCE: Final = 60.0
"""Seconds that one waits for another who changes the same registry; a change takes a few."""

_LOCK: Final = "lock"
_NEW_LINK: Final = f"{UNFINISHED}{CURRENT}"


class Registry:
    """Versions of a model, one of which serves.

    Parameters
    ----------
    folder
        Holds the versions, each a model folder; made when the first comes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, model: Path) -> Registry | None:
        """Find the registry that a path is the link of; None for a model folder of its own."""
        is_link = model.name == CURRENT and model.is_symlink() and (model.parent / HISTORY).is_file()
        return cls(model.parent) if is_link else None

    @property
    def serving(self) -> str | None:
        """Name of the version that serves, if any does."""
        link = self.folder / CURRENT
        return os.readlink(link) if link.is_symlink() else None

    @property
    def before(self) -> str | None:
        """Name of the version that served before, to which `rollback` goes, if one is kept."""
        now, there = self.serving, {folder.name for folder in version_folders(self.folder)}
        earlier = served(read_promotions(self.folder / HISTORY), now)
        if earlier and earlier[-1] == now:
            earlier.pop()
        return next((name for name in reversed(earlier) if name in there), None)

    def versions(self) -> list[Version]:
        """Read all versions, the latest first.

        Raises
        ------
        ModelError
            If there is none.
        """
        found = list(map(Version.read, version_folders(self.folder)))
        if not found:
            raise ModelError(f"{self.folder}: has no version: `tailrank models promote` takes a model in")
        return found

    def find(self, part: str) -> Version:
        """Find a version by its name, or by a part of it that no other name has.

        Raises
        ------
        ModelError
            If there is none, or there are several.
        """
        found = [each for each in self.versions() if part and part in each.name]
        if len(found) != 1:
            what = "no version is" if not found else f"{len(found)} versions are"
            raise ModelError(f"{self.folder}: {what} called {part!r}: `tailrank models list` names them")
        return found[0]

    def add(self, model: Reranker, about: Mapping[str, object], keep: int = KEEP) -> str:
        """Take in a model that was fitted, with what is to be remembered of it; gives its name.

        All but the latest versions are removed, `keep` of them stay; never the one that serves, the one
        before, and the new one.

        Raises
        ------
        ModelError
            If the folder can't be written, or somebody else changes it for too long.
        """
        return self._take_in(lambda new: model.save(new, about), keep)

    def copy(self, model: Path, keep: int = KEEP) -> str:
        """Take in a copy of a model folder; the rest is as for `add`."""
        model_manifest(model)  # so that nothing is made for what is no model

        def write(new: Path) -> None:
            new.mkdir()
            for name in (*model_manifest(model).file_names, MANIFEST):
                shutil.copyfile(model / name, new / name)
                sync(new / name)
            sync(new)

        return self._take_in(write, keep)

    def promote(self, name: str, instead_of: str | None = None) -> None:
        """Let a version serve, once it was read and has ranked.

        Parameters
        ----------
        name
            Of the version.
        instead_of
            If given, the one that has to serve until then.

        Raises
        ------
        RequestError
            If it serves already, the gate refused it, or another one serves than `instead_of`.
        ModelError
            If it can't be read or can't rank, and as `add` does. What served goes on.
        """
        with self._changing():
            now = self.serving
            if name == now:
                raise RequestError(f"{self.folder}: {name} serves already")
            if instead_of not in (None, now):
                raise RequestError(
                    f"{self.folder}: {now} serves by now, not {instead_of}, which {name} was compared with: "
                    "retrain again"
                )
            if Version.read(self.folder / name).refused:
                raise RequestError(f"{self.folder}: the gate refused {name}: see `tailrank models show`")
            self._serve("promote", name)

    def rollback(self) -> str:
        """Let the version serve that served before; gives its name.

        Raises
        ------
        RequestError
            If there is none.
        ModelError
            As `promote` and `versions` do.
        """
        self.versions()
        with self._changing():
            before = self.before
            if before is None:
                raise RequestError(f"{self.folder}: nothing is kept that served before: promote one by name")
            self._serve("rollback", before)
            return before

    def _serve(self, did: Deed, name: str) -> None:
        version, link = self.folder / name, self.folder / CURRENT
        check_ranks(Reranker.load(version), version)
        if link.exists() and not link.is_symlink():
            raise ModelError(f"{link}: a model folder of its own: give it another name, then promote it")
        add_promotion(self.folder / HISTORY, did, name, self.serving)
        new = self.folder / _NEW_LINK
        new.symlink_to(name)
        new.replace(link)
        sync(self.folder)

    def _take_in(self, write: Callable[[Path], None], keep: int) -> str:
        with self._changing():
            with TemporaryDirectory(prefix=UNFINISHED, dir=self.folder) as beside:
                new = Path(beside, "new")
                write(new)
                name = next_name(self.folder, new)
                new.replace(self.folder / name)
            sync(self.folder)
            self._prune(keep, name)
            return name

    def _prune(self, keep: int, new: str) -> None:
        kept = {new, self.serving, self.before}
        for version in version_folders(self.folder)[keep:]:
            if version.name not in kept:
                gone = version.with_name(f"{UNFINISHED}{version.name}")
                version.replace(gone)
                shutil.rmtree(gone)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Keep others from changing the registry, and remove what killed ones left."""
        check_room(self.folder, "versions of a model", ModelError, HISTORY)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with exclusive(self.folder / _LOCK, PATIENCE):
                for left in (*self.folder.glob(f"{UNFINISHED}*"), *self.folder.glob(f".{HISTORY}.*")):
                    shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
                yield
        except TimeoutError:
            busy = "another command is changing it: try again when it has ended"
            raise ModelError(f"{self.folder}: {busy}") from None
        except OSError as why:
            raise ModelError(f"{self.folder}: can't be written ({why}): choose another folder") from None


def publish(
    model: Reranker,
    place: Path,
    about: Mapping[str, object],
    keep: int = KEEP,
    instead_of: str | None = None,
) -> str | None:
    """Let a model serve at a place: as a version, if that is a registry's link, else as the model folder.

    Takes what `Registry.add` and `Registry.promote` take, raises as they or `Reranker.save` do, and gives the
    name of the version, if it is one.
    """
    registry = Registry.of(place)
    if registry is None:
        model.save(place, about)
        return None
    name = registry.add(model, about, keep)
    registry.promote(name, instead_of)
    return name
