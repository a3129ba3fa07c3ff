"""Logs with the chances by which they were made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tailrank.data.policy_log import PolicyLog
from tailrank.errors import DataError

RANKINGS = {
    "ranking_id": ["b", "a", "a", "b", "a"],
    "position": [2, 3, 1, 1, 2],
    "user_id": ["u", "v", "v", "u", "v"],
    "clicked": [True, False, True, False, False],
    "propensity": [0.2, 0.3, 0.1, 0.1, 0.2],
    "target": [0.5, 0.6, 0.4, 0.0, 1.0],
}


def test_a_row_is_a_choice() -> None:
    table = pl.DataFrame(
        {"reward": [0.5, 2.0], "propensity": ["0.5", "0.1"], "target": [1, 0], "item_id": [7, 8]}
    )
    log = PolicyLog.from_frame(table)
    assert (log.rewards.tolist(), log.users, log.ranked) == ([[0.5], [2.0]], None, False)
    assert {name: values.tolist() for name, values in log.numbers.items()} == {
        "propensity": [[0.5], [0.1]],
        "target": [[1.0], [0.0]],
    }


def test_rows_are_put_together_to_rankings_and_short_ones_are_filled_up() -> None:
    log = PolicyLog.from_frame(pl.DataFrame(RANKINGS).with_columns(timestamp=pl.Series(range(5))))
    assert log.ranked
    assert log.rewards.tolist() == [[0, 1, 0], [1, 0, 0]]
    assert log.numbers["propensity"].tolist() == [[0.1, 0.2, 1], [0.1, 0.2, 0.3]]
    assert log.numbers["target"].tolist() == [[0, 0.5, 1], [0.4, 1, 0.6]]
    assert log.users is not None
    assert len(np.unique(log.users)) == 2


def test_a_file_reads_like_its_table(tmp_path: Path) -> None:
    pl.DataFrame(RANKINGS).write_csv(tmp_path / "log.csv")
    read, taken = PolicyLog.read(tmp_path / "log.csv"), PolicyLog.from_frame(pl.DataFrame(RANKINGS))
    assert read.rewards.tolist() == taken.rewards.tolist()
    with pytest.raises(DataError, match=r"none.csv: no such table"):
        PolicyLog.read(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"propensity": [0.2, 0.3, 0.0, 0.1, 0.2]}, "propensity that is no chance .*row 3 has 0.0.* above 0"),
        ({"target": [0.2, 1.3, 0.0, 0.1, 0.2]}, "target that is no chance .*row 2 has 1.3.* from 0 to 1"),
        ({"target": ["0.2", "much", "1", "1", "1"]}, "unreadable target .*row 2 has 'much'"),
        ({"propensity": None}, "missing columns .*propensity or next_propensity"),
        ({"clicked": None}, "missing columns .*reward or clicked"),
        ({"next_target": [1, 1, 1, 1, 1]}, "belong together .*next_target without next_propensity"),
        ({"predicted": [1, 1, 1, 1, 1]}, "belong together .*predicted without predicted_target"),
        (
            {"propensty": [1, 1, 1, 1, 1]},
            "unknown column `propensty`: did you mean `propensity`.*or leave it out",
        ),
        ({"position": [2, 3, 2, 1, 2]}, "positions that a ranking holds twice .*row 5 has 2"),
        ({"user_id": ["u", "v", "v", "u", "w"]}, "lists with several user_id"),
    ],
)
def test_what_makes_no_sense_is_named(changes: dict[str, Any], message: str) -> None:
    columns = {name: values for name, values in (RANKINGS | changes).items() if values is not None}
    with pytest.raises(DataError, match=message):
        PolicyLog.from_frame(pl.DataFrame(columns), "log.csv")


def test_chances_below_others_need_rankings() -> None:
    table = pl.DataFrame({"reward": [0, 1], "next_propensity": [1, 1], "next_target": [1, 1]})
    with pytest.raises(DataError, match=r"chances in rankings without ranking_id .*next_target"):
        PolicyLog.from_frame(table)
