"""What transcripts bring back of texts that were cut to three words, if somebody reads the whole text aloud.

A random sample of items keeps three words of its text; the whole one is spoken by a synthetic voice
(`flite`, a package of Debian) into a file of each item, which a recogniser of speech writes down. They are
ranked by the three words (`cut`), by these with the transcript (`transcript`), and by their whole text
(`whole`). Metrics are as in `bench enrichment`. A synthetic voice in a silent room is the best case.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer

from bench import study
from bench.enrichment import SIGNALS, WORDS, replaced, row, values
from tailrank.data.cache import cache_root
from tailrank.data.splits import leave_one_out
from tailrank.language.kept_answers import KeptAnswers
from tailrank.language.media import NamedFile
from tailrank.language.speech import SpeechRecognizer
from tailrank.language.text import item_texts
from tailrank.language.transcripts import Transcriber
from tailrank.tuning.grounding import words_of

FLITE: Final = shutil.which("flite") or ""
VOICE: Final = "slt"
SECONDS: Final = 120.0
READ: Final = 20


def main(
    data: study.Data,
    name: study.Name,
    recognizer: Annotated[str, typer.Option(help="Folder with a Whisper in CTranslate2's format.")],
    items: Annotated[int, typer.Option(min=1, help="To cut and to speak, drawn at random.")] = 439,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
) -> None:
    """Store the study of one data set; interrupted, it goes on where it was."""
    if not FLITE:
        sys.exit("needs flite: apt-get install flite")
    dataset, _, about = study.encoded(name, data)
    whole = item_texts(dataset.items)
    drawn = np.random.default_rng(seed).permutation(dataset.n_items)[:items].tolist()
    cut = {item: " ".join(whole[item].split()[:WORDS]) for item in drawn}
    heard, cost = transcribed({item: whole[item] for item in drawn}, recognizer, name)
    arms = {
        "cut": cut,
        "transcript": {item: f"{cut[item]}. {heard[item]}" for item in drawn},
        "whole": {item: whole[item] for item in drawn},
    }
    split = leave_one_out(dataset)
    ranked = {arm: values(replaced(whole, said), split, seed) for arm, said in arms.items()}
    rows = [
        {"text": arm, "signal": signal, **row(ranked, arm, signal, split, drawn)}
        for arm in arms
        for signal in SIGNALS
    ]
    about |= {"protocol": split.protocol, "seed": seed, "words": WORDS, "voice": VOICE, "items": len(drawn)}
    read = [{"text": whole[item], "heard": heard[item]} for item in drawn[:READ]]
    study.store(f"{name}/speech.json", {**about, **cost, "rows": rows, "read": read})


def transcribed(
    texts: Mapping[int, str], recognizer: str, name: str
) -> tuple[dict[int, str], dict[str, object]]:
    """Speak texts and write them down again; gives what was heard, and what that cost and kept of words."""
    folder = cache_root() / "speech" / name
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        str(item): NamedFile(spoken(text, folder / f"{item}.wav"), f"item {item}")
        for item, text in texts.items()
    }
    hears = SpeechRecognizer.load(recognizer)
    kept = KeptAnswers(folder / f"{hears.sha256[:12]}.jsonl")
    transcriber = Transcriber(hears, kept, SECONDS)
    seconds, start = transcriber.seconds_left(files), time.process_time()
    found = {int(item): heard for item, heard in transcriber.transcripts(files).items()}
    shares = [kept_share(text, found[item]) for item, text in texts.items()]
    return found, {
        "recognizer": hears.identity,
        "minutes of sound": seconds / 60,
        "cpu_seconds": time.process_time() - start,
        "words heard": float(np.mean(shares)),
        "nothing heard": sum(not heard for heard in found.values()),
    }


def spoken(text: str, file: Path) -> Path:
    """Have a text spoken into a file, unless it was."""
    if not file.exists():
        new = file.with_suffix(".new")
        command = [FLITE, "-voice", VOICE, "-t", text, "-o", str(new)]
        subprocess.run(command, check=True)  # noqa: S603 - our own command
        new.rename(file)
    return file


def kept_share(text: str, heard: str) -> float:
    """Give the share of a text's words that are among those heard."""
    said = set(words_of(text))
    return len(said & set(words_of(heard))) / max(len(said), 1)
