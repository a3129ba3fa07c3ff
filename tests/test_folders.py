"""No command replaces, litters or misreads a folder that another one wrote."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.errors import ModelError, TailrankError
from tailrank.folders import check_own_folder, kind_of
from tailrank.ranking.rankings_folder import RankingsFolder, RankingsManifest
from tailrank.state.open import open_state
from tailrank.tasks.monitor.inbox import Inbox
from tailrank.tasks.support.feedback_log import FeedbackLog

KEPT = Path(__file__).parent / "fixtures"
FIXTURES = ("model-7", "task-1", "desk-1", "state-2", "monitor-1")
WRITERS = {
    "model": "train --data shop --out",
    "task": "task train --data texts.csv --out",
    "desk": "support train faq.csv --out",
    "together": "task train-together tasks.toml --out",
}
RANKINGS = RankingsManifest("a" * 64, "lists", "events", "", 10, 1, 1, 0.0)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with one of each."""
    monkeypatch.chdir(tmp_path)
    for name in FIXTURES:
        shutil.copytree(KEPT / name, tmp_path / name.partition("-")[0])
    for name in ("shop", "notes", "empty", "mods", "encoders"):
        (tmp_path / name).mkdir()
    (tmp_path / "shop" / "items.csv").write_text("item_id,title\na,tea\n")
    (tmp_path / "shop" / "events.csv").write_text("user_id,item_id,position\nu,a,1\n")
    (tmp_path / "notes" / "thesis.txt").write_text("years of work")
    for name in ("cats", "dogs"):
        shutil.copytree(KEPT / "model-7", tmp_path / "mods" / name)
    (tmp_path / "encoders" / "encoder").mkdir()
    (tmp_path / "encoders" / "encoder" / "weights").write_text("weeks of work")
    shutil.copytree(KEPT / "task-1", tmp_path / "tasks" / "one")
    RankingsFolder.begin(tmp_path / "rankings", RANKINGS)
    shutil.copytree(KEPT / "task-1", tmp_path / "together" / "one")
    (tmp_path / "together" / "encoder").mkdir()
    manifest = tmp_path / "together" / "one" / "manifest.json"
    written = json.loads(manifest.read_text())
    written["encoder"]["name"] = "../encoder"
    manifest.write_text(json.dumps(written))
    return tmp_path


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal(words: str) -> str:
    """Why a command refuses, which it must do without a trace."""
    before = content(Path())
    done: Any = CliRunner().invoke(app, words.split())
    assert isinstance(done.exception, TailrankError), done.output
    assert content(Path()) == before
    assert "listens" not in done.output
    return str(done.exception)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("model", "a model"),
        ("task", "a task"),
        ("desk", "a support desk"),
        ("rankings", "a folder of rankings"),
        ("together", "a folder of tasks tuned together"),
        ("shop", "a data folder"),
        ("state", "a server's state"),
        ("monitor", "a monitor"),
    ],
)
def test_no_training_replaces_what_another_command_wrote(here: Path, name: str, kind: str) -> None:
    for own, command in WRITERS.items():
        if own != name:
            said = refusal(f"{command} {name}")
            assert said.startswith(f"{name} exists and is no ")
            assert said.endswith(f", but {kind}: choose another folder, or remove it")


@pytest.mark.parametrize("command", WRITERS.values())
def test_no_training_replaces_work_of_others(here: Path, command: str) -> None:
    assert "it holds thesis.txt: choose another folder" in refusal(f"{command} notes")
    assert "it holds cats, a model: choose" in refusal(f"{command} mods")
    assert "it holds encoder: choose" in refusal(f"{command} encoders")
    assert "it holds one, a task: choose" in refusal(f"{command} tasks")
    assert "but a file: choose" in refusal(f"{command} notes/thesis.txt")


@pytest.mark.parametrize(
    "written", ["tailrank model 7", "tailrank model 6", "tailrank model 5", "tailrank model 4"]
)
def test_a_model_of_a_former_format_is_replaced_by_a_model_only(here: Path, written: str) -> None:
    (here / "empty" / "manifest.json").write_text(json.dumps({"format": written}))
    (here / "empty" / "items.parquet").write_bytes(b"as format 4 called it")
    check_own_folder(here / "empty", "model", ModelError)
    with pytest.raises(ModelError, match="is no task, but a model"):
        check_own_folder(here / "empty", "task", ModelError)


@pytest.mark.parametrize(
    "written", ['{"name": "a web app"}', '{"format": 3}', "[]", "not JSON", "[" * 100_000]
)
def test_a_manifest_of_something_else_is_no_model(here: Path, written: str) -> None:
    (here / "empty" / "manifest.json").write_text(written)
    assert kind_of(here / "empty") is None
    assert "it holds manifest.json" in refusal("train --data shop --out empty")


