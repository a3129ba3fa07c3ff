"""Fit what tells acts of users apart, and write it into the package: `python tools/acts.py`.

It learns from `src/tailrank/conversation/phrases.txt`; a test says if these have changed since.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from safetensors.numpy import save_file

from tailrank.conversation import acts
from tailrank.language.encoder import TextEncoder

WRITTEN: Final = Path(acts.__file__).with_name(acts.WEIGHTS)


def main() -> None:
    """Fit and write."""
    fitted = acts.Acts.fit(acts.phrases(), TextEncoder.load(acts.ENCODER))
    about = {
        "acts": ",".join(fitted.names),
        "encoder": fitted.encoder_sha256,
        "phrases": fitted.phrases_sha256,
    }
    weights = np.ascontiguousarray(fitted.weights, np.float16)  # the file has no other order
    save_file({"weights": weights, "bias": fitted.bias}, WRITTEN, about)


if __name__ == "__main__":
    main()
