"""`tailrank encode` on a small folder."""

from pathlib import Path

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from tailrank.cli.encode import encode
from tailrank.errors import DataError


def test_encode_tells_new_and_reused(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILRANK_CACHE", str(tmp_path / "cache"))
    pl.DataFrame({"item_id": ["1", "2", "3", "4"], "title": ["Tea", "Mug", "Tea", ""]}).write_parquet(
        tmp_path / "items.parquet"
    )
    app = typer.Typer()
    app.command()(encode)
    arguments = ["--data", str(tmp_path), "--encoder", str(tiny_folder), "--device", "cpu"]
    first, second = (CliRunner().invoke(app, arguments, catch_exceptions=False) for _ in range(2))
    assert "4 items, 2 distinct texts: 2 encoded" in first.stdout
    assert "1 items have no text" in first.stdout
    assert "0 encoded, 2 reused" in second.stdout
    folder = Path(second.stdout.strip().splitlines()[-1].removeprefix("vectors: "))
    assert (folder / "vectors.f32").stat().st_size == 2 * 8 * 4
    with pytest.raises(DataError, match="titel"):
        CliRunner().invoke(app, [*arguments, "--template", "{titel}"], catch_exceptions=False)
