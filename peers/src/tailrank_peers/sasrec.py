"""SASRec by RecTools: softmax over the catalogue, gBCE, and items that are also known by their text."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any, Final

import numpy as np

from tailrank.arrays import Bools, Floats, Offsets
from tailrank.data.candidates import Candidates
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories
from tailrank.data.splits import Split
from tailrank.errors import RequestError
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.settings import Settings
from tailrank_peers.text_items import text_item_net
from tailrank_peers.tuning import Fit, Peer, Setting

EVENTS: Final = 512
"""Places for events in a batch, so that batches of long sessions are as large as those of short ones."""

STEPS: Final = 128
"""Steps of an epoch at least: with few users it goes through their sessions several times."""

NEGATIVES: Final = 128
CALIBRATION: Final = 0.75
"""The t of gBCE, as its authors' code has it; that draws 256 negatives."""

SOFTMAX_ITEMS: Final = 20_000
"""Above this many items, an epoch of a full softmax is not for a processor."""

UNKNOWN: Final = np.finfo(np.float32).min
"""Score of an item that has no embedding: below all others."""


@dataclass(frozen=True)
class SessionScorer:
    """Runs the trained network over a history, and multiplies what comes out with item embeddings.

    Attributes
    ----------
    network
        RecTools' torch module, in evaluation mode.
    embeddings
        Tensor of shape (1 + items, d): the padding, then the catalogue in code order.
    known
        Which items have an embedding, shape (items,). Others are dropped from histories.
    length
        Latest events that the network looks at.
    """

    network: Any
    embeddings: Any
    known: Bools
    length: int

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Score by inner product; shape (histories, candidates). A history without a known item scores 0."""
        import torch

        sessions = self._sessions(histories)
        with torch.inference_mode():
            encoded = self.network.encode_sessions({"x": torch.from_numpy(sessions)}, self.embeddings)[:, -1]
            chosen = self.embeddings[1 + torch.from_numpy(candidates.codes).long()]
            scores: Floats = (encoded @ chosen.T).numpy()
        scores[sessions[:, -1] == 0] = 0
        scores[:, ~self.known[candidates.codes]] = UNKNOWN
        return scores

    def _sessions(self, histories: Histories) -> Offsets:
        """Put the latest known items at the right, as rows of `embeddings`; shape (histories, length)."""
        keep = self.known[histories.items]
        items, owners = histories.items[keep], histories.owners[keep]
        ends = np.searchsorted(owners, np.arange(len(histories)), side="right")
        ages = ends[owners] - 1 - np.arange(len(items))
        late = ages < self.length
        sessions = np.zeros((len(histories), self.length), dtype=np.int64)
        sessions[owners[late], self.length - 1 - ages[late]] = 1 + items[late]
        return sessions


def sasrec_epoch(split: Split, d: int, length: int, batch: int, loss: str) -> float:
    """Train RecTools' SASRec, as it comes, for one epoch of `split.train`.

    Parameters
    ----------
    split
        Whose training events to go through once.
    d
        Width of the embeddings; two blocks with two heads each.
    length
        Events of a session, padding included.
    batch
        Sessions a step.
    loss
        RecTools' name of it: "softmax", "gBCE" (with 128 negatives) or "BCE" (with as many).

    Returns
    -------
    float
        Seconds of the epoch alone, without what it takes to build the network and the sessions.
    """
    import torch
    from pytorch_lightning.callbacks import Timer

    torch.manual_seed(0)
    setting = {"factors": d, "dropout": 0.2, "rate": 0.001}
    with _quietly():
        model = _network(setting, loss, length, text=False, batch_size=batch, get_trainer_func=_timed)
        model.fit(_rectools_data(split.train))
    timer = next(each for each in model.fit_trainer.callbacks if isinstance(each, Timer))
    return float(timer.time_elapsed("train"))


def _timed() -> Any:
    from pytorch_lightning import Trainer
    from pytorch_lightning.callbacks import Timer

    return Trainer(
        max_epochs=1,
        callbacks=[Timer()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _network(setting: Setting, loss: str, length: int, text: bool, **options: Any) -> Any:
    from rectools.models import SASRecModel
    from rectools.models.nn.item_net import IdEmbeddingsItemNet

    blocks = (IdEmbeddingsItemNet, text_item_net()) if text else (IdEmbeddingsItemNet,)
    return SASRecModel(
        n_factors=setting["factors"],
        dropout_rate=setting["dropout"],
        lr=setting["rate"],
        n_blocks=2,
        n_heads=2,
        session_max_len=length,
        loss=loss,
        n_negatives=NEGATIVES,
        gbce_t=CALIBRATION,
        item_net_block_types=blocks,
        **options,
    )


def _rectools_data(data: Dataset, vectors: Floats | None = None) -> Any:
    """Hand over coded events, in their order, and a vector for each item if there is one."""
    import pandas as pd
    from rectools.dataset import Dataset as RecToolsDataset

    h = data.histories
    order = pd.to_datetime(np.arange(len(h.items)), unit="s")
    events = pd.DataFrame({"user_id": h.owners, "item_id": h.items, "weight": 1.0, "datetime": order})
    if vectors is None:
        return RecToolsDataset.construct(events)
    features = pd.DataFrame(vectors).rename(columns=str).assign(id=np.arange(len(vectors)))
    return RecToolsDataset.construct(events, item_features_df=features, make_dense_item_features=True)


def _sasrec(loss: str, text: bool, split: Split, vectors: Floats | None, settings: Settings) -> Fit:
    import torch

    if loss == "softmax" and split.full_train.n_items > SOFTMAX_ITEMS:
        raise RequestError(
            f"{split.full_train.name}: a softmax over {split.full_train.n_items:,} items takes too long "
            f"without a GPU, {SOFTMAX_ITEMS:,} at most: use sasrec-gbce, which draws {NEGATIVES} of them"
        )
    if text and vectors is None:
        raise RequestError("sasrec-text needs an encoder: leave it out of --models, or name one")
    white = None
    if text and vectors is not None:
        white = ItemVectors(vectors).space(settings.dimensions).transform(vectors)
    data = _rectools_data(split.full_train, white)
    length = _session_length(split.full_train, settings.max_history)
    batch = max(1, EVENTS // length)
    passes = ceil(STEPS * batch / int((split.full_train.histories.lengths > 1).sum()))

    def fit(setting: Setting) -> SessionScorer:
        torch.manual_seed(settings.seed)
        epochs = passes * int(setting["epochs"])
        with _quietly():
            model = _network(setting, loss, length, text, batch_size=batch)
            model.fit_partial(data, epochs, epochs)
        return _scorer(model, split.full_train.n_items, white, length)

    return fit


def _scorer(model: Any, n_items: int, vectors: Floats | None, length: int) -> SessionScorer:
    """Wrap the network, with the embeddings of the whole catalogue in code order."""
    import torch

    network = model.torch_model.eval()
    codes = model.data_preparator.get_known_item_ids().astype(np.int64)
    known = np.zeros(n_items, dtype=bool)
    known[codes] = True
    with torch.inference_mode():
        learned = network.item_model.get_all_embeddings()
        embeddings = torch.zeros(1 + n_items, learned.shape[1])
        if vectors is not None:
            known[:] = True
            embeddings[1:] = network.item_model.item_net_blocks[1].project(torch.from_numpy(vectors))
        embeddings[1 + codes] = learned[1:]
    return SessionScorer(network, embeddings, known, length)


def _session_length(data: Dataset, max_history: int) -> int:
    """Choose a length that is enough for nine in ten users; padding costs as much as events."""
    lengths = data.histories.lengths
    return min(max_history, int(np.quantile(lengths[lengths > 1], 0.9)))


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep Lightning from reporting on hardware and advising on workers."""
    import pytorch_lightning

    logger = logging.getLogger(pytorch_lightning.__name__)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logger.setLevel(level)


