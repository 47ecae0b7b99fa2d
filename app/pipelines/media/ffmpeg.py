"""The ffmpeg commands of the media pipeline, and parsers of their output. Runs nothing.

The input is untrusted. So a command opens local files only (`protocol_whitelist`), in container
formats that refer to no other file (`format_whitelist`: no playlists, no concat scripts), with a
bounded number of pixels, and with as many threads as its pool has processors for a task.
"""

import re
import shutil
from pathlib import Path

from app.errors import (
    CeleriacError,
    InvalidInput,
    ProcessFailed,
    RetryableError,
    StorageUnavailable,
    UnsupportedFormat,
)
from app.pipelines import disk

MAX_PIXELS = 40_000_000
"""Maximum of a cover: a larger one would fill the memory, and is left out."""

COVER_WIDTH = 1000

MEDIA_FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dts,dtshd,eac3,flac,flv,matroska,webm,mlp,mov,"
    "mp3,mpc,mpc8,mpeg,mpegts,ogg,rm,truehd,tta,voc,w64,wav,wv"
)
_KEEPS_TIME = "aresample=async=1:first_pts=0"
"""Pad late starts and gaps with silence, so that the sound keeps its timing."""

_PICTURE_FORMATS = "bmp_pipe,gif,jpeg_pipe,mjpeg,png_pipe,webp_pipe"

QUIETLY = ("-hide_banner", "-nostdin", "-y", "-v", "error", "-nostats")
PROGRESS = ("-progress", "pipe:1")

_FAILURES: tuple[tuple[str, type[CeleriacError], str], ...] = (
    (r"No space left on device|Disk quota exceeded", StorageUnavailable, disk.FULL),
    (r"matches no streams", UnsupportedFormat, "there is no sound in the file"),
    (
        r"not on whitelist|Not detecting m3u8",
        UnsupportedFormat,
        "neither an audio nor a video file that is read here",
    ),
    (
        r"Decoder .* not found|Decoding requested, but no decoder",
        UnsupportedFormat,
        "unknown codec",
    ),
    (r"[Pp]artial file", InvalidInput, "the file is incomplete"),
    (r"Invalid data found|moov atom not found", InvalidInput, "the file is damaged"),
)
"""Pattern in ffmpeg's output, our error, its message. The first match wins."""


def executable() -> str:
    """The system's ffmpeg, which its distribution patches, or else the wheel's.

    The wheel has no ffprobe, so nothing here needs it.
    """
    found = shutil.which("ffmpeg")
    if found is not None:
        return found
    import imageio_ffmpeg  # finds its binary by running it, which takes time

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def measure(source: Path, *, tags: Path, threads: int) -> list[str]:
    """Read the first audio stream without decoding it: its progress gives the length. Writes the
    file's own tags to `tags`."""
    return [
        *(executable(), *QUIETLY, *PROGRESS, *reading(source, MEDIA_FORMATS, threads)),
        *("-map", "0:a:0", "-c", "copy", "-f", "null", "-"),
        *("-f", "ffmetadata", str(tags)),
    ]


def encode(source: Path, target: Path, *, bitrate_kbps: int, threads: int) -> list[str]:
    """Encode the first audio stream as an MP3 without tags."""
    return [
        *(executable(), *QUIETLY, *PROGRESS, *reading(source, MEDIA_FORMATS, threads)),
        *("-map", "0:a:0", "-map_metadata", "-1", "-map_chapters", "-1"),
        *("-af", _KEEPS_TIME, "-c:a", "libmp3lame", "-b:a", f"{bitrate_kbps}k"),
        *("-id3v2_version", "0"),
        *("-threads", str(threads), "-f", "mp3", str(target)),
    ]


def picture(source: Path, target: Path, *, threads: int) -> list[str]:
    """Convert a picture to a JPEG no wider than `COVER_WIDTH`."""
    return [
        *(executable(), *QUIETLY, "-max_pixels", str(MAX_PIXELS)),
        *reading(source, _PICTURE_FORMATS, threads),
        *("-map", "0:v:0", "-frames:v", "1", "-vf", f"scale='min({COVER_WIDTH},iw)':-2"),
        *("-pix_fmt", "yuvj420p", "-q:v", "3"),
        *("-threads", str(threads), "-f", "mjpeg", str(target)),
    ]


def reading(source: Path, formats: str, threads: int) -> list[str]:
    """The arguments for a local input in one of these container formats.

    The options before it limit the threads of decoders and filters; by default ffmpeg uses all
    processors. Each output limits those of its encoder."""
    return [
        *("-filter_threads", str(threads), "-filter_complex_threads", str(threads)),
        *("-protocol_whitelist", "file", "-format_whitelist", formats),
        *("-threads", str(threads), "-i", f"file:{source}"),
    ]


def done_s(line: str) -> float | None:
    """Seconds of sound that are done, from a line of `-progress`; else None.

    >>> done_s("out_time_us=2500000"), done_s("out_time_us=N/A"), done_s("speed=12x")
    (2.5, None, None)
    """
    found = re.fullmatch(r"out_time_us=(\d+)", line.strip())
    return int(found[1]) / 1_000_000 if found else None


def speed_ratio(line: str) -> float | None:
    """Speed relative to playback, from a line of `-progress`; else None.

    >>> speed_ratio("speed= 168x"), speed_ratio("speed=N/A")
    (168.0, None)
    """
    found = re.fullmatch(r"speed=\s*([\d.]+(?:e[+-]?\d+)?)x", line.strip())
    return float(found[1]) if found else None


def failure(output: str) -> CeleriacError | None:
    """Our error for ffmpeg's output; None for output that we do not know."""
    return next(
        (kind(words) for pattern, kind, words in _FAILURES if re.search(pattern, output)), None
    )


def of_process(error: ProcessFailed) -> CeleriacError:
    """Our error for a failed ffmpeg. A signal is not attributed to the file."""
    known = failure(error.output_end)
    if known is not None:
        return known
    if error.exit_code < 0 or error.exit_code > 255:
        return RetryableError(f"ffmpeg was ended by signal {-error.exit_code}")
    return InvalidInput(f"ffmpeg cannot read the file: {_last_line(error.output_end)}")


def _last_line(output: str) -> str:
    lines = output.strip().splitlines()
    return lines[-1][:200] if lines else "no reason given"


def tags_of(ffmetadata: str) -> dict[str, str]:
    """Tags of the file from ffmpeg's ffmetadata text, names in lower case.

    >>> tags_of(";FFMETADATA1\\nTITLE=One\\\\=Two\\nartist=A\\\\; B\\n[CHAPTER]\\ntitle=no\\n")
    {'title': 'One=Two', 'artist': 'A; B'}
    """
    head = re.split(r"^\[(?:CHAPTER|STREAM)\]$", ffmetadata, maxsplit=1, flags=re.MULTILINE)[0]
    pairs = re.findall(
        r"^((?:[^=;#\\\n]|\\.)+)=((?:[^\\\n]|\\(?:.|\n))*)$", head, flags=re.MULTILINE
    )
    return {_unescaped(name).lower(): _unescaped(value) for name, value in pairs}


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.|\n)", r"\1", text)
