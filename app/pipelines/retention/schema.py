"""Parameters and results of the clean-ups."""

from pydantic import BaseModel, ConfigDict, Field

GIBIBYTE = 1024**3

DryRun = Field(default=False, description="Only report what would be removed.")


class OldDataParams(BaseModel):
    """Limits for old jobs and files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: float = Field(
        90,
        ge=1,
        le=36_500,
        description="Age in days from which ended jobs are removed with their files.",
    )
    orphan_days: float = Field(
        7, ge=1, le=36_500, description="Age in days from which files without a job are removed."
    )
    max_bytes: int | None = Field(
        None,
        ge=0,
        description="Maximum bytes of all artifacts; the oldest jobs are removed first.",
    )
    dry_run: bool = DryRun


class CacheParams(BaseModel):
    """Limits for the entries of a cache."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: float = Field(
        30, ge=1, le=36_500, description="Days after which unused entries are removed."
    )
    max_bytes: int = Field(
        5 * GIBIBYTE,
        ge=0,
        description="Maximum bytes of all entries; the least recently used ones are removed first.",
    )
    dry_run: bool = DryRun


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
