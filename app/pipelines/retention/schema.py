"""What the clean-ups are asked for, and what they answer."""

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
    """How many, and how large together."""

    model_config = ConfigDict(frozen=True)

    count: int = 0
    bytes: int = 0

    def plus(self, size_bytes: int, *, count: int = 1) -> "Removed":
        return Removed(count=self.count + count, bytes=self.bytes + size_bytes)


class OldDataRemoved(BaseModel):
    """What was removed; what would be, after a dry run."""

    model_config = ConfigDict(frozen=True)

    dry_run: bool
    jobs: int
    """With their runs, labels and events."""
    artifacts: Removed
    """Of those jobs."""
    notifications: int
    """Read or not."""
    uploads: Removed
    """That no job names any more."""
    orphans: Removed
    """Objects in the store that no row knows, and results of plain tasks."""
    temp_files: Removed
    """Folders and files in TEMP_DIR that nobody works on."""
    bytes: int
    """Of all of it."""


class CacheRemoved(BaseModel):
    """What was removed; what would be, after a dry run."""

    model_config = ConfigDict(frozen=True)

    dry_run: bool
    entries: Removed
    kept: Removed
