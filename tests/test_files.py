"""What is written beside and renamed: whole or not there, and the old one stays if writing fails."""

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tailrank import files
from tailrank.files import joining_files, scratch_folder, sha256_of, written_file, written_folder


def contents(folder: Path) -> dict[str, str]:
    """Everything below a folder, by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()
    }


def test_a_file_appears_once_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "new" / "notes.txt"
    for text in ("one", "two"):
        before = contents(tmp_path).get("new/notes.txt")
        with written_file(file) as new:
            new.write_text(text)
            assert (file.read_text() if file.exists() else None) == before
        assert contents(tmp_path) == {"new/notes.txt": text}
        assert new.suffix == ".txt"


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "model"
    for names in ("ab", "bc"):
        with written_folder(folder) as new:
            for name in names:
                (new / name).mkdir()
                (new / name / "text").write_text(names)
        assert contents(tmp_path) == {f"new/model/{name}/text": names for name in names}


def test_a_folder_is_never_missing_while_it_is_replaced(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux exchanges two names in one step")
    folder, missing, stop = tmp_path / "model", 0, threading.Event()
    with written_folder(folder) as new:
        (new / "file").write_text("0")

    def look() -> None:
        nonlocal missing
        while not stop.is_set():
            missing += not os.path.lexists(folder)

    looking = threading.Thread(target=look)
    looking.start()
    for turn in range(200):
        with written_folder(folder) as new:
            (new / "file").write_text(str(turn))
    stop.set()
    looking.join()
    assert missing == 0
    assert contents(tmp_path) == {"model/file": "199"}


def test_the_old_folder_returns_if_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def refuse_the_new(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(5, "Input/output error")
        return replace(self, target)

    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("mine")
    monkeypatch.setattr(files, "_exchanged", lambda one, other: False)
    monkeypatch.setattr(Path, "replace", refuse_the_new)
    with pytest.raises(OSError, match="Input/output error"), written_folder(tmp_path / "folder") as new:
        (new / "file").write_text("other")
    assert contents(tmp_path) == {"folder/file": "mine"}


def test_files_join_a_folder_the_last_one_after_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "model"
    for at in range(2):
        with joining_files(folder, "index") as new:
            (new / "index").write_text(f"a{at}")
            (new / f"a{at}").write_text("text")
            assert (folder / "index").exists() == bool(at)
    assert contents(folder) == {"index": "a1", "a0": "text", "a1": "text"}


@pytest.mark.parametrize("there", [False, True])
def test_files_that_fail_leave_what_was_there(tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "model"
    if there:
        folder.mkdir()
        (folder / "index").write_text("mine")
    with pytest.raises(OSError, match="missing"), joining_files(folder, "index") as new:
        (new / "index").write_text((new / "missing").read_text())
    assert contents(tmp_path) == ({"model/index": "mine"} if there else {})
    assert folder.exists() == there


@pytest.mark.parametrize("there", [False, True])
def test_what_fails_leaves_what_was_there(tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "file").write_text("mine")
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "file").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(OSError, match="missing"), written_file(tmp_path / "file") as new:
        new.write_text((new.parent / "missing").read_text())
    with pytest.raises(OSError, match="missing"), written_folder(tmp_path / "folder") as new:
        (new / "file").write_text((new / "missing").read_text())
    assert contents(tmp_path) == before
    assert {path.name for path in tmp_path.iterdir()} == ({"file", "folder"} if there else set())


def test_a_file_does_not_replace_a_folder(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"), written_file(tmp_path / "taken") as new:
        new.write_text("text")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_link_goes_on_naming_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    for name in ("file", "folder"):
        (tmp_path / f"link-{name}").symlink_to(name)
    with written_file(tmp_path / "link-file") as new:
        new.write_text("new")
    with written_folder(tmp_path / "link-folder") as new:
        (new / "inner").write_text("new")
    assert (tmp_path / "link-file").is_symlink()
    assert (tmp_path / "link-folder").is_symlink()
    assert (tmp_path / "file").read_text() == (tmp_path / "folder" / "inner").read_text() == "new"


def test_a_file_is_hashed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"tail")
    assert sha256_of(tmp_path / "file") == hashlib.sha256(b"tail").hexdigest()


def test_what_a_killed_process_left_goes_and_what_others_use_stays(tmp_path: Path) -> None:
    command = (
        "import pathlib, sys, time; from tailrank.files import scratch_folder\n"
        f"with scratch_folder(pathlib.Path({str(tmp_path)!r}), '.work.') as place:\n"
        "    (place / 'deep').mkdir(); (place / 'deep' / 'file').write_text('much')\n"
        "    print(place, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        left = Path(other.stdout.readline().strip())
        with scratch_folder(tmp_path, ".work.") as mine:
            assert (left / "deep" / "file").exists()
            other.kill()
            other.wait()
            unlocked = tmp_path / ".work.begun"
            unlocked.mkdir()
            with scratch_folder(tmp_path, ".work.") as second:
                assert set(tmp_path.iterdir()) == {mine, second, unlocked}
    assert list(tmp_path.iterdir()) == [unlocked]
