"""Examples: texts with labels from tables of any format."""

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tailrank.errors import DataError
from tailrank.tasks.examples import ExampleColumns, Examples

CSV = "text,topic,part,when\nlate again,delay,train,2024-01-31\nthe bill is wrong,bill|tone,test,2024-02-01\n"


def test_tables_of_each_format_give_the_same(tmp_path: Path) -> None:
    columns = ExampleColumns(label="topic", split="part", time="when", separator="|")
    (tmp_path / "a.csv").write_text(CSV)
    with gzip.open(tmp_path / "b.csv.gz", "wt") as file:
        file.write(CSV)
    frame = pl.read_csv(tmp_path / "a.csv").with_columns(pl.col("topic").str.split("|"))
    frame.write_parquet(tmp_path / "c.parquet")
    frame.write_ndjson(tmp_path / "d.jsonl")
    for name in ("a.csv", "b.csv.gz", "c.parquet", "d.jsonl"):
        found = Examples.read(tmp_path / name, columns)
        assert found.texts == ("late again", "the bill is wrong")
        assert found.labels == (("delay",), ("bill", "tone"))
        assert found.split == ("train", "test")
        assert found.seconds is not None
        assert np.diff(found.seconds).tolist() == [86_400]
        assert found.part("test").labels == (("bill", "tone"),)


def test_a_label_may_look_like_a_number(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\na,007\nb,\n")
    assert Examples.read(tmp_path / "a.csv", ExampleColumns()).labels == (("007",), ())


@pytest.mark.parametrize(
    ("content", "columns", "message"),
    [
        (CSV, ExampleColumns(), r"no column `label`; there are `text`, `topic`"),
        (CSV, ExampleColumns(label="topics"), r"did you mean `topic`"),
        ("text,label\n,a\n", ExampleColumns(), r"a\.csv, row 1: `text` is empty"),
        ("text,label\nb,a\n", ExampleColumns(time="text"), r"row 1: `text` is 'b': give a time"),
        ("text,label\n", ExampleColumns(), "no rows"),
    ],
)
def test_mistakes_name_file_row_and_column(
    tmp_path: Path, content: str, columns: ExampleColumns, message: str
) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        Examples.read(tmp_path / "a.csv", columns)


def test_other_mistakes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        Examples.read(tmp_path / "a.csv", ExampleColumns())
    nested = pl.DataFrame({"text": [["a"]], "label": ["b"]})
    with pytest.raises(DataError, match="one text a row"):
        Examples.from_frame(nested, ExampleColumns())
    frame = pl.DataFrame({"text": ["a"], "label": ["b"], "part": ["train"]})
    with pytest.raises(DataError, match="no part 'test' in the split: there is train"):
        Examples.from_frame(frame, ExampleColumns(split="part")).part("test")
    many = pl.DataFrame({"text": [f"{n}" for n in range(30)], "label": ["b"] * 30})
    with pytest.raises(DataError, match="there are 30 values, so it is no column of parts"):
        Examples.from_frame(many, ExampleColumns(split="text")).part("test")
