"""Sounds and films in files, read by PyAV: the first minutes of a sound, some pictures of a film."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tailrank.arrays import Floats
from tailrank.errors import EncoderError, first_line, needs

if TYPE_CHECKING:
    from PIL.Image import Image

FILMS: Final = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv"})
SOUNDS: Final = frozenset(
    {".aac", ".aif", ".aiff", ".amr", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav"}
)
"""Ends of the names of files."""

CONTAINERS: Final = "aac,aiff,amr,asf,avi,caf,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,wav,webm"
"""That are opened: no playlists, which name other files."""

RATE: Final = 16_000
"""Samples of a second, as recognisers of speech take them."""

MOST_PIXELS: Final = 100_000_000
MICROSECONDS: Final = 1_000_000


def is_film(file: Path) -> bool:
    """Whether a file is named as a film."""
    return file.suffix.lower() in FILMS


def is_recording(file: Path) -> bool:
    """Whether a file is named as a sound or a film, which is read in parts, however large it is."""
    return is_film(file) or file.suffix.lower() in SOUNDS


def duration(file: Path) -> float:
    """Give the seconds that a sound or a film lasts.

    Raises
    ------
    EncoderError
        If it is neither; the message doesn't name it.
    """
    with _opened(file) as opened:
        return _duration(opened)


def sound(file: Path, seconds: float) -> Floats:
    """Read the first seconds of a sound, or of that of a film.

    Returns
    -------
    Floats
        One channel, `RATE` samples a second, from -1 to 1; shape (samples,), of which a silent film has none.

    Raises
    ------
    EncoderError
        If it can't be read; the message doesn't name the file.
    """
    import av

    most = int(seconds * RATE)
    parts, found = [np.zeros(0, np.float32)], 0
    with _opened(file) as opened:
        if not opened.streams.audio:
            return parts[0]
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        for frame in chain(opened.decode(audio=0), [None]):  # None flushes what the resampler holds
            for part in resampler.resample(frame):
                parts.append(part.to_ndarray().reshape(-1).astype(np.float32, copy=False))
                found += len(parts[-1])
            if found >= most:
                break
    return np.concatenate(parts)[:most]


def pictures(file: Path, n: int) -> list[Image]:
    """Give n pictures of a film, in the middle of n equal parts of it; fewer if it has fewer.

    Raises
    ------
    EncoderError
        If it has none, or can't be read; the message doesn't name the file.
    """
    found: dict[int, Image] = {}
    with _opened(file, "video") as opened:
        if not opened.streams.video:
            raise EncoderError("has no pictures: name another file")
        stream = opened.streams.video[0]
        if stream.width * stream.height > MOST_PIXELS:
            raise EncoderError(f"{stream.width} by {stream.height} pixels are too many: make it smaller")
        length, first = _duration(opened), float((stream.start_time or 0) * stream.time_base)
        for part in range(n):
            wanted = first + length * (part + 0.5) / n
            opened.seek(int(wanted * MICROSECONDS))  # to the whole picture before it
            frame = _frame_at(opened, wanted)
            if frame is not None and frame.pts not in found:
                found[frame.pts] = frame.to_image().rotate(frame.rotation, expand=True)
    if not found:
        raise EncoderError("has no pictures: name another file")
    return list(found.values())


def _frame_at(opened: Any, wanted: float) -> Any:
    """Give the frame that is shown at a time; None if there is none from here on."""
    shown = None
    for frame in opened.decode(video=0):
        if shown is not None and (frame.time or 0.0) > wanted:  # not every frame has a time
            break
        shown = frame
    return shown


def _duration(opened: Any) -> float:
    """Give what the file says or, as a live recording says nothing, when its last packet is shown."""
    if opened.duration is not None:
        return float(opened.duration) / MICROSECONDS
    times = [packet.pts * packet.time_base for packet in opened.demux() if packet.pts is not None]
    return float(max(times) - min(times)) if times else 0.0


@contextmanager
def _opened(file: Path, extra: str = "speech") -> Iterator[Any]:
    with needs("reading sounds and films", extra, EncoderError):
        import av
    try:
        with (
            file.open("rb") as raw,
            av.open(raw, options={"format_whitelist": CONTAINERS}, metadata_errors="ignore") as opened,
        ):
            yield opened
    except (av.FFmpegError, OSError) as why:
        raise EncoderError(
            f"can't be read as a sound or a film ({why.strerror or first_line(why)}): write it again"
        ) from None
