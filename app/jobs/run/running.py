"""What every run of a stage has, of a job or not: a folder, an end, processes, files."""

from collections.abc import Callable, Sequence
from pathlib import Path

from app.jobs.model.job import Artifact
from app.jobs.platform import Platform
from app.jobs.run import workspace
from app.jobs.run.stop import Stop


class Running:
    """The part of `Work` that is the same for all."""

    def __init__(self, platform: Platform, *, key: str, attempt: int, stop: Stop) -> None:
        self._platform = platform
        self._key = key
        self._attempt = attempt
        self._stop = stop

    @property
    def key(self) -> str:
        return self._key

    @property
    def attempt(self) -> int:
        return self._attempt

    @property
    def directory(self) -> Path:
        return workspace.folder(self._platform.settings.files.temp_dir, self._key)

    @property
    def platform(self) -> Platform:
        return self._platform

    def check(self) -> None:
        self._stop.check()

    def run_process(
        self,
        command: Sequence[str],
        *,
        on_line: Callable[[str], None] | None = None,
        timeout_s: float | None = None,
    ) -> str:
        return workspace.run_process(self._stop, command, on_line=on_line, timeout_s=timeout_s)

    def _stored(self, path: Path, *, folder: str, name: str, media_type: str) -> Artifact:
        stored = self._platform.artifacts.save(path, key=f"{folder}/{name}")
        return Artifact(
            name=name,
            media_type=media_type,
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
        )
