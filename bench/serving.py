"""How long it takes to encode one history of 50 events: in NumPy, in torch and in onnxruntime."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Annotated, Final

import numpy as np
import onnxruntime
import torch
import typer
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from bench.study import Json, store, timed
from tailrank.arrays import Codes, Floats
from tailrank.benchmarks.timing import percentiles
from tailrank.data.histories import Histories
from tailrank.ranking.reranker import Reranker
from tailrank.signals.sequence.config import SASRecConfig
from tailrank.signals.sequence.model import SequenceModel, gap_buckets
from tailrank.signals.sequence.network import Network

RANDOM: Final = "random"
ITEMS: Final = 12_101
EVENTS: Final = 50
WARM_UP, CALLS = 200, 2_000
CLOSE: Final = 1e-4
SEED: Final = 0


class LatestVector(nn.Module):
    """The network with the items' vectors put together, as it serves: codes in, the latest vector out."""

    table: Tensor

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("table", network.vectors().detach())

    def forward(self, items: Tensor, types: Tensor, gaps: Tensor) -> Tensor:
        """Encode; each (n, length) in, (n, width) out."""
        encoded: Tensor = self.network(self.table[items], types, gaps)[:, -1]
        return encoded


def random_model() -> SequenceModel:
    """Draw every weight at random: the time does not depend on them."""
    torch.manual_seed(SEED)
    network = Network(ITEMS, np.ones(1, np.float32), None, SASRecConfig())
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(torch.randn_like(weights), alpha=0.1)
    return network.frozen()


def trained_model(folder: str) -> SequenceModel:
    """Read the sequence model of a model folder."""
    held = [each for each in Reranker.load(folder).signals if isinstance(each, SequenceModel)]
    if not held:
        raise SystemExit(f"{folder} holds no sequence model: train one with --sequence-epochs 12")
    return held[0]


def module(model: SequenceModel) -> LatestVector:
    """Put the weights of a model back into torch."""
    weights = {name: torch.from_numpy(array) for name, array in model.network.weights.items()}
    weights["residual"] = torch.from_numpy(model.table.vectors.whole)
    blocks = len({name.split(".")[1] for name in weights if name.startswith("blocks.")})
    width, length = len(weights["start"]), len(weights["positions"]) - 1
    config = SASRecConfig(width=width, heads=model.network.heads, blocks=blocks, length=length)
    network = Network(len(weights["residual"]), np.ones(len(weights["types"]), np.float32), None, config)
    network.load_state_dict(weights, strict=False)  # `untyped` follows from the rest, and no event is
    return LatestVector(network).eval()


def onnxruntime_session(network: LatestVector, example: Histories) -> onnxruntime.InferenceSession:
    """Export the network for onnxruntime."""
    inputs, options = _inputs(example), onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/network.onnx"
        tensors = tuple(map(torch.from_numpy, inputs.values()))
        torch.onnx.export(network, tensors, file, input_names=list(inputs), dynamo=False)
        return onnxruntime.InferenceSession(file, options, ["CPUExecutionProvider"])


def _inputs(history: Histories) -> Mapping[str, Codes]:
    """Prepare one history as `SequenceModel.encode` does for itself; each of shape (1, length)."""
    gaps = gap_buckets(np.diff(history.times, prepend=history.times[:1]))
    parts = {"items": history.items, "types": history.types, "gaps": gaps}
    return {name: codes[None].astype(np.int64) for name, codes in parts.items()}


@torch.no_grad()
def study(model: SequenceModel) -> Json:
    """Time each runtime on one thread, after checking that all give the same vector."""
    torch.set_num_threads(1)
    model = replace(model, slack=0)  # all of them read every event
    rng = np.random.default_rng(SEED)
    items = rng.integers(len(model.table), size=EVENTS).astype(np.int32)
    times = np.cumsum(rng.exponential(3600, EVENTS))
    history = Histories(items, np.zeros(EVENTS, np.int32), times, np.array([0, EVENTS]))
    network = module(model)
    session = onnxruntime_session(network, history)
    runtimes: dict[str, Callable[[], Floats]] = {
        "numpy": lambda: model.encode(history),
        "torch": lambda: network(*map(torch.from_numpy, _inputs(history).values())).numpy(),
        "onnxruntime": lambda: session.run(None, _inputs(history))[0],
    }
    rows = []
    with threadpool_limits(limits=1):
        for name, encode in runtimes.items():
            if not np.allclose(encode(), model.encode(history), rtol=0, atol=CLOSE):
                raise SystemExit(f"{name} gives another vector than numpy: the export is wrong")
            milliseconds = [1000 * timed(encode)[1] for _ in range(WARM_UP + CALLS)]
            rows.append({"runtime": name, **percentiles(np.array(milliseconds[WARM_UP:]))})
    return {"rows": rows}


def main(
    model: Annotated[str, typer.Argument(help=f"Folder of a model with a sequence model, or `{RANDOM}`.")],
) -> None:
    """Measure a model, and store the results."""
    drawn = model == RANDOM
    sequence = random_model() if drawn else trained_model(model)
    n_items, width = sequence.table.vectors.base.shape
    note = (
        f"One history of {EVENTS} events to one vector, on one thread; {CALLS:,} calls after {WARM_UP} to "
        f"warm up. {n_items:,} items, d = {width}, {RANDOM if drawn else 'trained'} weights. All give the "
        f"same vector within {CLOSE:g}. torch {torch.__version__}; onnxruntime {version('onnxruntime')}."
    )
    store("serving.json", {"seed": SEED, "note": note, **study(sequence)})
