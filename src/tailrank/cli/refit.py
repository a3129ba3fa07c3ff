"""Fitting the model in service anew: with its own settings, encoders and policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path

import typer

from tailrank.cli.from_log import scored_lists
from tailrank.cli.progress import progress_bars
from tailrank.cli.spaces import read_column
from tailrank.data.dataset import Dataset
from tailrank.errors import DataError, RequestError
from tailrank.evaluation.own_lists import with_upstream
from tailrank.language.encoder import TextEncoder
from tailrank.language.store import VectorStore
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.reranker import Reranker


class Refit:
    """Fits models like the one in service.

    Parameters
    ----------
    current
        The model in service.
    dataset
        Its items, as they are now, and all events.
    model
        Its folder, beside which long training leaves checkpoints, so that the same command goes on after an
        interruption.
    data
        Where the data are, and so the files that items name.
    """

    def __init__(self, current: Reranker, dataset: Dataset, model: Path, data: str) -> None:
        self._current, self._dataset, self._model, self._data = current, dataset, model, data

    def fit(self, dataset: Dataset) -> Reranker:
        """Fit with the settings, vector spaces, policy and upstream weights of the model in service.

        Parameters
        ----------
        dataset
            All of the data, or a part of the events.
        """
        current, stem = self._current, f"{self._model.name}.{dataset.fingerprint[:12]}"
        checkpoint = self._model.with_name(f"{stem}.checkpoint")
        with progress_bars() as progress:
            fitted = Reranker.fit(
                dataset,
                self._spaces,
                current.settings,
                progress,
                None if current.settings.sequence_epochs == 0 else checkpoint,
            )
        return replace(fitted, policy=current.policy, upstream=current.upstream)

    def learn_upstream(self, fitted: Reranker, log: Path | None) -> Reranker:
        """Learn from a log how much the scores of requests count; if it lacks them, they count as before."""
        lists = None if log is None else scored_lists(log)
        if lists is None:
            return fitted
        try:
            with progress_bars() as progress:
                return with_upstream(fitted, lists, self._dataset, self._spaces, progress)
        except DataError as why:
            typer.echo(f"scores of requests count as before: {why}", err=True)
            return fitted

    def remove_checkpoints(self) -> None:
        """Remove what interrupted trainings left, of earlier data, too."""
        for file in self._model.parent.glob(f"{self._model.name}.*.checkpoint*"):
            file.unlink(missing_ok=True)

    @cached_property
    def _spaces(self) -> Mapping[str, ItemVectors]:
        return {name: self._vectors(name) for name in self._current.spaces}

    def _vectors(self, name: str) -> ItemVectors:
        space = self._current.spaces[name]
        if space.column is not None:
            return read_column(self._dataset.items, space.column, self._data)
        if space.encoder is None:
            raise RequestError(f"space {name!r} has vectors of your own: fit the model in Python")
        encoder = TextEncoder.load(space.encoder.name, **asdict(space.encoder.reading))
        if encoder.sha256 != space.encoder.sha256:
            what = f"encoder {encoder.name!r} isn't the one of space {name!r} any more"
            raise RequestError(f"{what}: use train")
        with progress_bars() as progress:
            return ItemVectors.encode(
                self._dataset.items,
                encoder,
                space.encoder.template,
                whiten=space.whitening is not None,
                store=VectorStore(),
                progress=progress,
            )
