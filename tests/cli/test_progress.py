"""Progress: bars on a terminal; elsewhere lines, but not for what is quick."""

import pytest

from tailrank.cli.progress import progress_bars


def test_bars_count_and_show_notes_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> str:
        with progress_bars() as progress:
            progress("encoding", 0, 12_000)
            progress("encoding", 12_000, 12_000)
            progress("train", 1, 2, "loss [0.5]")
            progress("fit", 0, None)
        out, drawn = capsys.readouterr()
        assert not out
        return drawn

    assert not run().strip()
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    drawn = run()
    assert "12.0k/12.0k" in drawn
    assert "train: loss [0.5]" in drawn
    assert "1/2" in drawn
