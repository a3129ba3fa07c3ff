"""Pictures as vectors: a network of transformers, exported, against itself and its own image processor."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from typer.testing import CliRunner

from films import write_film
from tailrank import Dataset, ItemVectors, Reranker, VectorStore
from tailrank.cli.main import app
from tailrank.errors import DataError, EncoderError
from tailrank.language.pictures import PictureEncoder, read_picture
from tailrank.language.recordings import pictures

SIDE = 32
COLOURS = {"red": (220, 20, 30), "green": (10, 200, 40), "blue": (20, 30, 230)}


@pytest.fixture(scope="module")
def clip() -> Any:
    """A CLIP of one layer with random weights."""
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(0)
    size: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    config = CLIPVisionConfig(image_size=SIDE, patch_size=8, projection_dim=12, **size)
    model: Any = CLIPVisionModelWithProjection(config)
    return model.eval()


@pytest.fixture(scope="module")
def processor() -> Any:
    from transformers import CLIPImageProcessorPil

    return CLIPImageProcessorPil(size={"shortest_edge": 36}, crop_size={"height": SIDE, "width": SIDE})


@pytest.fixture(scope="module")
def encoder_folder(clip: Any, processor: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    folder = tmp_path_factory.mktemp("encoders") / "clip"
    processor.save_pretrained(folder)
    with torch.no_grad():
        torch.onnx.export(
            clip,
            (torch.zeros(1, 3, SIDE, SIDE),),
            str(folder / "model.onnx"),
            input_names=["pixel_values"],
            output_names=["image_embeds", "last_hidden_state"],
            dynamic_axes={"pixel_values": {0: "batch"}},
            dynamo=False,
        )
    return folder


@pytest.fixture(scope="module")
def encoder(encoder_folder: Path) -> PictureEncoder:
    return PictureEncoder.load(encoder_folder)


def drawn(seed: int, width: int, height: int) -> Image.Image:
    """Draw a picture of soft spots."""
    rng = np.random.default_rng(seed)
    spots = Image.fromarray(rng.integers(0, 256, (5, 7, 3), np.uint8))
    return spots.resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three colours of things; users buy one colour. Things without a picture are of all."""
    folder = tmp_path_factory.mktemp("data") / "shop"
    (folder / "pictures").mkdir(parents=True)
    rng, names = np.random.default_rng(0), list(COLOURS)
    rows = []
    for n in range(36):
        colour = names[n % 3]
        noisy = np.clip(np.array(COLOURS[colour]) + rng.normal(0, 25, (40, 50, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / "pictures" / f"{n}.png")
        rows.append({"item_id": f"i{n}", "title": "thing", "picture": f"pictures/{n}.png" if n > 2 else None})
    (folder / "items.jsonl").write_text("\n".join(map(json.dumps, rows)))
    events = [
        (f"u{user}", f"i{rng.choice(np.arange(user % 3, 36, 3))}", 1.7e9 + day * 86_400)
        for user in range(60)
        for day in range(10)
    ]
    table = pl.DataFrame(events, ["user_id", "item_id", "timestamp"], orient="row")
    table.write_csv(folder / "events.csv")
    return folder


@pytest.mark.parametrize(("width", "height"), [(64, 48), (48, 64), (33, 33), (200, 20)], ids=str)
def test_the_vector_is_that_of_the_network(
    width: int, height: int, encoder: PictureEncoder, clip: Any, processor: Any
) -> None:
    import torch

    picture = drawn(width, width, height)
    with torch.no_grad():
        [there] = clip(**processor(picture, return_tensors="pt")).image_embeds.numpy()
    here = encoder.encode(picture)
    np.testing.assert_allclose(here, there / np.linalg.norm(there), atol=2e-5)
    assert encoder.dimension == 12


def test_files_are_encoded_once(
    encoder: PictureEncoder, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items, store = Dataset.load(shop).items, VectorStore(tmp_path)
    first = ItemVectors.from_files(items, "picture", shop, encoder, store)
    assert not first.values[:3].any()
    np.testing.assert_allclose(np.linalg.norm(first.values[3:], axis=1), 1, rtol=1e-5)
    monkeypatch.setattr(PictureEncoder, "encode_file", lambda *_: pytest.fail("encoded again"))
    again = ItemVectors.from_files(items, "picture", shop, encoder, store)
    np.testing.assert_array_equal(first.values, again.values)


def test_pictures_rank(encoder_folder: Path, shop: Path, tmp_path: Path, own_cache: Path) -> None:
    out, space = tmp_path / "model", f"image=picture:{encoder_folder}"
    call = CliRunner().invoke
    done = call(
        app,
        ["train", "--data", str(shop), "--encoder", "none", "--space", space, "--out", str(out), "--fast"],
    )
    assert done.exit_code == 0, done.output
    assert "space image: 33 of 36 items have a vector, of 12 numbers, by `picture`" in done.output
    reranker = Reranker.load(out)
    column = reranker.spaces["image"].column
    assert column is not None
    assert column.encoder == str(encoder_folder)
    vectors = PictureEncoder.load(encoder_folder)
    new = np.stack([vectors.encode(Image.new("RGB", (60, 40), colour)) for colour in COLOURS.values()])
    with_new = reranker.with_items(list(COLOURS), ["thing"] * 3, {"image": new})
    for at, colour in enumerate(COLOURS):
        history = [f"i{n}" for n in (3 + at, 6 + at, 9 + at)]
        assert with_new.rank(history, list(COLOURS)).item_ids[0] == colour


def test_how_many_pictures_of_a_film_count_is_part_of_the_fingerprint(
    encoder: PictureEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PictureEncoder.load(encoder.name).fingerprint == encoder.fingerprint
    monkeypatch.setattr("tailrank.language.pictures.FRAMES", 4)
    assert PictureEncoder.load(encoder.name).fingerprint != encoder.fingerprint


def test_a_film_is_the_mean_of_its_pictures(encoder: PictureEncoder, tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4")
    seen = np.stack([encoder.encode(picture) for picture in pictures(film, 8)])
    mean = seen.mean(axis=0)
    np.testing.assert_allclose(encoder.encode_file(film), mean / np.linalg.norm(mean), atol=1e-6)
    assert len({tuple(each.round(3)) for each in seen}) >= 3


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("../secret.png", "'../secret.png' is outside of"),
        ("/etc/hostname", "'/etc/hostname' is outside of"),
        ("link.png", "'link.png' is outside of"),
        ("none.png", "'none.png' is no file in"),
        ("a\0b.png", "embedded null"),  # in the words of this Python, as below
        ("x" * 300, "File name too long" if sys.version_info < (3, 14) else "is no file"),
        ("circle.png", "'circle.png' "),
        ("line.png", "`picture` 'line.png' 1 by 60000 pixels are too long a strip: cut it, or leave it out"),
        ("text.png", "`picture` 'text.png' can't be read as PNG, JPEG, WEBP, GIF, BMP, TIFF (no picture)"),
        ("half.png", "`picture` 'half.png' can't be read as"),
        ("huge.png", "`picture` 'huge.png' has 67,108,865 bytes, more than 67,108,864"),
    ],
)
def test_a_bad_file_is_named_with_its_row(
    cell: str, said: str, encoder: PictureEncoder, tmp_path: Path, own_cache: Path
) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    drawn(0, 90, 60).save(tmp_path / "secret.png")
    whole = (tmp_path / "secret.png").read_bytes()
    (folder / "good.png").write_bytes(whole)
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "circle.png").symlink_to("circle.png")
    Image.new("RGB", (1, 60_000)).save(folder / "line.png")
    (folder / "text.png").write_text("no picture at all")
    (folder / "half.png").write_bytes(whole[: len(whole) // 2])
    (folder / "huge.png").touch()
    os.truncate(folder / "huge.png", 64 * 2**20 + 1)
    items = pl.DataFrame({"item_id": ["a", "b"], "picture": ["good.png", cell]})
    with pytest.raises(DataError) as raised:
        ItemVectors.from_files(items, "picture", folder, encoder)
    assert str(raised.value).startswith("items row 2 (item 'b')")
    assert said in str(raised.value)


def test_a_picture_of_too_many_pixels_is_not_unpacked(tmp_path: Path) -> None:
    Image.new("1", (20_000, 5_001)).save(tmp_path / "wide.png")
    with pytest.raises(EncoderError, match="20000 by 5001 pixels are too many"):
        read_picture(tmp_path / "wide.png")


def test_a_picture_of_16_bits_is_not_cut_off_at_white(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint16).reshape(16, 16)
    Image.fromarray(grey * 257).save(tmp_path / "deep.png")
    read = np.asarray(read_picture(tmp_path / "deep.png"))
    np.testing.assert_array_equal(read, np.repeat(grey[:, :, None], 3, axis=2))
    Image.fromarray(grey.astype(np.float32)).save(tmp_path / "numbers.tiff")
    with pytest.raises(EncoderError, match=r"numbers that are no colours \(mode F\)"):
        read_picture(tmp_path / "numbers.tiff")


def test_an_encoder_that_does_not_fit_is_refused(encoder_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"no encoder of pictures: there is none of model\.onnx"):
        PictureEncoder.load(tmp_path)
    (tmp_path / "model.onnx").write_bytes((encoder_folder / "model.onnx").read_bytes())
    with pytest.raises(EncoderError, match=r"can't be read .*: add the image processor's"):
        PictureEncoder.load(tmp_path)
    how = json.loads((encoder_folder / "preprocessor_config.json").read_text())
    for change, said in (
        ({"crop_size": {"height": 24, "width": 24}}, "the graph doesn't take pictures of shape"),
        ({"size": {"longest_edge": 30}}, "says what isn't known of pictures"),
        ({"image_mean": [0.5]}, "says what isn't known of pictures"),
    ):
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(how | change))
        with pytest.raises(EncoderError, match=said):
            PictureEncoder.load(tmp_path)
    for damaged in (b'{"image_mean": "\xff"}', b'{"rest": ' + b"[" * 100_000):
        (tmp_path / "preprocessor_config.json").write_bytes(damaged)
        with pytest.raises(EncoderError, match="says what isn't known of pictures"):
            PictureEncoder.load(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(how))
    (tmp_path / "model.onnx").write_text("no graph")
    with pytest.raises(EncoderError, match="onnxruntime can't read it"):
        PictureEncoder.load(tmp_path)
