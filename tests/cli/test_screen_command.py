"""`tailrank screen`: from labels and a deny-list to what is held."""

import asyncio
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.errors import RequestError
from tailrank.screening.reviews import Reviews
from tailrank.state.open import open_state


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Twenty sorts of tea, twenty of knives, and one item that is both."""
    folder = tmp_path / "shop"
    folder.mkdir()
    titles = [f"green tea with mint no {n}" for n in range(20)] + [
        f"sharp steel knife no {n}" for n in range(20)
    ]
    ids = [f"i{n}" for n in range(41)]
    pl.DataFrame({"item_id": ids, "title": [*titles, "Tea KNIFE"]}).write_csv(folder / "items.csv")
    labels = pl.DataFrame({"item_id": ids[:40], "label": [int(n >= 20) for n in range(40)]})
    labels.write_csv(tmp_path / "labels.csv")
    (tmp_path / "deny.txt").write_text("tea knife\n[de]\nmint\n")
    return folder


def test_labels_and_a_deny_list_make_a_screen_that_lists_what_it_holds(
    shop: Path, tmp_path: Path, tiny_folder: Path
) -> None:
    screen, held = tmp_path / "screen.json", tmp_path / "held.csv"
    parts = "--labels", tmp_path / "labels.csv", "--deny", tmp_path / "deny.txt", "--market", "fr=0.5"
    done = call("screen", "train", "--data", shop, "--out", screen, *parts, "--encoder", tiny_folder)
    assert done.exit_code == 0, done.output
    assert "by default: threshold" in done.output
    assert "fr: threshold" in done.output
    assert "2 denied phrases, in 21 of 41 items" in done.output
    assert set(json.loads(screen.read_text())["thresholds"]) == {"", "fr"}
    state = str(tmp_path / "state")
    done = call("screen", "run", screen, "--data", shop, "--out", held, "--state", state)
    assert done.exit_code == 0, done.output
    rows = {row["item_id"]: row for row in pl.read_csv(held).iter_rows(named=True)}
    assert rows["i0"]["markets"] == "de"
    assert "says 'mint' (de)" in rows["i0"]["why"]
    assert sum(f"i{n}" in rows for n in range(20, 40)) >= 18
    assert "says 'tea knife'" in rows["i40"]["why"]
    assert set(asyncio.run(reviewed(state)).by_id) == set(rows)
    again = call("screen", "run", screen, "--data", shop, "--state", state)
    assert again.stdout.splitlines()[0] == "item_id,score,markets,why"
    assert "0 of them weren't held" in again.output


def test_a_deny_list_alone_needs_no_encoder(shop: Path, tmp_path: Path) -> None:
    screen = tmp_path / "screen.json"
    call("screen", "train", "--data", shop, "--out", screen, "--deny", tmp_path / "deny.txt")
    done = call("screen", "run", screen, "--data", shop)
    assert "i40,,\"others, de\",says 'tea knife'" in done.stdout


def test_a_copy_of_a_best_seller_is_held_with_what_it_was_copied_from(shop: Path, tmp_path: Path) -> None:
    screen, copied = tmp_path / "screen.json", "green tea with mint no 7"
    items = pl.read_csv(shop / "items.csv")
    pl.concat([items, pl.DataFrame({"item_id": ["c1"], "title": [copied]})]).write_csv(shop / "items.csv")
    events = {"user_id": [f"u{n}" for n in range(5)], "item_id": ["i7"] * 4 + ["i30"], "timestamp": range(5)}
    pl.DataFrame(events).write_csv(shop / "events.csv")
    done = call("screen", "train", "--data", shop, "--out", screen, "--pushed", 0.01)
    assert done.exit_code == 0, done.output
    done = call("screen", "run", screen, "--data", shop)
    assert "c1,,others,\"has the words of 'i7', a best seller\"" in done.stdout
    assert not any(line.startswith(("i7,", "i30,")) for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give --labels FILE, --deny FILE, --pushed SHARE, or several"),
        (["--labels", "{labels}", "--market", "de"], "--market de: write a name and a share"),
        (["--labels", "{labels}", "--market", "de=2"], "--market de=2: write a name and a share"),
        (["--deny", "{deny}", "--market", "de=0.5"], "give --labels FILE"),
    ],
)
def test_what_makes_no_sense_is_said(shop: Path, tmp_path: Path, options: list[str], message: str) -> None:
    files = {"labels": tmp_path / "labels.csv", "deny": tmp_path / "deny.txt"}
    given = [option.format(**files) for option in options]
    done = call("screen", "train", "--data", shop, "--out", tmp_path / "screen.json", *given)
    assert isinstance(done.exception, RequestError)
    assert message in str(done.exception)
    assert not (tmp_path / "screen.json").exists()


async def reviewed(location: str) -> Reviews:
    state = open_state(location)
    try:
        return Reviews().with_entries((await state.item_changes(0))[1])
    finally:
        await state.close()
