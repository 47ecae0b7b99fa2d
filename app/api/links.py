"""Paths of the API as clients write them, behind whatever prefix a proxy has taken away."""

from dataclasses import dataclass
from urllib.parse import quote

from app.jobs.model.job import JobId

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Links:
    """Absolute paths, without the host: the client knows it better."""

    root: str = ""
    """ASGI's `root_path`."""

    def job(self, job_id: JobId) -> str:
        return f"{self.root}{PREFIX}/jobs/{job_id}"

    def artifact(self, job_id: JobId, name: str) -> str:
        return f"{self.job(job_id)}/artifacts/{quote(name)}"

    def upload(self, upload_id: str) -> str:
        return f"{self.root}{PREFIX}/uploads/{upload_id}"