def test_new_and_empty_folders_and_those_of_its_own_are_written(here: Path) -> None:
    for kind, name in (("model", "model"), ("task", "task"), ("support desk", "desk")):
        for place in (name, "empty", "new"):
            check_own_folder(here / place, kind, ModelError)


def test_rankings_go_on_in_no_other_folder(here: Path) -> None:
    for name in ("model", "task", "shop"):
        with pytest.raises(TailrankError, match=f"{name} exists and is no folder of rankings, but a "):
            RankingsFolder.begin(here / name, RANKINGS)
    RankingsFolder.begin(here / "rankings", RANKINGS)


@pytest.mark.parametrize("name", ["shop", "model", "task", "desk", "rankings"])
def test_nothing_is_put_beside_data_or_a_model(here: Path, name: str) -> None:
    serve = "serve --port 0 --model model"
    assert "no place for a server's state" in refusal(f"{serve} --state {name}")
    assert "no place for a server's state" in refusal(f"state load --data shop --state {name}")
    assert "no place for a log" in refusal(f"{serve} --state new --log-impressions {name}")
    assert "no place for a report" in refusal(f"evaluate --data shop --out {name}")
    assert "no place for a report" in refusal(f"task evaluate task --data texts.csv --out {name}")
    before = content(here)
    for make in (Inbox, FeedbackLog):
        with pytest.raises(TailrankError, match="no place for"):
            make(here / name)
    assert content(here) == before


def test_a_state_that_lies_beside_data_goes_on(here: Path) -> None:
    shutil.copytree(KEPT / "state-2", here / "shop", dirs_exist_ok=True)
    asyncio.run(open_state(str(here / "shop")).close())


def test_a_folder_of_another_kind_is_named(here: Path) -> None:
    (here / "texts.csv").write_text("text\ntea\n")
    no_model = "is a task, not a model: name another folder"
    assert refusal("rank --model task --candidates a,b --history a") == f"task {no_model}"
    assert "shop is a data folder, not a model" in refusal("rank --model shop --candidates a,b --history a")
    assert refusal("task predict model texts.csv").startswith("model is a model, not a task")
    assert refusal("train --data model --out new").startswith("model is a model, not a data folder")
    assert "model is a model: give a file" in refusal("evaluate --data shop --candidates model --out new")
    assert refusal("support ask task where?").startswith("task is a task, not a support desk")
    assert refusal("models list desk").startswith(
        "desk is a support desk, not a folder of a model's versions"
    )
    assert refusal("models promote desk model").startswith("desk is a support desk, not")
    assert refusal("models promote new task") == f"{here / 'task'} {no_model}"


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("--model task", "task is a task, not a model"),
        ("--model nowhere", "is this a model folder?"),
        ("--model model --challenger nowhere --log-impressions log", "is this a model folder?"),
        ("--model model --beside other=shop", "shop is a data folder, not a model"),
        ("--model model --task t=desk", "desk is a support desk, not a task"),
        ("--model model --support task", "task is a task, not a support desk"),
        ("--model model --task t=nowhere", "nowhere: there is no such folder: name that of a task"),
        ("--model model --support nowhere", "nowhere: there is no such folder: name that of a support desk"),
        ("--model model --monitor nowhere", "nowhere: there is no such folder: name that of a monitor"),
        ("--model nowhere --seed-from shop", "is this a model folder?"),
    ],
)
def test_a_server_with_a_wrong_folder_makes_and_announces_nothing(
    here: Path, options: str, why: str, workers: int
) -> None:
    assert why in refusal(f"serve --port 0 --workers {workers} --state s2 {options}")
    assert not (here / "s2").exists()
    assert not (here / "log").exists()


@pytest.mark.parametrize(
    "command",
    [
        "serve --state s2 --model damaged",
        "serve --state s2 --model damaged --workers 2",
        "serve --state s2 --model model --beside other=damaged --workers 2",
        "task serve intents=task",
    ],
)
def test_damage_is_said_once_and_nothing_announced(here: Path, command: str) -> None:
    shutil.copytree(here / "model", here / "damaged")
    [arrays] = (here / "damaged").glob("signals*")
    for each in (arrays, here / "task" / "head.safetensors"):
        content = bytearray(each.read_bytes())
        content[-1] ^= 1
        each.write_bytes(content)
    program = str(Path(sys.executable).with_name("tailrank"))
    words = [program, *command.split(), "--port", "0"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert len(re.findall("edited or damaged|not as it was written", done.stderr)) == 1
    assert "listens at" not in done.stderr
