"""Recognise speech with an installed engine."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from app.errors import ProcessFailed
from app.jobs.model.work import Work
from app.pipelines.media import ffmpeg
from app.pipelines.youtube.schema import Segment
from app.settings import FootageSettings
from app.worker import limits

LISTENER = "app.speech.listener"


class SpeechRecognizer(Protocol):
    """An engine for speech recognition."""

    @property
    def name(self) -> str:
        """Name of the engine."""

    @property
    def language(self) -> str:
        """Language of its model."""

    def recognize(
        self, sound: Path, work: Work, *, on_progress: Callable[[float], None]
    ) -> tuple[Segment, ...]:
        """Recognise a file of raw sound (16 kHz, mono, 16 bits). `on_progress` gets the seconds
        that are done. Raises LimitExceeded, and the errors of `check`."""


class PocketSphinx:
    """CMU's small engine with its English model, in a child process with limits."""

    name = "pocketsphinx"
    language = "en"

    def recognize(
        self, sound: Path, work: Work, *, on_progress: Callable[[float], None]
    ) -> tuple[Segment, ...]:
        settings = work.settings.footage
        said: list[Segment] = []

        def hear(line: dict[str, Any]) -> None:  # JSON
            if "text" in line:
                said.append(Segment(**line))
            else:
                on_progress(line["done_s"])

        limits.run_limited(
            LISTENER,
            [str(sound)],
            memory_bytes=settings.speech_memory_bytes,
            cpu_s=settings.speech_time_s,
            timeout_s=settings.speech_time_s,
            on_line=hear,
            run=work.run_process,
        )
        return tuple(said)


def find_recognizer(settings: FootageSettings) -> SpeechRecognizer | None:
    """The engine to use; None if it is disabled or not installed."""
    if settings.speech_engine == "off":
        return None
    is_installed = importlib.util.find_spec("pocketsphinx") is not None
    return PocketSphinx() if is_installed else None


def recognized(
    recognizer: SpeechRecognizer, file: Path, work: Work, *, on_progress: Callable[[float], None]
) -> tuple[Segment, ...]:
    """Recognise the speech in a media file."""
    sound = work.directory / "sound.raw"
    try:
        work.run_process(sound_of(file, sound, threads=work.threads))
    except ProcessFailed as error:
        raise ffmpeg.of_process(error) from error
    return recognizer.recognize(sound, work, on_progress=on_progress)


def sound_of(file: Path, target: Path, *, threads: int) -> list[str]:
    """The command that converts the first audio stream to raw sound."""
    return [
        *(
            ffmpeg.executable(),
            *ffmpeg.QUIETLY,
            *ffmpeg.reading(file, ffmpeg.MEDIA_FORMATS, threads),
        ),
        *("-map", "0:a:0", "-ac", "1", "-ar", "16000", "-c:a", "pcm_s16le"),
        *("-threads", str(threads), "-f", "s16le", str(target)),
    ]
