"""`PictureEncoder`: the vectors of pictures, by any network that was written as an ONNX graph."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct

from tailrank.arrays import Floats
from tailrank.errors import EncoderError, first_line, needs
from tailrank.files import sha256_of
from tailrank.language.recordings import MOST_PIXELS, is_film, pictures

if TYPE_CHECKING:
    from PIL.Image import Image

GRAPHS: Final = ("model.onnx", "onnx/vision_model.onnx", "onnx/model.onnx", "vision_model.onnx")
"""Where the graph of an encoder may be; the first that there is counts."""

PREPROCESSING: Final = "preprocessor_config.json"
OUTPUTS: Final = ("image_embeds", "pooler_output")
"""Outputs that are the vector of a picture, if a graph has several; the first that there is counts."""

FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
LONGEST_SIDE: Final = 4096

FRAMES: Final = 8
"""Pictures of a film."""

Side = Annotated[int, Meta(ge=1, le=LONGEST_SIDE)]
Channels = Annotated[tuple[float, float, float], Meta()]


class Size(Struct, frozen=True, forbid_unknown_fields=True):
    """What a picture is brought to: a length of its shorter side, or both sides."""

    shortest_edge: Side | None = None
    height: Side | None = None
    width: Side | None = None


class Preprocessing(Struct, frozen=True):
    """What is read of `preprocessor_config.json`, as image processors of transformers write it."""

    image_mean: Channels
    image_std: Channels
    size: Size | Side
    crop_size: Size | Side | None = None
    do_resize: bool = True
    do_center_crop: bool | None = None
    do_rescale: bool = True
    do_normalize: bool = True
    do_pad: Literal[False] | None = None
    resample: Annotated[int, Meta(ge=0, le=5)] = 2
    rescale_factor: float = 1 / 255


@dataclass(frozen=True)
class PictureEncoder:
    """An encoder of pictures, run by onnxruntime; make one with `PictureEncoder.load`.

    Attributes
    ----------
    name
        The folder.
    sha256
        Of the graph.
    fingerprint
        Sha256 of everything that decides the vectors.
    dimension
        The d of the vectors.
    """

    name: str
    sha256: str
    fingerprint: str
    dimension: int
    _how: Preprocessing = field(repr=False)
    _session: Any = field(repr=False)
    _output: str = field(repr=False)

    @classmethod
    def load(cls, folder: Path | str, threads: int = 1) -> PictureEncoder:
        """Load a folder that holds an ONNX graph and `preprocessor_config.json`.

        The graph takes pictures of shape (n, 3, height, width) and gives one vector each, as `image_embeds`,
        as `pooler_output`, or as its only output of two dimensions: the layout of CLIP, SigLIP, DINOv2 and
        others on model hubs.

        Parameters
        ----------
        folder
            Where it is.
        threads
            For one picture.

        Raises
        ------
        EncoderError
            If a file or a package is missing, or they don't fit together.
        """
        place = Path(folder).expanduser()
        graph = next((place / name for name in GRAPHS if (place / name).is_file()), None)
        if graph is None:
            raise EncoderError(f"{folder}: no encoder of pictures: there is none of {', '.join(GRAPHS)}")
        how = _read_preprocessing(place / PREPROCESSING)
        session = _session(graph, threads)
        sha256 = sha256_of(graph)
        decisive = hashlib.sha256(f"{sha256} {how!r} {FRAMES} of a film".encode()).hexdigest()
        output = _output(session, graph)
        found = cls(str(folder), sha256, decisive, 0, how, session, output)
        from PIL import Image

        width = len(found.encode(Image.new("RGB", (64, 48))))
        return cls(str(folder), sha256, decisive, width, how, session, output)

    def encode(self, picture: Image) -> Floats:
        """Encode a picture; a unit vector of shape (d,).

        Raises
        ------
        EncoderError
            If it is too long for its width, the graph refuses what is made of it, or gives no finite vector.
        """
        pixels = preprocessed(picture, self._how)[None]
        try:
            [found] = self._session.run([self._output], {self._session.get_inputs()[0].name: pixels})
        except Exception as why:  # noqa: BLE001 - onnxruntime raises what has no other base
            raise EncoderError(
                f"{self.name}: the graph doesn't take pictures of shape {pixels.shape} ({first_line(why)}): "
                f"{PREPROCESSING} is of another network"
            ) from None
        vector: Floats = np.asarray(found, np.float32).reshape(-1)
        length = np.linalg.norm(vector)
        if found.ndim != 2 or len(found) != 1 or not np.isfinite(length):
            raise EncoderError(f"{self.name}: gives {np.shape(found)} for a picture, no finite vector")
        return vector / max(float(length), float(np.finfo(np.float32).tiny))

    def encode_file(self, file: Path) -> Floats:
        """Encode the picture in a file; a film is the mean direction of `FRAMES` pictures spread over it.

        Raises
        ------
        EncoderError
            If it can't be read as a picture or a film; the message doesn't name it.
        """
        if not is_film(file):
            return self.encode(read_picture(file))
        mean: Floats = np.mean([self.encode(picture) for picture in pictures(file, FRAMES)], axis=0)
        return mean / max(float(np.linalg.norm(mean)), float(np.finfo(np.float32).tiny))


def read_picture(file: Path) -> Image:
    """Read a picture: the first one of a file with several, turned as it says it was taken.

    Raises
    ------
    EncoderError
        If it is none, is cut off, has no colours, or is larger than 100 million pixels; the message doesn't
        name it.
    """
    with needs("an encoder of pictures", "pictures", EncoderError):
        from PIL import Image, ImageOps, UnidentifiedImageError
    try:
        with Image.open(file, formats=FORMATS) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise EncoderError(f"{opened.width} by {opened.height} pixels are too many: make it smaller")
            return _colours(ImageOps.exif_transpose(opened))
    except EncoderError:
        raise
    except Exception as why:  # noqa: BLE001 - a broken picture makes Pillow raise anything
        reason = "no picture" if isinstance(why, UnidentifiedImageError) else first_line(why)
        raise EncoderError(f"can't be read as {', '.join(FORMATS)} ({reason}): write it again") from None


def _colours(picture: Image) -> Image:
    """Bring a picture to 8 bits of red, green and blue; the library cuts what has more bits off at white."""
    from PIL import Image

    if picture.mode.startswith("I;16"):
        picture = Image.fromarray((np.asarray(picture, np.uint16) >> 8).astype(np.uint8))
    if picture.mode in {"I", "F"}:
        raise EncoderError(f"holds numbers that are no colours (mode {picture.mode}): write it with 8 bits")
    return picture.convert("RGB")


def preprocessed(picture: Image, how: Preprocessing) -> Floats:
    """Bring a picture to what a network was trained on, shape (3, height, width): resize, crop, normalise.

    Raises
    ------
    EncoderError
        If it is too long for its width.
    """
    if how.do_resize:
        picture = picture.resize(_resized(picture.size, how.size), how.resample)
    if how.crop_size is not None and how.do_center_crop is not False:
        picture = _cropped(picture, *_sides(how.crop_size, PREPROCESSING))
    pixels = np.asarray(picture, np.float32)
    if how.do_rescale:
        pixels = pixels * np.float32(how.rescale_factor)
    if how.do_normalize:
        mean, std = (np.array(each, np.float32) for each in (how.image_mean, how.image_std))
        pixels = (pixels - mean) / std
    found: Floats = np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32)
    return found


def _resized(size: tuple[int, int], wanted: Size | int) -> tuple[int, int]:
    """Say to which width and height a picture of such a size is resized; a strip without end is refused."""
    if isinstance(wanted, Size) and wanted.shortest_edge is None:
        height, width = _sides(wanted, PREPROCESSING)
        return width, height
    short = wanted.shortest_edge if isinstance(wanted, Size) else wanted
    assert short is not None  # noqa: S101 - said above
    width, height = size
    shorter, longer = sorted(size)
    if short * longer // shorter * short > LONGEST_SIDE**2:  # a line of pixels would become gigabytes
        raise EncoderError(f"{width} by {height} pixels are too long a strip: cut it")
    return (short, short * height // width) if width <= height else (short * width // height, short)


def _cropped(picture: Image, height: int, width: int) -> Image:
    """Cut the middle out; what a picture lacks of it is black."""
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def _sides(size: Size | int, place: Path | str) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    if size.height is None or size.width is None:
        raise EncoderError(f"{place}: a size has neither `height` and `width` nor `shortest_edge`")
    return size.height, size.width


def _read_preprocessing(file: Path) -> Preprocessing:
    try:
        how = msgspec.json.decode(file.read_bytes(), type=Preprocessing)
    except OSError as why:
        raise EncoderError(f"{file}: can't be read ({first_line(why)}): add the image processor's") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as why:
        raise EncoderError(
            f"{file}: says what isn't known of pictures ({why}): take the one that came with the network"
        ) from None
    for size in (how.size, how.crop_size):
        if isinstance(size, Size) and size.shortest_edge is None:
            _sides(size, file)
    return how


def _session(graph: Path, threads: int) -> Any:
    with needs("an encoder of pictures", "pictures", EncoderError):
        import onnxruntime
        import PIL  # noqa: F401
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(graph, options, ["CPUExecutionProvider"])
    except Exception as why:  # noqa: BLE001 - it raises what has no other base
        raise EncoderError(f"{graph}: onnxruntime can't read it ({first_line(why)})") from None


def _output(session: Any, graph: Path) -> str:
    """Name the output that is the vector of a picture; a graph that needs more than pictures is refused."""
    inputs = [each.name for each in session.get_inputs()]
    flat = [each.name for each in session.get_outputs() if len(each.shape) == 2]
    known = [name for name in OUTPUTS if name in flat] or flat
    if len(inputs) != 1 or not known or (len(flat) > 1 and known is flat):
        outputs = [each.name for each in session.get_outputs()]
        raise EncoderError(
            f"{graph}: takes {', '.join(inputs)} and gives {', '.join(outputs)}: an encoder takes "
            f"pictures alone and gives {' or '.join(OUTPUTS)}, or one output of two dimensions"
        )
    return known[0]
