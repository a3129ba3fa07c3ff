"""`SpeechRecognizer`: what is said in a sound, by any Whisper in CTranslate2's format."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tailrank.errors import EncoderError, first_line, needs
from tailrank.files import sha256_of
from tailrank.language.recordings import sound

WEIGHTS: Final = "model.bin"
NEEDED: Final = (WEIGHTS, "config.json", "tokenizer.json")
"""Of a folder; without the last of them the library would ask a model hub."""

MOST_COMPRESSION: Final = 2.4
LEAST_LOG_PROBABILITY: Final = -1.0
"""Of a segment that is believed (Radford et al., 2022, "Robust Speech Recognition via Large-Scale Weak
Supervision", section 4.5): text that repeats itself compresses well."""


@dataclass(frozen=True)
class SpeechRecognizer:
    """A recogniser of speech, run by faster-whisper; make one with `SpeechRecognizer.load`.

    Attributes
    ----------
    name
        Of its folder.
    sha256
        Of its weights.
    languages
        Codes of those that it knows, such as `en`.
    """

    name: str
    sha256: str
    languages: tuple[str, ...]
    _model: Any = field(repr=False)

    @classmethod
    def load(cls, folder: Path | str) -> SpeechRecognizer:
        """Load a folder with `model.bin`, `config.json` and `tokenizer.json`; nothing is downloaded.

        It runs on a GPU of CUDA if there is one, in 8 bits.

        Raises
        ------
        EncoderError
            If a file or a package is missing, or they don't fit together.
        """
        place = Path(folder).expanduser()
        missing = [name for name in NEEDED if not (place / name).is_file()]
        if missing:
            raise EncoderError(
                f"{folder}: no recogniser of speech: there is no {', '.join(missing)}; it takes a Whisper in "
                "CTranslate2's format, see docs/modalities.md"
            )
        with needs("a recogniser of speech", "speech", EncoderError):
            from faster_whisper import WhisperModel
        try:
            model = WhisperModel(str(place), compute_type="int8", local_files_only=True)
        except Exception as why:  # noqa: BLE001 - CTranslate2 and tokenizers raise what has no other base
            raise EncoderError(f"{folder}: can't be loaded ({first_line(why)})") from None
        return cls(place.resolve().name, sha256_of(place / WEIGHTS), tuple(model.supported_languages), model)

    @property
    def identity(self) -> str:
        """Its name and the start of its sha256."""
        return f"{self.name} {self.sha256[:12]}"

    def check_language(self, language: str | None) -> None:
        """Refuse a language that it doesn't know.

        Raises
        ------
        EncoderError
            Naming those that it knows.
        """
        if language is not None and language not in self.languages:
            raise EncoderError(f"{self.name}: doesn't know {language!r}, only {', '.join(self.languages)}")

    def transcribe(self, file: Path, seconds: float, language: str | None = None) -> str:
        """Write down what is said in the first seconds of a sound or film; empty if nothing is.

        Silence and noise are passed over (Silero VAD), and so is what the network itself thinks
        improbable. The same file gives the same text.

        Parameters
        ----------
        file
            The sound or film.
        seconds
            That are listened to, at most.
        language
            That is spoken; None means the one that it hears.

        Raises
        ------
        EncoderError
            If the file can't be read; the message doesn't name it.
        """
        heard = sound(file, seconds)
        if not len(heard):
            return ""
        segments, _ = self._model.transcribe(
            heard,
            language=language,
            temperature=0.0,  # above, it samples
            condition_on_previous_text=False,  # which repeats a mistake
            vad_filter=True,
        )
        return " ".join(segment.text.strip() for segment in segments if _believed(segment))


def _believed(segment: Any) -> bool:
    clear: bool = segment.avg_logprob >= LEAST_LOG_PROBABILITY
    return clear and segment.compression_ratio <= MOST_COMPRESSION
