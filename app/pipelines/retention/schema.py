"""Parameters and results of the clean-ups."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.pipelines.parameters import NOT_TEXT, Flag

GIBIBYTE = 1024**3

Days = Annotated[float, Field(ge=1, le=36_500), NOT_TEXT]

Bytes = Annotated[int, Field(ge=0), NOT_TEXT]

DryRun = Field(default=False, description="Only report what would be removed.")


class OldDataParams(BaseModel):
    """Limits for old jobs and files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: Days = Field(
        90,
        description="Age in days from which ended jobs are removed with their files.",
    )
    orphan_days: Days = Field(
        7, description="Age in days from which files without a job are removed."
    )
    max_bytes: Bytes | None = Field(
        None,
        description="Maximum bytes of all artifacts; the oldest jobs are removed first.",
    )
    dry_run: Flag = DryRun


class CacheParams(BaseModel):
    """Limits for the entries of a cache."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: Days = Field(30, description="Days after which unused entries are removed.")
    max_bytes: Bytes = Field(
        5 * GIBIBYTE,
        description="Maximum bytes of all entries; the least recently used ones are removed first.",
    )
    dry_run: Flag = DryRun


class Removed(BaseModel):
    """A count and its total size."""

    model_config = ConfigDict(frozen=True)

    count: int = 0
    bytes: int = 0

    def plus(self, size_bytes: int, *, count: int = 1) -> "Removed":
        return Removed(count=self.count + count, bytes=self.bytes + size_bytes)


class OldDataRemoved(BaseModel):
    """What was removed; in a dry run, what would be."""

    model_config = ConfigDict(frozen=True)

    dry_run: bool
    jobs: int
    """Jobs with their runs, labels and events."""
    artifacts: Removed
    """Artifacts of those jobs."""
    notifications: int
    """Notifications, read or unread."""
    uploads: Removed
    """Uploads that no job names."""
    orphans: Removed
    """Objects without a row, and artifacts of plain tasks."""
    temp_files: Removed
    """Folders and files in TEMP_DIR without a running job."""
    audit_lines: int
    """Lines of the audit log older than CELERIAC_AUDIT_DAYS; 0 in a dry run."""
    bytes: int
    """Total size."""


class EraseParams(BaseModel):
    """Whose data is erased."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    owner: str = Field(min_length=1, max_length=200, description="The owner, as keys name it.")


class Erased(BaseModel):
    """What was erased beside sources, notifications and keys."""

    model_config = ConfigDict(frozen=True)

    jobs: int
    uploads: int
    chunks: int


class CacheRemoved(BaseModel):
    """What was removed; in a dry run, what would be."""

    model_config = ConfigDict(frozen=True)

    dry_run: bool
    entries: Removed
    kept: Removed
