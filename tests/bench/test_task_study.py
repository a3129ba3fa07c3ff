"""The study of tasks: what it stores beside what was stored, and when it measures anew."""

import json
from pathlib import Path

import polars as pl
import pytest

from bench import study, tasks


def test_a_part_is_stored_beside_the_others_and_measured_anew_on_other_texts(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "RESULTS", tmp_path)
    stored = tmp_path / tasks.FILE
    stored.write_text(json.dumps({"sets": {"clinc150": {"frozen": {"0": {"accuracy": 0.5}}}}}))
    data = tmp_path / "banking77"
    data.mkdir()

    def accuracy(tested: str) -> float:
        texts = [f"{what} number {n}" for n in range(8) for what in ("my card", "the fee", "a loan")]
        rows = {"text": [*texts, tested], "intent": [*["card", "fee", "loan"] * 8, "card"]}
        pl.DataFrame(rows | {"split": [*["train"] * 24, "test"]}).write_parquet(data / "data.parquet")
        tasks.main(tmp_path, "banking77", "tf-idf and svm", "3")
        sets = json.loads(stored.read_text())["sets"]
        assert sets["clinc150"] == {"frozen": {"0": {"accuracy": 0.5}}}
        found: float = sets["banking77"]["tf-idf and svm"]["3"]["accuracy"]
        return found

    assert accuracy("where is my card") == 1
    assert accuracy("what is the fee") == 0
