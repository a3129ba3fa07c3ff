"""Whitening: make frozen vectors comparable by giving every direction about the same spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tailrank.arrays import Doubles, Floats
from tailrank.errors import EncoderError


@dataclass(frozen=True)
class Whitening:
    """A linear map fitted to a catalogue's vectors: subtract `mean`, multiply by `matrix`.

    Frozen language models crowd all texts into a narrow cone; PCA whitening opens it (Su et al. 2021,
    "Whitening Sentence Representations for Better Semantics and Faster Retrieval"; Huang et al. 2021,
    "WhiteningBERT"). They scale the principal directions by eigenvalue^-0.5. The default of
    eigenvalue^-0.45 is ours: it keeps the directions of least spread, mostly noise, a little quieter.

    Few texts say little about how texts spread, and fewer than dimensions would all end up equally far
    apart. So the eigenvalues are first pulled toward their mean as far as Ledoit and Wolf (2004), "A
    well-conditioned estimator for large-dimensional covariance matrices", equation 14, advise for the space
    that the texts span. A handful is merely centred, thousands are whitened almost in full.

    Attributes
    ----------
    mean
        Shape (d,).
    matrix
        Shape (d, dimensions).

    Examples
    --------
    >>> vectors = np.array([[0.6, 0.8], [0.8, 0.6], [0.64, 0.77]], dtype=np.float32)
    >>> (vectors @ vectors.T)[0].round(1).astype(str).tolist()
    ['1.0', '1.0', '1.0']
    >>> white = Whitening.fit(vectors).transform(vectors)
    >>> (white @ white.T)[0].round(1).astype(str).tolist()
    ['1.0', '-1.0', '1.0']
    """

    mean: Floats
    matrix: Floats

    @classmethod
    def fit(cls, vectors: Floats, dimensions: int | None = None, power: float = 0.45) -> Whitening:
        """Learn the map from vectors; zero vectors (items without text) are left out.

        Parameters
        ----------
        vectors
            Shape (n, d). Equal vectors count as often as they occur, but as one piece of evidence.
        dimensions
            Principal directions to keep, those of most spread first; None keeps d. Directions without
            any spread (fewer vectors than dimensions, constant vectors) become columns of zeros.
        power
            Directions are scaled by shrunk eigenvalue^-power: 0 rotates only, 0.5 whitens fully.

        Raises
        ------
        EncoderError
            If vectors aren't a matrix of finite numbers, or an option makes no sense.
        """
        _check(vectors)
        d = vectors.shape[1]
        k = d if dimensions is None else dimensions
        if not 1 <= k <= d or not 0 <= power <= 1:
            raise EncoderError(
                f"whitening needs dimensions from 1 to {d} and a power from 0 to 1, not {k} and {power}"
            )
        known = vectors[vectors.any(axis=1)].astype(np.float64)
        n = max(len(known), 1)
        mean = known.sum(axis=0) / n
        centred = known - mean
        spread, directions = np.linalg.eigh(centred.T @ centred / n)
        spread, directions = spread[::-1], directions[:, ::-1]
        # An eigenvector's sign is arbitrary: make its largest entry positive, so that fits agree.
        largest = np.abs(directions).argmax(axis=0)
        directions = directions * np.sign(directions[largest, np.arange(d)])
        rank = int((spread > 1e-10 * np.square(known).sum() / n).sum())
        scale = np.zeros(d)
        if rank:
            scale[:rank] = _shrunk(spread[:rank], centred, len(np.unique(known, axis=0))) ** -power
        return cls(mean.astype(np.float32), (directions * scale)[:, :k].astype(np.float32))

    def transform(self, vectors: Floats) -> Floats:
        """Whiten vectors and scale them to length one.

        Parameters
        ----------
        vectors
            Shape (n, d). Zero vectors stay zero.

        Returns
        -------
        Floats
            Shape (n, dimensions); zero if nothing is left of a vector.

        Raises
        ------
        EncoderError
            If vectors aren't finite or have another width than the fitted ones.
        """
        _check(vectors)
        if vectors.shape[1] != len(self.mean):
            raise EncoderError(
                f"vectors have width {vectors.shape[1]}, but the whitening was fitted on width "
                f"{len(self.mean)}: use the same encoder for both"
            )
        white = np.where(vectors.any(axis=1, keepdims=True), (vectors - self.mean) @ self.matrix, 0)
        norms = np.linalg.norm(white, axis=1, keepdims=True)
        unit: Floats = (white / np.maximum(norms, np.finfo(np.float32).tiny)).astype(np.float32)
        return unit


def _shrunk(spread: Doubles, centred: Doubles, n_distinct: int) -> Doubles:
    """Pull variances, shape (rank,), toward their mean as far as chance may have set them apart.

    Chance is the paper's b^2, what sets them apart its d^2, both times the rank.
    """
    fourth = np.square(np.einsum("ij,ij->i", centred, centred)).mean()
    chance = max(fourth - np.square(spread).sum(), 0) / n_distinct
    apart = np.square(spread - spread.mean()).sum()
    pull = min(chance, apart) / max(apart, np.finfo(float).tiny)
    shrunk: Doubles = (1 - pull) * spread + pull * spread.mean()
    return shrunk


def _check(vectors: Floats) -> None:
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise EncoderError("whitening needs a matrix of finite numbers, one row a text")
