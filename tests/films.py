"""A film to read: three colours, and somebody who speaks."""

from pathlib import Path

import av
import numpy as np
from PIL import Image

TENT = Path(__file__).parent / "fixtures" / "spoken" / "tent.ogg"
COLOURS = [(220, 20, 30), (10, 200, 40), (20, 30, 230)]


def write_film(file: Path, with_sound: bool = True) -> Path:
    """Write a film of three seconds: red, then green, then blue; somebody speaks of a tent."""
    with av.open(file, "w") as out:
        video = out.add_stream("libvpx" if file.suffix == ".webm" else "mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = (
            out.add_stream("libopus" if file.suffix == ".webm" else "aac", rate=48_000)
            if with_sound
            else None
        )
        for colour in COLOURS:
            for _ in range(10):
                picture = np.asarray(Image.new("RGB", (64, 48), colour))
                out.mux(video.encode(av.VideoFrame.from_ndarray(picture)))
        out.mux(video.encode(None))
        if audio is not None:
            with av.open(TENT) as spoken:
                for heard in spoken.decode(audio=0):
                    heard.pts = None
                    out.mux(audio.encode(heard))
            out.mux(audio.encode(None))
    return file
