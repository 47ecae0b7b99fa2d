"""Pictures of a video: its beginning and its changes of scene, as JPEG artifacts with times."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.errors import ProcessFailed, UnsupportedFormat
from app.jobs.model.work import Work
from app.pipelines import disk
from app.pipelines.media import download, ffmpeg, page
from app.pipelines.youtube.schema import Frame
from app.settings import FootageSettings

HEIGHT = 720
"""Pixels of a video that is enough to look at; larger ones are taken where there is no other."""

SOUND = f"bestaudio{page.PLAIN}/best{page.PLAIN}"
"""What is fetched to be heard."""

PICTURE = (
    f"bestvideo[height<=?{HEIGHT}]{page.PLAIN}/best[height<=?{HEIGHT}]{page.PLAIN}"
    f"/bestvideo{page.PLAIN}/best{page.PLAIN}"
)
"""What is fetched to be seen."""

BOTH = (
    f"best[height<=?{HEIGHT}]{page.PLAIN}/best{page.PLAIN}"
    f"/(bestvideo[height<=?{HEIGHT}]{page.PLAIN},bestaudio{page.PLAIN})"
)
"""What is fetched to be seen and heard: one file, or one of each where a site keeps them apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """The files; the same one twice where it holds all that was wanted."""

    picture: Path
    sound: Path


@contextmanager
def fetch_footage(
    url: str, work: Work, wanted: str, *, span: tuple[float, float] | None = None
) -> Iterator[Footage]:
    """The media, in the work's folder until the block ends well: an attempt that follows a failure
    goes on where this one stopped. Progress goes through `span`, when it is given.

    Raises UnsupportedFormat (no such media, protected), NotFound, AddressRefused, LimitExceeded,
    RateLimited, RetryableError, StorageUnavailable, and what the work raises to stop.
    """
    name = f"source-{hashlib.sha256(url.encode()).hexdigest()[:12]}"  # no other video goes on here
    options = download.transfer_options(work, wanted=wanted, span=span, name=name)
    with disk.watched(), page.opened(url, work, options) as downloader:
        entry = page.only_entry(downloader.extract_info(url))
    files = [
        disk.confined(work.directory, Path(file["filepath"]).name)
        for file in entry["requested_downloads"]
    ]
    yield Footage(picture=files[0], sound=files[-1])
    for file in files:
        file.unlink(missing_ok=True)


SCENE_LIMIT = 3_000
"""Changes of scene that are looked at; of more, those at the end are not."""


NO_STREAM = "matches no streams"
"""What ffmpeg says of a file without a picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneChange:
    """Where a scene begins: the number of its picture, and how much changed there."""

    number: int
    time_s: float
    change: float


def extract(file: Path, work: Work, *, tell: Callable[[float], None]) -> tuple[Frame, ...]:
    """Keep the frames of a media file as artifacts. `tell` gets the seconds that are done.

    Raises UnsupportedFormat (no picture), InvalidInput, and what the work raises to stop.
    """
    settings = work.settings.footage
    folder = work.directory / "frames"
    folder.mkdir(exist_ok=True)
    lines: list[str] = []
    threads = work.threads

    def hear(line: str) -> None:
        done_s = ffmpeg.done_s(line)
        if done_s is not None:
            tell(done_s)
        elif line.startswith(("frame:", "lavfi.")):
            lines.append(line)

    try:
        work.run_process(scenes(file, folder, settings, threads=threads), on_line=hear)
    except ProcessFailed as error:
        if NO_STREAM in error.output_end:
            raise UnsupportedFormat("there is no picture in the file") from error
        raise ffmpeg.of_process(error) from error
    chosen = most_changing(parse_scenes(lines), limit=settings.frame_limit)
    return tuple(_kept(folder, chosen, work))


def _kept(folder: Path, chosen: Iterable[SceneChange], work: Work) -> Iterator[Frame]:
    for number, scene in enumerate(chosen, start=1):
        picture = folder / f"{scene.number:05d}.jpg"
        if picture.is_file():
            name = f"frame-{number:04d}.jpg"
            work.save_artifact(picture, name=name, media_type="image/jpeg")
            yield Frame(time_s=scene.time_s, change=scene.change, artifact=name)


def scenes(file: Path, folder: Path, settings: FootageSettings, *, threads: int) -> list[str]:
    """The command that writes a JPEG for each scene, and prints where it begins."""
    wanted = f"select='eq(n,0)+gt(scene,{settings.scene_threshold:g})'"
    told = "metadata=print:key=lavfi.scene_score:file='pipe\\:1':direct=1"
    size = f"scale='min({settings.frame_width},iw)':-2"
    pattern = str(folder).replace("%", "%%") + "/%05d.jpg"
    return [
        *(ffmpeg.executable(), *ffmpeg.QUIETLY, *ffmpeg.PROGRESS),
        *(
            "-max_pixels",
            str(ffmpeg.MAX_PIXELS),
            *ffmpeg.reading(file, ffmpeg.MEDIA_FORMATS, threads),
        ),
        *("-map", "0:v:0", "-vf", f"{wanted},{told},{size}", "-fps_mode", "passthrough"),
        *("-frames:v", str(SCENE_LIMIT), "-pix_fmt", "yuvj420p", "-q:v", "3"),
        *("-threads", str(threads), "-f", "image2", pattern),
    ]


def parse_scenes(lines: Iterable[str]) -> list[SceneChange]:
    """What ffmpeg printed of scenes.

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
    """The beginning, and the scenes that change most, in the order of the video."""
    strongest = sorted(found[1:], key=lambda scene: scene.change, reverse=True)[: limit - 1]
    return sorted([*found[:1], *strongest], key=lambda scene: scene.number)
