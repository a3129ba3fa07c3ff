"""`ItemVectors`: the vectors of a catalogue, which know the encoder that they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import polars as pl

from tailrank.arrays import Floats
from tailrank.errors import RequestError
from tailrank.language.reading import Reading
from tailrank.language.text import default_template, item_texts
from tailrank.language.vector_column import VectorColumn, column_vectors, unit_rows
from tailrank.language.whitening import Whitening
from tailrank.reporting import Progress, silent

if TYPE_CHECKING:  # both bring what only encoding needs
    from tailrank.language.encoder import TextEncoder
    from tailrank.language.pictures import PictureEncoder
    from tailrank.language.store import VectorStore


LONGEST: Final = 1.01
"""Length of a unit vector with the rounding of half precision."""


@dataclass(frozen=True)
class EncoderIdentity:
    """Which encoder made vectors, and of which texts.

    Attributes
    ----------
    name
        As in `TextEncoder.load`: `default`, a folder, `package:NAME` or a hub id.
    sha256
        Of its weights.
    template
        Text of an item, such as "{title}. {genres}".
    reading
        How it reads.
    """

    name: str
    sha256: str
    template: str
    reading: Reading = field(default_factory=Reading)


@dataclass(frozen=True)
class ItemVectors:
    """One vector an item.

    Attributes
    ----------
    values
        Unit vectors, shape (items, d); zero if an item has no text.
    encoder
        Where they come from, so that whoever serves the model can encode the text of a new item; None for
        vectors of your own, which new items then lack unless you give them.
    whiten
        Whether `Whitening` is fitted to them; vectors that learned from behaviour are used as they are, and
        may say nothing of new items: see `TrainingData.known_only`.
    column
        Where they come from if it isn't text; see `from_column`.

    Raises
    ------
    RequestError
        Unless `values` is a matrix of finite numbers.
    """

    values: Floats
    encoder: EncoderIdentity | None = None
    whiten: bool = True
    column: VectorColumn | None = None

    def __post_init__(self) -> None:
        shape, kind = np.shape(self.values), np.asarray(self.values).dtype.kind
        if len(shape) != 2 or not shape[1] or kind not in "fiu" or not np.isfinite(self.values).all():
            raise RequestError(
                f"vectors of shape {shape}: give a matrix of finite numbers, of one row an item"
            )
        if not isinstance(self.values, np.ndarray):
            object.__setattr__(self, "values", np.array(self.values, np.float32))

    @classmethod
    def encode(
        cls,
        items: pl.DataFrame,
        encoder: TextEncoder,
        template: str | None = None,
        *,
        whiten: bool = True,
        store: VectorStore | None = None,
        progress: Progress = silent,
    ) -> Self:
        """Encode the texts of a catalogue.

        Parameters
        ----------
        items
            One row an item.
        encoder
            Reads the texts.
        template
            Text of an item; None means `default_template`.
        whiten
            See above.
        store
            Where vectors are kept between runs; None encodes everything now.
        progress
            Is told how many texts are encoded.

        Raises
        ------
        DataError
            If the template doesn't fit the table, or no column has text.
        EncoderError
            If a text can't be encoded, or the store can't be used.
        """
        template = default_template(items) if template is None else template
        texts = item_texts(items, template)
        encode = encoder.encode if store is None else partial(store.vectors, encoder=encoder)
        values = encode(texts, progress=progress)
        return cls(values, EncoderIdentity(encoder.name, encoder.sha256, template, encoder.reading), whiten)

    @classmethod
    def from_column(cls, items: pl.DataFrame, column: str) -> Self:
        """Take the vectors that a column of a catalogue holds; see `column_vectors` for what it may hold.

        Examples
        --------
        >>> items = pl.DataFrame({"item_id": ["a", "b"], "picture": [[3.0, 4.0], None]})
        >>> ItemVectors.from_column(items, "picture")
        ItemVectors(2 of width 2, of column 'picture')

        Raises
        ------
        DataError
            If there is no such column, or one of its cells is neither a vector nor empty.
        """
        return cls(column_vectors(items, column), column=VectorColumn(column))

    @classmethod
    def from_files(
        cls,
        items: pl.DataFrame,
        column: str,
        folder: Path,
        encoder: PictureEncoder,
        store: VectorStore | None = None,
        progress: Progress = silent,
    ) -> Self:
        """Encode the files that a column of a catalogue names; see `file_vectors`.

        Parameters
        ----------
        items
            One row an item.
        column
            Of paths of files from `folder`; empty for an item without one.
        folder
            Nothing outside of it is read.
        encoder
            Reads the files.
        store
            Where vectors are kept between runs; None means the usual place.
        progress
            Is told how many files are encoded.

        Raises
        ------
        DataError
            If there is no such column, or a file can't be used.
        EncoderError
            If the store can't be used.
        """
        from tailrank.language.media import file_vectors
        from tailrank.language.store import VectorStore

        values = file_vectors(items, column, folder, encoder, store or VectorStore(), progress)
        return cls(values, column=VectorColumn(column, encoder.name, encoder.sha256))

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        encoder = "your own" if self.encoder is None else f"by encoder {self.encoder.name!r}"
        encoder = encoder if self.column is None else f"of column {self.column.name!r}"
        return f"ItemVectors({len(self):,} of width {self.values.shape[1]}, {encoder})"

    def space(self, dimensions: int) -> VectorSpace:
        """Fit the space that signals compare these vectors in, of at most so many dimensions."""
        width = self.values.shape[1]
        whitening = Whitening.fit(self.values, min(dimensions, width)) if self.whiten else None
        return VectorSpace(self.encoder, whitening, width, self.column)


@dataclass(frozen=True)
class VectorSpace:
    """How the vector of a text becomes one that signals compare.

    Attributes
    ----------
    encoder
        Of the texts; None if it is unknown.
    whitening
        What is done to the encoder's vectors; None if they are used as they are.
    width
        The d of the encoder's vectors.
    column
        Of items, that the vectors come from; None if that is text, or they are your own.
    """

    encoder: EncoderIdentity | None
    whitening: Whitening | None
    width: int
    column: VectorColumn | None = None

    def __repr__(self) -> str:
        encoder = "your own" if self.encoder is None else f"encoder {self.encoder.name!r}"
        encoder = encoder if self.column is None else f"column {self.column.name!r}"
        return f"VectorSpace({encoder}, {self.width} to {self.dimensions} dimensions)"

    @property
    def dimensions(self) -> int:
        """The d of what `transform` gives."""
        return self.width if self.whitening is None else self.whitening.matrix.shape[1]

    def transform(self, vectors: Floats) -> Floats:
        """Bring vectors of the encoder, shape (n, width), into the space.

        Raises
        ------
        RequestError
            If they aren't finite, of another width or, without whitening, longer than one.
        """
        found = np.asarray(vectors, np.float32)
        if found.ndim != 2 or found.shape[1] != self.width or not np.isfinite(found).all():
            by = "" if self.encoder is None else f" of encoder {self.encoder.name!r}"
            raise RequestError(
                f"vectors of shape {found.shape}: give each item a finite vector{by}, of width {self.width}"
            )
        if self.column is not None:  # as they were when the space was fitted
            found = unit_rows(found)
        if self.whitening is not None:
            return self.whitening.transform(found)
        longest = np.linalg.norm(found, axis=1).max(initial=0)
        if longest > LONGEST:
            raise RequestError(
                f"a vector has length {longest:.3g}: divide each by its length, or let them be whitened"
            )
        return found
