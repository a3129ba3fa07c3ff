"""`tailrank task`: from a table to a task, its metrics and its answers."""

import json
import re
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from tailrank.cli.task import app
from tailrank.errors import DataError, ModelError, RequestError

SAID = {
    "card": ["my card is lost", "the card was stolen", "I can't find my bank card", "my card has gone"],
    "fee": ["what does a transfer cost", "how high is the fee", "why was I charged", "is there a charge"],
}
ROWS = [{"said": text, "topic": topic, "part": "train"} for topic in SAID for text in SAID[topic]] + [
    {"said": "someone took my card", "topic": "card", "part": "test"},
    {"said": "do you charge for it", "topic": "fee", "part": "test"},
    {"said": "how do whales sleep", "topic": "none of these", "part": "test"},
]
COLUMNS = ["--text", "said", "--label", "topic", "--split", "part"]
run = CliRunner().invoke


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("task") / "said.csv"
    pl.DataFrame(ROWS).write_csv(file)
    return file


@pytest.fixture(scope="module")
def task(table: Path) -> Path:
    folder = table.with_name("cards")
    done = run(app, ["train", "--data", str(table), *COLUMNS, "--few-shot", "3", "--out", str(folder)])
    assert done.exit_code == 0, done.output
    assert "2 labels from 6 texts" in done.output
    assert "accuracy" in done.output
    return folder


