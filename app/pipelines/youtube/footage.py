"""Fetch the media of a video, save its frames as artifacts, and recognise its speech."""

import hashlib
import importlib.util
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from app.errors import ProcessFailed, UnsupportedFormat
from app.jobs.model.work import Work
from app.pipelines import disk
from app.pipelines.media import download, ffmpeg, page
from app.pipelines.youtube.schema import Segment, VideoFrame
from app.settings import FootageSettings
from app.worker import limits
from app.worker.sandbox.policy import Sandbox

HEIGHT = 720
"""Sufficient height of a video; larger ones are used if there is no other."""

SOUND = f"bestaudio{page.PLAIN}/best{page.PLAIN}"
"""Format for the sound."""

PICTURE = (
    f"bestvideo[height<=?{HEIGHT}]{page.PLAIN}/best[height<=?{HEIGHT}]{page.PLAIN}"
    f"/bestvideo{page.PLAIN}/best{page.PLAIN}"
)
"""Format for the picture."""

BOTH = (
    f"best[height<=?{HEIGHT}]{page.PLAIN}/best{page.PLAIN}"
    f"/(bestvideo[height<=?{HEIGHT}]{page.PLAIN},bestaudio{page.PLAIN})"
)
"""Format for both: one file, or one of each if the site separates them."""

SCENE_LIMIT = 3_000
"""Maximum of scene changes to read; later ones are ignored."""

NO_STREAM = "matches no streams"
"""ffmpeg's message for a file without a picture."""

LISTENER = "app.speech.listener"


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """The files; the same one twice if it has sound and picture."""

    picture: Path
    sound: Path


@contextmanager
def fetch_footage(
    url: str, work: Work, wanted: str, *, span: tuple[float, float] | None = None
) -> Iterator[Footage]:
    """Fetch the media to the workspace; remove it when the block succeeds. After a failure the next
    attempt resumes the download. Progress is reported within `span` if it is given.

    Raises UnsupportedFormat (no such media, protected), NotFound, AddressRefused, LimitExceeded,
    RateLimited, RetryableError, StorageUnavailable, and the errors of `check`.
    """
    name = f"source-{hashlib.sha256(url.encode()).hexdigest()[:12]}"  # do not resume another video
    options = download.transfer_options(work, wanted=wanted, span=span, name=name)
    with disk.full_disk_retried(), page.opened(url, work, options) as downloader:
        entry = page.only_entry(downloader.extract_info(url))
    files = [
        disk.confined(work.directory, Path(file["filepath"]).name)
        for file in entry["requested_downloads"]
    ]
    yield Footage(picture=files[0], sound=files[-1])
    for file in files:
        file.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneChange:
    """Start of a scene: the number of its frame, and how much the picture changed."""

    number: int
    time_s: float
    change: float


def extract(
    file: Path, work: Work, *, on_progress: Callable[[float], None]
) -> tuple[VideoFrame, ...]:
    """Save the frames of a media file as artifacts. `on_progress` gets the seconds that are done.

    Raises UnsupportedFormat (no picture), InvalidInput, and the errors of `check`.
    """
    settings = work.settings.footage
    folder = work.directory / "frames"
    folder.mkdir(exist_ok=True)
    lines: list[str] = []
    threads = work.threads

    def hear(line: str) -> None:
        done_s = ffmpeg.done_s(line)
        if done_s is not None:
            on_progress(done_s)
        elif line.startswith(("frame:", "lavfi.")):
            lines.append(line)

    try:
        work.run_process(
            scenes(file, folder, settings, threads=threads),
            on_line=hear,
            sandbox=Sandbox(writable=(work.directory,)),
        )
    except ProcessFailed as error:
        if NO_STREAM in error.output_end:
            raise UnsupportedFormat("there is no picture in the file") from error
        raise ffmpeg.of_process(error) from error
    chosen = most_changing(parse_scenes(lines), limit=settings.frame_limit)
    return tuple(_kept(folder, chosen, work))


def _kept(folder: Path, chosen: Iterable[SceneChange], work: Work) -> Iterator[VideoFrame]:
    for number, scene in enumerate(chosen, start=1):
        picture = folder / f"{scene.number:05d}.jpg"
        if picture.is_file():
            name = f"frame-{number:04d}.jpg"
            work.save_artifact(picture, name=name, media_type="image/jpeg")
            yield VideoFrame(time_s=scene.time_s, change=scene.change, artifact=name)


def scenes(file: Path, folder: Path, settings: FootageSettings, *, threads: int) -> list[str]:
    """Run ffmpeg: it writes a JPEG for each scene and prints the start of each."""
    wanted = f"select='eq(n,0)+gt(scene,{settings.scene_threshold:g})'"
    scene_filter = "metadata=print:key=lavfi.scene_score:file='pipe\\:1':direct=1"
    size = f"scale='min({settings.frame_width},iw)':-2"
    pattern = str(folder).replace("%", "%%") + "/%05d.jpg"
    return [
        *(ffmpeg.executable(), *ffmpeg.QUIETLY, *ffmpeg.PROGRESS),
        *(
            "-max_pixels",
            str(ffmpeg.MAX_PIXELS),
            *ffmpeg.reading(file, ffmpeg.MEDIA_FORMATS, threads),
        ),
        *("-map", "0:v:0", "-vf", f"{wanted},{scene_filter},{size}", "-fps_mode", "passthrough"),
        *("-frames:v", str(SCENE_LIMIT), "-pix_fmt", "yuvj420p", "-q:v", "3"),
        *("-threads", str(threads), "-f", "image2", pattern),
    ]


def parse_scenes(lines: Iterable[str]) -> list[SceneChange]:
    """The scenes in ffmpeg's output.

    >>> parse_scenes(["frame:0    pts:0      pts_time:0", "lavfi.scene_score=0.000000"])
    [SceneChange(number=1, time_s=0.0, change=0.0)]
    """
    text = "\n".join(lines)
    found = re.findall(
        r"^frame:\d+\s+pts:\S+\s+pts_time:(-?[\d.]+)\nlavfi\.scene_score=([\d.]+)$",
        text,
        flags=re.MULTILINE,
    )
    return [
        SceneChange(number=number, time_s=round(max(0.0, float(time_s)), 3), change=float(change))
        for number, (time_s, change) in enumerate(found, start=1)
    ]


def most_changing(found: Sequence[SceneChange], *, limit: int) -> list[SceneChange]:
    """The first frame and the largest changes, in the order of the video."""
    strongest = sorted(found[1:], key=lambda scene: scene.change, reverse=True)[: limit - 1]
    return sorted([*found[:1], *strongest], key=lambda scene: scene.number)


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
        segments: list[Segment] = []

        def hear(line: dict[str, Any]) -> None:  # JSON
            if "text" in line:
                segments.append(Segment(**line))
            else:
                on_progress(line["done_s"])

        limits.run_limited(
            LISTENER,
            [str(sound)],
            memory_bytes=settings.speech_memory_bytes,
            cpu_s=settings.speech_time_s,
            timeout_s=settings.speech_time_s,
            on_line=hear,
            sandbox=Sandbox(readable=(sound,)),
            run=work.run_process,
        )
        return tuple(segments)


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
        work.run_process(
            sound_of(file, sound, threads=work.threads), sandbox=Sandbox(writable=(work.directory,))
        )
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