def _grid(*settings: tuple[int, float, int]) -> tuple[Setting, ...]:
    """Name what is tuned: width, dropout and epochs, under a rate that suits few epochs."""
    return tuple(
        {"factors": factors, "dropout": dropout, "epochs": epochs, "rate": 0.005}
        for factors, dropout, epochs in settings
    )


WIDE_LOSS: Final = _grid((64, 0.5, 10), (128, 0.5, 10), (64, 0.2, 10), (64, 0.5, 20))
SAMPLED_LOSS: Final = _grid((64, 0.2, 10), (64, 0.2, 20), (128, 0.2, 10), (64, 0.5, 20))

SOFTMAX: Final = Peer("sasrec-softmax", partial(_sasrec, "softmax", False), WIDE_LOSS)
"""SASRec (Kang and McAuley, ICDM 2018) with a softmax over the whole catalogue."""

GBCE: Final = Peer("sasrec-gbce", partial(_sasrec, "gBCE", False), SAMPLED_LOSS)
"""SASRec with many negatives and a loss calibrated for them: gSASRec (Petrov and Macdonald, RecSys 2023)."""

TEXT: Final = Peer("sasrec-text", partial(_sasrec, "softmax", True), WIDE_LOSS)
"""The first of these, with a linear map of the whitened text vector added to each item's embedding."""
