"""Paths of the API for clients, including the prefix that a proxy has removed."""

from dataclasses import dataclass
from urllib.parse import quote

from app.jobs.model.job import JobId

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Links:
    """Absolute paths without a host, which only the client knows."""

    root: str = ""
    """ASGI's `root_path`."""

    def job(self, job_id: JobId) -> str:
        return f"{self.root}{PREFIX}/jobs/{job_id}"

    def artifact(self, job_id: JobId, name: str) -> str:
        return f"{self.job(job_id)}/artifacts/{quote(name)}"

    def upload(self, upload_id: str) -> str:
        return f"{self.root}{PREFIX}/uploads/{upload_id}"
