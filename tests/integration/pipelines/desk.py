"""A `Work` for tests: one run of a stage at a desk, without broker and database."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from app.errors import Cancelled, ProcessFailed
from app.jobs.model import Artifact, JobId
from app.settings import FetchSettings, FileSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One progress report."""

    percent: float
    message: str
    speed: str | None
    eta_seconds: float | None


@dataclass(kw_only=True)
class Desk:
    """Keeps what the work reports and stores; `stop_when` cancels it."""

    directory: Path
    platform: Any  # a real Platform needs servers: these tests need its settings and stores only
    shelf: Path
    job_id: JobId | None = None
    key: str = "desk"
    attempt: int = 1
    said: list[Said] = field(default_factory=list)
    stop_when: Callable[[list[Said]], bool] = lambda said: False

    def progress(
        self,
        percent: float,
        message: str = "",
        *,
        speed: str | None = None,
        eta_seconds: float | None = None,
    ) -> None:
        self.said.append(
            Said(percent=percent, message=message, speed=speed, eta_seconds=eta_seconds)
        )
        self.check()

    def check(self) -> None:
        if self.stop_when(self.said):
            raise Cancelled("the desk was cleared")

    def run_process(
        self,
        command: Sequence[str],
        *,
        on_line: Callable[[str], None] | None = None,
        timeout_s: float | None = None,
    ) -> str:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            try:
                for line in process.stdout:
                    if on_line is not None:
                        on_line(line)
            except BaseException:
                process.kill()
                raise
            output = process.stderr.read()
        if process.returncode:
            raise ProcessFailed(
                command=command[0], exit_code=process.returncode, output_end=output
            )
        return output

    def save_artifact(self, path: Path, *, name: str, media_type: str) -> Artifact:
        content = path.read_bytes()
        self.shelf.mkdir(exist_ok=True)
        (self.shelf / name).write_bytes(content)
        return Artifact(
            name=name,
            media_type=media_type,
            size_bytes=len(content),
            sha256=sha256(content).hexdigest(),
        )


def build(folder: Path, **settings: object) -> Desk:
    """A desk in a folder. `settings` are those of fetching and files, by their field names."""
    directory = folder / "work"
    directory.mkdir(parents=True)
    values: dict[str, Any] = {"allow_private_addresses": True, "timeout_s": 5.0, **settings}
    platform = SimpleNamespace(fetch=FetchSettings(**values), files=FileSettings(**values))
    return Desk(directory=directory, platform=platform, shelf=folder / "shelf")