def test_a_task_is_measured_on_the_test_part(task: Path, table: Path, tmp_path: Path) -> None:
    outside = ["--outside", "none of these"]
    done = run(app, ["evaluate", str(task), "--data", str(table), *COLUMNS, *outside, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert (found["texts"], found["accuracy"], found["outside auroc"]) == (2, 1, 1)
    assert found["labels"]["card"]["recall"] == 1
    assert "<svg" in (tmp_path / "confusion.svg").read_text()


def test_a_label_from_outside_that_no_text_has_is_refused(task: Path, table: Path, tmp_path: Path) -> None:
    outside = ["--outside", "nothing"]
    done = run(app, ["evaluate", str(task), "--data", str(table), *COLUMNS, *outside, "--out", str(tmp_path)])
    assert isinstance(done.exception, RequestError)
    assert "no example has the label 'nothing'" in str(done.exception)


def test_answers_are_json_lines(task: Path, table: Path, tmp_path: Path) -> None:
    # A byte order mark, as shells of Windows put in front of what they pass on.
    lines = '\ufeff{"said": "card stolen"}\n{"said": "what is the fee"}\n'
    done = run(app, ["predict", str(task), "--text", "said", "--top", "1"], input=lines)
    assert done.exit_code == 0, done.output
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["text"] for each in answers] == ["card stolen", "what is the fee"]
    assert [each["labels"][0]["label"] for each in answers] == ["card", "fee"]
    file = tmp_path / "answers.jsonl"
    done = run(app, ["predict", str(task), str(table), "--text", "said", "--out", str(file)])
    assert len(file.read_text().splitlines()) == len(ROWS)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["train", "--data", "TABLE", "--out", "x"], DataError, "no column `text`"),
        (["train", "--data", "TABLE", *COLUMNS, "--kind", "two", "--out", "x"], RequestError, "kind"),
        (["train", "--data", "TABLE", *COLUMNS[:-1], "topic", "--out", "x"], DataError, "no part 'train'"),
        (
            ["train", "--data", "TABLE", *COLUMNS, "--kind", "pair", "--out", "x"],
            RequestError,
            ".csv: a task",
        ),
        (["train", "--data", "TABLE", *COLUMNS[:4], "--out", "x"], RequestError, "these' has 1 text"),
        (["evaluate", "TABLE", "--data", "TABLE", *COLUMNS, "--out", "x"], ModelError, "no task can be read"),
        (["predict", "TABLE", "nothing.csv"], ModelError, "no task can be read"),
    ],
)
def test_mistakes(
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    error: type[Exception],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(app, [str(table) if each == "TABLE" else each for each in arguments])
    assert isinstance(done.exception, error)
    assert message in str(done.exception)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("mark", ["|", ";", ","], ids=["bar", "semicolon", "comma"])
def test_labels_that_seem_to_be_several_in_one_are_refused(mark: str, tmp_path: Path) -> None:
    labels = {"card": f"card{mark}urgent", "fee": ""}
    rows = [{"text": text, "label": labels[topic]} for topic in SAID for text in SAID[topic]]
    pl.DataFrame(rows).write_csv(tmp_path / "said.csv")
    words = ["train", "--data", str(tmp_path / "said.csv"), "--kind", "several", "--out", str(tmp_path / "x")]
    done = run(app, words)
    assert isinstance(done.exception, RequestError)
    assert f"said.csv: row 1 has the label 'card{mark}urgent'" in str(done.exception)
    assert f"give --separator {mark!r}" in str(done.exception)
    assert "2 labels from 8 texts" in run(app, [*words, "--separator", mark]).output


def test_a_label_that_is_missing_is_named_by_its_row_of_the_file(task: Path, tmp_path: Path) -> None:
    file = tmp_path / "said.csv"
    for part, others in (("train", "test"), ("test", "train")):
        rows = [{"said": "hello", "topic": "card", "part": others}, {"said": "x", "topic": "", "part": part}]
        pl.DataFrame([*ROWS[:-1], *rows]).write_csv(file)
        words = ["train"] if part == "train" else ["evaluate", str(task)]
        done = run(app, [*words, "--data", str(file), *COLUMNS, "--out", str(tmp_path / "x")])
        assert isinstance(done.exception, RequestError)
        assert f"row {len(ROWS) + 1} has 0 labels" in str(done.exception)


def test_a_label_that_was_not_learned_is_named_with_what_is_near(task: Path, tmp_path: Path) -> None:
    for label, remedy in (("fees", "is it 'fee'?"), ("loan", "leave the row out")):
        (tmp_path / "asked.jsonl").write_text(json.dumps({"text": "how much?", "label": label}))
        done = run(app, ["evaluate", str(task), "--data", str(tmp_path / "asked.jsonl"), "--out", "x"])
        assert isinstance(done.exception, RequestError)
        assert re.search(f"asked.jsonl: row 1 has the label '{label}', .*{remedy}", str(done.exception))


def test_nothing_to_label_is_an_error(task: Path) -> None:
    with pytest.raises(DataError, match="nothing to read"):
        run(app, ["predict", str(task)], catch_exceptions=False)


def test_numbers_are_no_texts(task: Path) -> None:
    done = run(app, ["predict", str(task), "--text", "id"], input='{"id": 5, "said": "card stolen"}')
    assert "standard input: column `id` holds numbers: name the column" in str(done.exception)


def test_a_training_is_logged(table: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logs = tmp_path / "logs"
    command = ["train", "--data", str(table), *COLUMNS, "--out", str(tmp_path / "task")]
    done = run(app, [*command, "--track", f"tensorboard={logs}"])
    assert done.exit_code == 0, done.output
    [folder] = logs.iterdir()
    [accuracy] = EventAccumulator(str(folder)).Reload().Scalars("held out accuracy")
    assert 0 <= accuracy.value <= 1
    done = run(app, [*command, "--track", "nothing=here"])
    assert "names no tracker" in str(done.exception)


TABLE = """
[{name}]
data = "said.csv"
text = "said"
label = "topic"
split = "part"
{more}
"""


def test_tasks_are_trained_together_from_a_file(
    table: Path, small_bert: Path, tmp_path: Path, own_cache: Path
) -> None:
    (tmp_path / "said.csv").write_bytes(table.read_bytes())
    file, out = tmp_path / "tasks.toml", tmp_path / "out"
    file.write_text(TABLE.format(name="all", more="") + TABLE.format(name="few", more="few_shot = 2"))
    options = ["--encoder", str(small_bert), "--epochs", "1", "--out", str(out)]
    done = run(app, ["train-together", str(file), *options])
    assert done.exit_code == 0, done.output
    assert "all: 2 labels from 8 texts" in done.output
    assert "few: 2 labels from 4 texts" in done.output
    assert "shards" not in done.output  # a progress bar of the library that writes the encoder
    done = run(app, ["predict", str(out / "few"), "-"], input='{"text": "where is my card?"}')
    assert {label["label"] for label in json.loads(done.output)["labels"]} == {"card", "fee"}


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ((("a", ""),), "too few tables: write \\[NAME\\]"),
        ((("a", "shots = 2"), ("b", "")), "\\[a\\]: .*unknown field `shots`; a task has data, text"),
        ((("a", ""), ("encoder", "")), "\\[encoder\\] is where the encoder goes"),
        ((("a", ""), ("'x/y'", "")), "\\[x/y\\]: "),
        ((("a", ""), ("b", "few_shot = 1")), "\\[b\\]: .*>= 2.*few_shot"),
        ((("a", ""), ("b", "kind = 'x'")), "tasks.toml: \\[b\\]: no kind of task 'x'"),
    ],
)
def test_a_file_of_tasks_is_refused_by_name(
    table: Path, tmp_path: Path, tables: tuple[tuple[str, str], ...], message: str
) -> None:
    (tmp_path / "said.csv").write_bytes(table.read_bytes())
    file = tmp_path / "tasks.toml"
    file.write_text("".join(TABLE.format(name=name, more=more) for name, more in tables))
    done = run(app, ["train-together", str(file), "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, RequestError)
    assert re.search(message, str(done.exception))
