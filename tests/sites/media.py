"""The site's media files, made by ffmpeg once and kept."""

import os
import subprocess
import tempfile
from pathlib import Path

from app.pipelines.media import ffmpeg

HOME = Path(__file__).parents[2] / ".cache" / "sites"

EDITION = "3"
"""Raise it when a recipe below changes: the files are made anew."""

CLIP_S = 12
TITLE = "A Tone Rises"
ARTIST = "The Signal Generators"

_PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=15")
_SOUND = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100")
_LENGTH = ("-t", str(CLIP_S))
_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
_AAC = ("-c:a", "aac", "-b:a", "128k")
_NAMED = ("-metadata", f"title={TITLE}", "-metadata", f"artist={ARTIST}")

RECIPES: dict[str, tuple[str, ...]] = {
    "clip.mp4": (
        *_PICTURE, *_SOUND, *_LENGTH, *_H264, *_AAC, *_NAMED, "-movflags", "+faststart",
    ),
    "mute.mp4": (*_PICTURE, *_LENGTH, *_H264, "-an"),
    "tone.ogg": (*_SOUND, *_LENGTH, "-c:a", "libvorbis"),
    "tone.wav": (*_SOUND, "-t", "60", "-c:a", "pcm_s16le"),
    "poster.png": (*_PICTURE, "-frames:v", "1"),
    "locked.m3u8": (
        *_SOUND, *_LENGTH, "-c:a", "aac", "-hls_time", "2", "-hls_playlist_type", "vod",
        "-hls_enc", "1", "-hls_enc_key", "00112233445566778899aabbccddeeff",
        "-hls_segment_filename", "locked%03d.ts",
    ),
    "scenes.mp4": (
        "-f", "lavfi", "-i", "color=red:size=320x180:rate=10:duration=2",
        "-f", "lavfi", "-i", "color=blue:size=320x180:rate=10:duration=3",
        "-f", "lavfi", "-i", "color=white:size=320x180:rate=10:duration=1",
        "-filter_complex", "[0][1][2]concat=n=3", *_H264,
    ),
    "clip.m3u8": (
        *_PICTURE, *_SOUND, *_LENGTH, *_H264, *_AAC, "-g", "30",
        "-hls_time", "2", "-hls_playlist_type", "vod", "-hls_segment_filename", "clip%03d.ts",
    ),
}  # fmt: skip


def folder() -> Path:
    """The folder with every file of `RECIPES`, made when it is not there yet (some seconds)."""
    ready = HOME / f"edition-{EDITION}"
    if not ready.is_dir():
        HOME.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=HOME))
        for name, recipe in RECIPES.items():
            command = [ffmpeg.executable(), "-v", "error", "-nostdin", *recipe, name]
            subprocess.run(command, cwd=fresh, check=True)
        _put_in_place(fresh, ready)
    return ready


def _put_in_place(fresh: Path, ready: Path) -> None:
    try:
        os.rename(fresh, ready)
    except OSError:
        if not ready.is_dir():  # else another process was as quick
            raise
