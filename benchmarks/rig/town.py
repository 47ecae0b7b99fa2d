"""The outside world of a benchmark in a process of its own: web sites, a mail server, a model."""

import multiprocessing
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """Where everybody lives."""

    site_url: str
    """Pages with videos; what lies in the folder is under `/media/`."""
    web_url: str
    """A site of many pages, with a trap of endless links."""
    models_url: str
    hook_url: str
    mail_port: int
    pubmed_url: str


@contextmanager
def built(*, pages: int, folder: Path | None = None) -> Iterator[Town]:
    """Until the block ends. The folder takes the place of the site's own media files."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, pages, folder))
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _serve(pipe: Connection, pages: int, folder: Path | None) -> None:
    from benchmarks.rig import answers
    from tests.sites import mailbox, models, pubmed, receiver, server, web

    with ExitStack() as stack:
        site = stack.enter_context(server.serve())
        site.folder = folder or site.folder
        house = stack.enter_context(models.serve())
        house.default = models.tool(answers.of)
        town = Town(
            site_url=site.url,
            web_url=stack.enter_context(web.serve(fallback=web.many(pages))).url,
            models_url=house.url,
            hook_url=stack.enter_context(receiver.receive()).url + "/hook",
            mail_port=stack.enter_context(mailbox.serve()).port,
            pubmed_url=stack.enter_context(pubmed.serve()).url,
        )
        pipe.send(town)
        threading.Event().wait()


def long_film(target: Path, *, size_bytes: int) -> None:
    """An MP4 of about this size: twenty seconds of noise and a tone, over and over."""
    from app.pipelines.media import ffmpeg

    piece = target.with_name("piece.mp4")
    _ffmpeg(
        ffmpeg.executable(),
        *("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=15,noise=alls=40:allf=t"),
        *("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100", "-t", "20"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"),
        str(piece),
    )
    again = size_bytes // piece.stat().st_size
    looped = ("-stream_loop", str(again), "-i", str(piece), "-c", "copy")
    _ffmpeg(ffmpeg.executable(), *looped, "-movflags", "+faststart", str(target))
    piece.unlink()


def _ffmpeg(program: str, *words: str) -> None:
    subprocess.run([program, "-v", "error", "-nostdin", "-y", *words], check=True)
