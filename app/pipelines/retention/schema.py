"""What the clean-ups are asked for, and what they answer."""

from pydantic import BaseModel, ConfigDict, Field

GIBIBYTE = 1024**3

DryRun = Field(default=False, description="Only tell what would be removed.")


class OldDataParams(BaseModel):
    """How old what nobody needs any more may get."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: float = Field(
        90, ge=1, le=36_500, description="Jobs that ended longer ago are removed with their files."
    )
    orphan_days: float = Field(
        7, ge=1, le=36_500, description="Files that belong to no job are removed when older."
    )
    max_bytes: int | None = Field(
        None,
        ge=0,
        description="Jobs are removed, the oldest first, until artifacts have no more bytes.",
    )
    dry_run: bool = DryRun


class CacheParams(BaseModel):
    """How old, and how large together, the entries of a cache may get."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: float = Field(30, ge=1, le=36_500, description="Entries not used for longer are removed.")
    max_bytes: int = Field(
        5 * GIBIBYTE,
        ge=0,
        description="Entries are removed, the longest unused first, until they have no more bytes.",
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
