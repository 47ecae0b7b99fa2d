"""`make demo`: a video page becomes a tagged MP3, a PDF becomes chunks, pools go 0 -> n -> 0.

Everything is real and local: the platform as `celeriac up` starts it, and a web site of this
repository on a loopback port.
"""

import sys
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import mutagen
from reportlab.pdfgen import canvas
from rich.console import Console

from tests import up as platforms
from tests.sites import server
from tests.up import Up
from tests.waiting import eventually

VIDEOS = 4
PAGES = 12

console = Console(highlight=False)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="celeriac-demo-") as folder, server.serve() as site:
        console.print("[bold]Starting the platform[/] (celeriac up) ...")
        with platforms.running(Path(folder)) as up:
            console.print(f"API at {up.http.base_url}, a site with a video page at {site.url}\n")
            watch = Pools(up)
            media = [_submit_video(up, f"{site.url}/video?n={n}") for n in range(VIDEOS)]
            document = _submit_document(up)
            jobs = [watch.until_done(job_id) for job_id in (*media, document)]
            _show_mp3(up, jobs[0])
            _show_chunks(jobs[-1])
            watch.until_empty()
        failed = [job for job in jobs if job["state"] != "succeeded"]
    for job in failed:
        console.print(f"[red]{job['pipeline']} {job['state']}: {job['error']}")
    return 1 if failed else 0


class Pools:
    """Prints a line whenever the size of a pool has changed."""

    def __init__(self, up: Up) -> None:
        self._up = up
        self._shown = up.replicas()
        console.print(f"pools: all {len(self._shown)} at 0 workers")

    def until_done(self, job_id: str) -> dict[str, Any]:  # JSON
        def done() -> dict[str, Any] | None:
            self._show()
            job = self._up.job(job_id)
            return job if job["done"] else None

        return eventually(done, within_s=120, why=f"job {job_id} ends") or {}

    def until_empty(self) -> None:
        def empty() -> bool:
            self._show()
            return not any(self._shown.values())

        eventually(empty, within_s=120, why="the pools are empty")
        console.print("pools: all at 0 workers again")

    def _show(self) -> None:
        for name, replicas in self._up.replicas().items():
            was = self._shown.get(name, 0)
            if replicas != was:
                console.print(f"pools: [bold]{name}[/] {was} -> {replicas}")
                self._shown[name] = replicas


def _submit_video(up: Up, url: str) -> str:
    answer = up.http.post("/api/v1/jobs/media", json={"params": {"url": url}})
    answer.raise_for_status()
    return str(answer.json()["id"])


def _submit_document(up: Up) -> str:
    file = ("orchard.pdf", _pdf(), "application/pdf")
    upload = up.http.post("/api/v1/uploads", files={"file": file})
    upload.raise_for_status()
    params = {"upload_id": upload.json()["id"], "chatbot_id": "demo"}
    answer = up.http.post("/api/v1/jobs/document", json={"params": params})
    answer.raise_for_status()
    return str(answer.json()["id"])


def _pdf() -> bytes:
    target = BytesIO()
    sheet = canvas.Canvas(target)
    for page in range(1, PAGES + 1):
        for row, line in enumerate(_lines(page)):
            sheet.drawString(60, 780 - 16 * row, line)
        sheet.showPage()
    sheet.save()
    return target.getvalue()


def _lines(page: int) -> Iterator[str]:
    yield f"Chapter {page}: the orchard in week {page}"
    for row in range(40):
        yield f"Row {row}: the trees of week {page} stand {page * row} steps from the well."


def _show_mp3(up: Up, job: dict[str, Any]) -> None:  # JSON
    artifact = job["artifacts"][0]
    content = up.http.get(artifact["url"]).content
    tags = mutagen.File(BytesIO(content), easy=True)
    console.print(f"\n[bold]{artifact['name']}[/], {len(content):,} bytes, tags:")
    for name, values in tags.items():
        console.print(f"  {name}: {', '.join(values)}")


def _show_chunks(job: dict[str, Any]) -> None:  # JSON
    console.print("\n[bold]document[/] result:")
    for name, value in job["result"].items():
        console.print(f"  {name}: {value}")
    console.print()


if __name__ == "__main__":
    sys.exit(main())
