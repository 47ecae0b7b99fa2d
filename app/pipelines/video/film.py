"""Join slides, sound and captions to an MP4 with ffmpeg."""

import shutil
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import NotConfigured, ProcessFailed, ProcessTimedOut, RetryableError
from app.jobs.model.work import Work
from app.pipelines.media import ffmpeg
from app.pipelines.video.slides import Slide
from app.worker.sandbox.policy import Sandbox

WORD_S, BREATH_S, LEAST_S = 0.38, 0.8, 2.5
"""Duration of a silent slide: enough to read its caption, and longer than a voice takes."""

WORDS_PER_MINUTE = 150
PAUSE_S = 0.6
SENTENCE_TIMEOUT_S = 60.0

FRAMES_PER_S = 10
"""Slides are still: a higher rate would only grow the file."""

_PLAIN = str.maketrans({"{": "(", "}": ")", "\\": "/"})
"""Characters that ffmpeg reads as markup when it converts captions."""

JOINING_PERCENT, JOINED_PERCENT = 50.0, 95.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """Duration of each sentence, and the sound of all if there is a voice."""

    durations_s: tuple[float, ...]
    sound: Path | None


def speak(sentences: tuple[str, ...], work: Work) -> Spoken:
    """Raises NotConfigured if the voice does not work, and the errors of `check`."""
    voice = work.settings.video.voice
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
    target = work.directory / f"narration-{number:03}.wav"
    text = target.with_suffix(".txt")
    text.write_text(sentence, encoding="utf-8")
    speed = str(WORDS_PER_MINUTE)
    command = [program, "-v", voice, "-s", speed, "-f", str(text), "-w", str(target)]
    try:
        work.run_process(
            command, timeout_s=SENTENCE_TIMEOUT_S, sandbox=Sandbox(writable=(work.directory,))
        )
    except ProcessTimedOut as error:
        raise RetryableError("the narration took too long") from error
    except ProcessFailed as error:
        raise NotConfigured(f"espeak-ng cannot use CELERIAC_VIDEO_VOICE: {error}") from error
    return target


def _joined(parts: list[Path], sound: Path) -> tuple[float, ...]:
    """Join the parts with pauses. Return the duration of each with its pause."""
    durations_s: list[float] = []
    with wave.open(str(parts[0]), "rb") as first, wave.open(str(sound), "wb") as whole:
        whole.setparams(first.getparams())
        for part in parts:
            with wave.open(str(part), "rb") as wav:
                frames = wav.readframes(wav.getnframes())
                frame_bytes, rate = (
                    wav.getsampwidth() * wav.getnchannels(),
                    wav.getframerate(),
                )
            frames += bytes(round(PAUSE_S * rate) * frame_bytes)
            whole.writeframes(frames)
            durations_s.append(len(frames) / frame_bytes / rate)
    return tuple(durations_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A slide with its start and end."""

    slide: Slide
    start_s: float
    end_s: float


def shots(slides: Sequence[Slide], durations_s: Sequence[float]) -> tuple[Shot, ...]:
    """The slides in sequence, without gaps."""
    return tuple(_shots(slides, durations_s))


def _shots(slides: Sequence[Slide], durations_s: Sequence[float]) -> Iterator[Shot]:
    start_s = 0.0
    for slide, duration_s in zip(slides, durations_s, strict=True):
        yield Shot(slide=slide, start_s=start_s, end_s=start_s + duration_s)
        start_s += duration_s


def join(film: Sequence[Shot], *, sound: Path | None, title: str, target: Path, work: Work) -> None:
    """Write the MP4. Raises the errors of `ffmpeg.of_process` and of `check`."""
    reel = work.directory / "reel.ffconcat"
    reel.write_text(_reel(film), encoding="utf-8")
    captions = work.directory / "inside.vtt"
    captions.write_text(vtt(film).translate(_PLAIN), encoding="utf-8")
    total_s = film[-1].end_s

    def read_line(line: str) -> None:
        done_s = ffmpeg.done_s(line)
        if done_s is not None:
            work.progress(JOINING_PERCENT + _share(done_s, total_s), "joining the film")
        work.check()

    work.progress(JOINING_PERCENT, "joining the film")
    command = _command(
        reel,
        captions,
        sound,
        title=title,
        total_s=total_s,
        target=target,
        threads=work.threads,
    )
    try:
        work.run_process(command, on_line=read_line, sandbox=Sandbox(writable=(work.directory,)))
    except ProcessFailed as error:
        raise ffmpeg.of_process(error) from error


def _share(done_s: float, total_s: float) -> float:
    return min(1.0, done_s / total_s) * (JOINED_PERCENT - JOINING_PERCENT)


def _command(
    reel: Path,
    captions: Path,
    sound: Path | None,
    *,
    title: str,
    total_s: float,
    target: Path,
    threads: int,
) -> list[str]:
    inputs = ["-f", "concat", "-i", f"file:{reel}", "-f", "webvtt", "-i", f"file:{captions}"]
    audio: list[str] = []
    if sound is not None:
        inputs += ["-f", "wav", "-i", f"file:{sound}"]
        audio = ["-map", "2:a", "-c:a", "aac", "-b:a", "96k"]
    return [
        *(ffmpeg.executable(), "-hide_banner", "-nostdin", "-y", "-v", "error", "-nostats"),
        *("-progress", "pipe:1", "-filter_threads", str(threads)),
        *("-filter_complex_threads", str(threads), "-threads", str(threads), *inputs),
        *("-map", "0:v", *audio, "-map", "1:s", "-c:s", "mov_text"),
        *("-vf", f"fps={FRAMES_PER_S},format=yuv420p", "-t", f"{total_s:.3f}"),
        *("-c:v", "libx264", "-preset", "veryfast", "-tune", "stillimage"),
        *("-threads", str(threads)),
        *("-metadata", f"title={title}", "-metadata:s:s:0", "language=eng"),
        *("-movflags", "+faststart", "-f", "mp4", str(target)),
    ]


def _reel(film: Sequence[Shot]) -> str:
    """ffmpeg's list of pictures. The last one is repeated, or it would show for one frame only."""
    entries = [
        f"file {shot.slide.picture.name}\nduration {shot.end_s - shot.start_s:.3f}" for shot in film
    ]
    last = f"file {film[-1].slide.picture.name}"
    return "\n".join(["ffconcat version 1.0", *entries, last, ""])


def vtt(film: Sequence[Shot]) -> str:
    """Captions as WebVTT, because browsers ignore those inside an MP4."""
    cues = [
        f"{_clock(shot.start_s)} --> {_clock(shot.end_s)}\n{_escaped(shot.slide.narration)}\n"
        for shot in film
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(moment_s: float) -> str:
    """
    >>> _clock(3725.5)
    '01:02:05.500'
    """
    whole_ms = round(moment_s * 1000)
    minutes, ms = divmod(whole_ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{ms // 1000:02}.{ms % 1000:03}"
