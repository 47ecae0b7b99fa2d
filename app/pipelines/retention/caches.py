"""Keep a cache to its age and size, without what a running job may use."""

from datetime import UTC, datetime, timedelta

from app.jobs.model.work import Work
from app.pipelines.retention import folders
from app.pipelines.retention.schema import CacheParams, CacheRemoved, Removed

SETTLING = timedelta(hours=1)
"""Whatever was used since then stays: longer than the hard limit of a plain task, of which no row
tells that it runs."""


def clean(name: str, params: CacheParams, work: Work) -> CacheRemoved:
    """Remove entries of `CACHE_DIR/<name>`. An entry is what lies directly in it; jobs touch those
    that they use, so that what was last used before any running job began is used by none."""
    now = datetime.now(UTC)
    work.progress(0, "looking through the cache")
    found = folders.entries(work.platform.settings.files.cache_dir / name)
    running_since = work.platform.retention.running_since()
    settled = now - SETTLING
    chosen = folders.outdated(
        found,
        before=now - timedelta(days=params.days),
        in_use_since=settled if running_since is None else min(settled, running_since),
        max_bytes=params.max_bytes,
    )
    for number, entry in enumerate(chosen, start=1):
        if not params.dry_run:
            folders.remove(entry)
        work.progress(100 * number / len(chosen), f"removed {number} of {len(chosen)} entries")
    gone = sum(entry.size_bytes for entry in chosen)
    total = sum(entry.size_bytes for entry in found)
    return CacheRemoved(
        dry_run=params.dry_run,
        entries=Removed(count=len(chosen), bytes=gone),
        kept=Removed(count=len(found) - len(chosen), bytes=total - gone),
    )
