"""The house: its picture is that of the imports, rooms have floors, and pages name files that exist."""

import re
from pathlib import Path

import pytest
from docs.house import PICTURE, ROOT, draw, read_floors

PACKAGE = ROOT / "src" / "tailrank"
FILE = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|lua|txt|toml))`")


def test_the_picture_is_that_of_the_imports() -> None:
    assert PICTURE.read_text(encoding="utf-8") == draw(), "draw it anew: python docs/house.py"


def test_every_room_has_a_floor() -> None:
    rooms = {
        path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert rooms - {"__init__", "__main__"} == {room for floor in read_floors() for room in floor}


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_the_files_that_the_pages_name_exist(page: str) -> None:
    named = FILE.findall((ROOT / page).read_text(encoding="utf-8"))
    missing = [name for name in named if "NAME" not in name and not any(map(Path.exists, locations(name)))]
    assert named
    assert missing == []


def locations(name: str) -> tuple[Path, Path]:
    """Where a file that a page names may lie: in the package, or below the root of the repository."""
    return PACKAGE / name, ROOT / name
