"""Speech recognition where captions are missing: an engine that is installed, or none."""

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
    """An engine that turns sound into words."""

    @property
    def name(self) -> str:
        """The engine's."""

    @property
    def language(self) -> str:
        """That it understands."""

    def recognize(
        self, sound: Path, work: Work, *, tell: Callable[[float], None]
    ) -> tuple[Segment, ...]:
        """What is said in a file of raw sound (16 kHz, mono, 16 bits). `tell` gets the seconds
        that are done. Raises LimitExceeded, and what the work raises to stop."""


class PocketSphinx:
    """CMU's small engine with its model of English, in a child that has limits."""

    name = "pocketsphinx"
    language = "en"

    def recognize(
        self, sound: Path, work: Work, *, tell: Callable[[float], None]
    ) -> tuple[Segment, ...]:
        settings = work.settings.footage
        said: list[Segment] = []

        def hear(line: dict[str, Any]) -> None:  # JSON
            if "text" in line:
                said.append(Segment(**line))
            else:
                tell(line["done_s"])

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
    """The engine to use; None when it is switched off or not installed."""
    if settings.speech_engine == "off":
        return None
    is_installed = importlib.util.find_spec("pocketsphinx") is not None
    return PocketSphinx() if is_installed else None


def recognized(
    recognizer: SpeechRecognizer, file: Path, work: Work, *, tell: Callable[[float], None]
) -> tuple[Segment, ...]:
    """What is said in a media file."""
    sound = work.directory / "sound.raw"
    try:
        work.run_process(sound_of(file, sound, threads=work.threads))
    except ProcessFailed as error:
        raise ffmpeg.of_process(error) from error
    return recognizer.recognize(sound, work, tell=tell)


def sound_of(file: Path, target: Path, *, threads: int) -> list[str]:
    """The command that turns the first audio stream into raw sound for engines."""
    return [
        *(
            ffmpeg.executable(),
            *ffmpeg.QUIETLY,
            *ffmpeg.reading(file, ffmpeg.MEDIA_FORMATS, threads),
        ),
        *("-map", "0:a:0", "-ac", "1", "-ar", "16000", "-c:a", "pcm_s16le"),
        *("-threads", str(threads), "-f", "s16le", str(target)),
    ]
