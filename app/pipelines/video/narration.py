"""Say what the film says: by espeak-ng where it is installed, else in silence for its captions."""

import shutil
import wave
from dataclasses import dataclass
from pathlib import Path

from app.errors import NotConfigured, ProcessFailed, ProcessTimedOut, RetryableError
from app.jobs.model.work import Work

WORD_S, BREATH_S, LEAST_S = 0.38, 0.8, 2.5
"""How long silence lasts: what a caption needs to be read, and more than a voice would take."""

WORDS_PER_MINUTE = 150
PAUSE_S = 0.6
SENTENCE_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """How long each sentence takes, and the sound of all of them, if there is a voice."""

    durations_s: tuple[float, ...]
    sound: Path | None


def speak(sentences: tuple[str, ...], work: Work) -> Spoken:
    """Raises NotConfigured when the voice cannot speak, and what the work raises to stop."""
    voice = work.platform.settings.video.voice
    program = shutil.which("espeak-ng") if voice else None
    if program is None:
        return Spoken(durations_s=tuple(map(reading_s, sentences)), sound=None)
    parts = [
        _said(sentence, number, program, voice, work) for number, sentence in enumerate(sentences)
    ]
    sound = work.directory / "narration.wav"
    return Spoken(durations_s=_joined(parts, sound), sound=sound)


def reading_s(sentence: str) -> float:
    """
    >>> reading_s("One."), reading_s("word " * 10)
    (2.5, 4.6)
    """
    return max(LEAST_S, round(len(sentence.split()) * WORD_S + BREATH_S, 3))


def _said(sentence: str, number: int, program: str, voice: str, work: Work) -> Path:
    """The sentence as a WAV file."""
    target = work.directory / f"said-{number:03}.wav"
    text = target.with_suffix(".txt")
    text.write_text(sentence, encoding="utf-8")
    speed = str(WORDS_PER_MINUTE)
    command = [program, "-v", voice, "-s", speed, "-f", str(text), "-w", str(target)]
    try:
        work.run_process(command, timeout_s=SENTENCE_TIMEOUT_S)
    except ProcessTimedOut as error:
        raise RetryableError("the narration took too long") from error
    except ProcessFailed as error:
        raise NotConfigured(
            f"espeak-ng does not speak with CELERIAC_VIDEO_VOICE: {error}"
        ) from error
    return target


def _joined(parts: list[Path], sound: Path) -> tuple[float, ...]:
    """Write all parts to one file, a pause after each; return how long each is with its pause."""
    durations_s: list[float] = []
    with wave.open(str(parts[0]), "rb") as first, wave.open(str(sound), "wb") as whole:
        whole.setparams(first.getparams())
        for part in parts:
            with wave.open(str(part), "rb") as said:
                frames = said.readframes(said.getnframes())
                frame_bytes, rate = said.getsampwidth() * said.getnchannels(), said.getframerate()
            frames += bytes(round(PAUSE_S * rate) * frame_bytes)
            whole.writeframes(frames)
            durations_s.append(len(frames) / frame_bytes / rate)
    return tuple(durations_s)
