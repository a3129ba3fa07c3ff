"""The notebooks run, and hold the output of a run."""

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookClient]:
    """One kernel for all notebooks, which imports torch once."""
    where = {"metadata": {"path": str(tmp_path_factory.mktemp("notebooks"))}}
    client = NotebookClient(new_notebook(), timeout=300, kernel_name="python3", resources=where)
    with client.setup_kernel():
        yield client


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_holds_what_it_shows(path: Path, client: NotebookClient) -> None:
    book = nbformat.read(path, as_version=4)
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for cell in cells for output in cell.outputs if output.output_type != "execute_result"]
    book.cells.insert(0, new_code_cell("%reset -f"))  # none knows the names of another one
    client.nb = book
    client.execute(cleanup_kc=False)
