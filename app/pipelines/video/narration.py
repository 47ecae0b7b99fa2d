"""Say what the film says: by espeak-ng where it is installed, else in silence for its captions."""

import shutil
import wave
from dataclasses import dataclass
from pathlib import Path

from app.errors import ProcessFailed, RetryableError
from app.jobs.work import Work

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
    """Raises RetryableError when the voice failed, and what the work raises to stop."""
    voice = work.platform.settings.video.voice
    program = shutil.which("espeak-ng") if voice else None
    if program is None:
        return Spoken(durations_s=tuple(map(reading_s, sentences)), sound=None)
    sound = work.directory / "narration.wav"
    durations_s: list[float] = []
    with wave.open(str(sound), "wb") as whole:
        for number, sentence in enumerate(sentences):
            part = work.directory / f"said-{number:03}.wav"
            _say(sentence, part, program=program, voice=voice, work=work)
            durations_s.append(_append(whole, part, is_first=number == 0))
            part.unlink()
    return Spoken(durations_s=tuple(durations_s), sound=sound)


def reading_s(sentence: str) -> float:
    """
    >>> reading_s("One."), reading_s("word " * 10)
    (2.5, 4.6)
    """
    return max(LEAST_S, round(len(sentence.split()) * WORD_S + BREATH_S, 3))


def _say(sentence: str, target: Path, *, program: str, voice: str, work: Work) -> None:
    text = target.with_suffix(".txt")
    text.write_text(sentence, encoding="utf-8")
    speed = str(WORDS_PER_MINUTE)
    command = [program, "-v", voice, "-s", speed, "-f", str(text), "-w", str(target)]
    try:
        work.run_process(command, timeout_s=SENTENCE_TIMEOUT_S)
    except ProcessFailed as error:
        raise RetryableError(f"the narration failed: {error}") from error
    finally:
        text.unlink()


def _append(whole: wave.Wave_write, part: Path, *, is_first: bool) -> float:
    """Add the sound and a pause; return how long that is."""
    with wave.open(str(part), "rb") as said:
        if is_first:
            whole.setparams(said.getparams())
        frames = said.readframes(said.getnframes())
        frame_bytes = said.getsampwidth() * said.getnchannels()
        pause = bytes(round(PAUSE_S * said.getframerate()) * frame_bytes)
        whole.writeframes(frames + pause)
        return len(frames + pause) / frame_bytes / said.getframerate()
