"""A tuned encoder on disk: loaded again it is the same, and it replaces nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from trainings import EQUAL, METHODS, WORDS, tuned_by

from tailrank.errors import EncoderError
from tailrank.language.encoder import TextEncoder
from tailrank.tuning.saving import save

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.mark.parametrize("method", METHODS)
def test_what_is_loaded_again_encodes_the_same(small_bert: Path, tmp_path: Path, method: str) -> None:
    tuned, encoder = tuned_by(small_bert, method=method)
    with tuned.encoder.full_model() as model:
        expected = replace(encoder, network=model).encode(WORDS)
    for merged in (False, True):
        out = tmp_path / str(merged)
        if method == "prompt" and merged:
            with pytest.raises(EncoderError, match="a prompt can't be merged"):
                save(tuned, encoder, out, {}, merged)
            assert not out.exists()
            continue
        save(tuned, encoder, out, {}, merged)
        again = TextEncoder.load(str(out), "cpu")
        # A merged update is added to the weights, which rounds otherwise.
        close = 2e-2 if method == "lora" and merged else EQUAL
        np.testing.assert_allclose(again.encode(WORDS), expected, atol=close)
        assert again.dimension == tuned.vectors[0].shape[1]
        adapter = (out / "adapter.json").exists()
        assert adapter == (not merged and method in ("lora", "prompt", "head"))


def test_tuning_goes_on_from_a_tuned_encoder(small_bert: Path, tmp_path: Path) -> None:
    for method in ("lora", "head", "full"):
        first, encoder = tuned_by(small_bert, method=method)
        save(first, encoder, tmp_path / method, {}, merged=False)
        second, again = tuned_by(tmp_path / method, method=method)
        save(second, again, tmp_path / "second", {}, merged=False)
        assert TextEncoder.load(str(tmp_path / "second")).dimension == 32
        assert second.validation_steps[0]["data"] == pytest.approx(
            first.validation_steps[first.best_step]["data"], abs=0.05
        )


def test_an_adapter_keeps_to_its_base(small_bert: Path, tmp_path: Path) -> None:
    tuned, encoder = tuned_by(small_bert)
    save(tuned, encoder, tmp_path / "out", {}, merged=False)
    label = tmp_path / "out" / "adapter.json"
    about = json.loads(label.read_text())
    label.write_text(json.dumps(about | {"base_fingerprint": "0" * 64}))
    with pytest.raises(EncoderError, match="belongs to another version"):
        TextEncoder.load(str(tmp_path / "out"))
    label.write_text("{")
    with pytest.raises(EncoderError, match="the adapter is damaged"):
        TextEncoder.load(str(tmp_path / "out"))
    label.write_text(json.dumps(about))
    (tmp_path / "out" / "head.safetensors").write_bytes(b"no")
    with pytest.raises(EncoderError, match="the adapter is damaged"):
        TextEncoder.load(str(tmp_path / "out"))


def test_no_encoder_replaces_its_own_base(small_bert: Path, tmp_path: Path) -> None:
    first, encoder = tuned_by(small_bert, method="full")
    save(first, encoder, tmp_path / "out", {}, merged=False)
    second, again = tuned_by(tmp_path / "out", method="lora")
    with pytest.raises(EncoderError, match="holds the encoder that is tuned"):
        save(second, again, tmp_path / "out", {}, merged=False)


def test_nothing_else_is_replaced(small_bert: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("precious")
    tuned, encoder = tuned_by(small_bert)
    with pytest.raises(EncoderError, match="is no tuned encoder"):
        save(tuned, encoder, tmp_path / "mine", {}, merged=False)
    assert (tmp_path / "mine" / "notes.txt").read_text() == "precious"
