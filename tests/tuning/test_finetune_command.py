"""`tailrank finetune`: from events to a tuned encoder that other commands read."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from trainings import shop
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.errors import RequestError, TailrankError

pytestmark = pytest.mark.usefixtures("own_cache")


class TestCommand:
    def call(self, *arguments: object) -> Any:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    @pytest.fixture
    def data(self, tmp_path: Path) -> Path:
        data, h = shop(), shop().histories
        folder = tmp_path / "shop"
        folder.mkdir()
        data.items.write_csv(folder / "items.csv")
        rows = {"user_id": h.owners, "item_id": h.items, "timestamp": h.times}
        pl.DataFrame(rows).with_columns(pl.lit("shop").alias("event")).write_csv(folder / "events.csv")
        return folder

    def test_from_events_to_a_ranking(self, data: Path, small_bert: Path, tmp_path: Path) -> None:
        short = [part for name in ("steps=6", "every=3", "hidden=16") for part in ("--set", name)]
        common = ["--data", data, "--encoder", small_bert]
        done = self.call(
            "finetune", *common, "--out", tmp_path / "tuned", "--protocol", "leave-one-out", *short
        )
        assert done.exit_code == 0, done.output
        assert "weights learned, 6 steps" in done.output
        assert not list(tmp_path.glob("*checkpoint*"))
        tuned = ["--tuned", tmp_path / "tuned"]
        asked = ["evaluate", *common, *tuned, "--models", "tailrank,popularity", "--out", tmp_path / "report"]
        assert self.call(*asked, "--protocol", "leave-one-out").exit_code == 0
        refused = self.call(*asked, "--protocol", "temporal")
        assert isinstance(refused.exception, RequestError)
        assert "may know the targets" in str(refused.exception)
        lists = tmp_path / "lists.csv"
        pl.DataFrame({"user_id": ["u"], "item_id": ["i"]}).write_csv(lists)
        refused = self.call("evaluate", *common, *tuned, "--candidates", lists, "--out", tmp_path / "report")
        assert isinstance(refused.exception, RequestError)
        assert "tune it on a folder of earlier events" in str(refused.exception)
        assert self.call("train", *common, *tuned, "--out", tmp_path / "model").exit_code == 0

    def test_cold_items_are_hidden_from_tuning(self, data: Path, small_bert: Path, tmp_path: Path) -> None:
        short = [part for name in ("steps=3", "every=3", "hidden=16") for part in ("--set", name)]
        common = ["--data", data, "--encoder", small_bert, "--protocol", "cold-items"]
        done = self.call("finetune", *common, "--out", tmp_path / "tuned", *short)
        assert done.exit_code == 0, done.output
        asked = ["evaluate", *common, "--tuned", tmp_path / "tuned", "--models", "tailrank", "--out"]
        assert self.call(*asked, tmp_path / "report").exit_code == 0
        refused = self.call(*asked, tmp_path / "report", "--seed", 1)
        assert isinstance(refused.exception, RequestError)
        assert "--protocol and --seed of this evaluation" in str(refused.exception)

    def test_how_an_encoder_came_about(self, data: Path, small_bert: Path, tmp_path: Path) -> None:
        common = ["--data", data, "--encoder", small_bert]
        short = ["--set", "steps=3", "--set", "every=3", "--set", "hidden=16"]
        done = self.call("finetune", *common, "--out", tmp_path / "tuned", *short)
        assert done.exit_code == 0, done.output
        label = tmp_path / "tuned" / "tuning.json"
        about = json.loads(label.read_text())
        assert about["config"]["hidden"] == 16
        assert about["validation_steps"][about["best_step"]].keys() == {"shop"}
        older = {"config": "recipe", "validation_steps": "looks", "best_step": "best_look"}
        label.write_text(json.dumps({older.get(name, name): value for name, value in about.items()}))
        asked = ["train", *common, "--tuned", tmp_path / "tuned", "--out", tmp_path / "model"]
        assert self.call(*asked).exit_code == 0

    def test_new_events_and_what_is_forgotten(self, data: Path, small_bert: Path, tmp_path: Path) -> None:
        short = [part for name in ("steps=3", "every=3", "hidden=16") for part in ("--set", name)]
        asked = ["finetune", "--data", data, "--encoder", small_bert, "--out", tmp_path / "tuned", *short]
        done = self.call(*asked, "--since", "1970-01-05")
        assert done.exit_code == 0, done.output
        assert "before --since" in done.output
        refused = self.call(*asked, "--since", "2070-01-01")
        assert "no event to learn from is as new" in str(refused.exception)

    @pytest.mark.parametrize("command", ["finetune", "tune"])
    def test_nothing_learned(self, data: Path, small_bert: Path, tmp_path: Path, command: str) -> None:
        frozen = ["steps=1", "every=1", "hidden=16", "head_rate=1e-30"]
        asked = ["--data", data, "--encoder", small_bert, "--out", tmp_path / "tuned"]
        asked += [part for name in frozen for part in ("--set", name)]
        choice = ["--loss", "next-item"]
        if command == "tune":
            choice = ["--methods", "head", "--losses", "next-item", "--minutes", "0.0001"]
        done = self.call(command, *asked, *choice)
        assert done.exit_code == 3, done.output
        assert "nothing learned" in done.output.splitlines()[-1]
        assert "train without --tuned" in done.output.splitlines()[-1]
        assert not (tmp_path / "tuned").exists()
        if command == "tune":
            assert "encoder given: " in done.output
            assert "trial 0: " in done.output

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--set", "speed=3"], "write NAME=VALUE"),
            (["--set", "steps=many"], "give a number"),
            (["--set", "rate=nan"], "rate must be above 0"),
            (["--method", "prompt", "--merge"], "leave --merge out"),
            (["--encoder", "none"], "nothing to tune"),
            (["--device", "abacus"], "--device abacus: there is none here: choose from auto, "),
            (["--track", "paper=notes"], "names no tracker"),
        ],
    )
    def test_mistakes(self, data: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
        refused = self.call("finetune", "--data", data, "--out", tmp_path / "out", *arguments)
        assert isinstance(refused.exception, TailrankError)
        assert message in str(refused.exception)
        assert not (tmp_path / "out").exists()
