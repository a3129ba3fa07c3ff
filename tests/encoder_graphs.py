"""Encoders without torch for tests that have loaded torch already."""

import warnings

from tailrank.language.exporting import export
from tailrank.language.onnx_encoder import graph_folder
from tailrank.language.reading import Reading
from tailrank.language.sources import find_encoder


def write_graph(name: str) -> None:
    """Write an encoder's graph into the cache: another process, which loads torch first, takes seconds."""
    folder = graph_folder(find_encoder(name), Reading())
    folder.mkdir(parents=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing: what they warn of is measured
        export(name, Reading(), folder)
