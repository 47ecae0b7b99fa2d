"""Clean-ups over real stores: what goes, what stays, and that a dry run says the same."""

import os
import uuid
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from app.jobs.model.job import JobId, JobRequest, JobState
from app.jobs.store import rows
from app.jobs.store.acceptance import NewJob
from app.jobs.store.job_store import JobFilter, JobStore
from app.pipelines.retention import caches, old_data
from app.pipelines.retention.caches import FolderEntry
from app.pipelines.retention.schema import (
    CacheParams,
    CacheRemoved,
    OldDataParams,
    OldDataRemoved,
    Removed,
)
from app.storage import schema
from app.storage.audit_log import Act, AuditFilter, Outcome
from app.storage.engine import Database
from app.testing import RecordedWork
from tests.integration.pipelines.conftest import OpenWork

NOW = datetime.now(UTC)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def id_of(days: float) -> str:
    """An id that was made so long ago."""
    return rows.first_id_at(ago(days))[:18] + str(uuid.uuid4())[18:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Makes what was left behind long ago."""

    work: RecordedWork
    root: Path

    def job(
        self,
        days: float,
        state: JobState = JobState.SUCCEEDED,
        *,
        artifact: bytes = b"",
        parent: str | None = None,
        params: Mapping[str, object] | None = None,
        **columns: object,
    ) -> JobId:
        """A job that was made then, and ended then when it is over."""
        platform, job_id = self.work.platform, JobId(id_of(days))
        request = JobRequest(pipeline="x", params=dict(params or {}), labels={"a": "b"})
        new = NewJob(
            id=rows.new_id(),
            owner="",
            request=request,
            first_stage="x",
            max_attempts=1,
            is_published_now=False,
        )
        [(job, _)] = JobStore(platform.database).add([replace(new)], now=ago(days))
        values = {"parent_id": parent, "state": state.value, **columns}
        if state.is_final:
            values["finished_at"] = ago(days)
        with platform.database.write() as connection:
            labels = schema.job_labels
            connection.execute(labels.delete().where(labels.c.job_id == job.id))
            jobs = schema.jobs
            connection.execute(update(jobs).where(jobs.c.id == job.id).values(id=job_id, **values))
            connection.execute(insert(labels).values(job_id=job_id, key="a", value="b"))
        if artifact:
            self._keep(job_id, artifact)
        return job_id

    def _keep(self, job_id: JobId, content: bytes) -> None:
        key = f"jobs/{job_id}/1/a.bin"
        self.put(key, content, days=0)
        row = {"name": "a.bin", "media_type": "x/y", "size_bytes": len(content), "sha256": "0"}
        with self.work.platform.database.write() as connection:
            values = {**row, "job_id": job_id, "key": key, "created_at": NOW}
            connection.execute(insert(schema.artifacts).values(values))

    def upload(self, days: float, content: bytes) -> str:
        upload_id = id_of(days)
        key = f"uploads/{upload_id}"
        self.put(key, content, days=days)
        row = {"filename": "f", "media_type": "x/y", "size_bytes": len(content), "sha256": "0"}
        with self.work.platform.database.write() as connection:
            values = {**row, "id": upload_id, "key": key, "created_at": ago(days)}
            connection.execute(insert(schema.uploads).values(values))
        return upload_id

    def put(self, key: str, content: bytes, *, days: float) -> None:
        """An object in the store, last written then."""
        self.file(f"storage/{key}", content, days=days)

    def file(self, name: str, content: bytes, *, days: float) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        for one in (path, path.parent):
            os.utime(one, (ago(days).timestamp(),) * 2)
        return path

    def clean(self, **params: object) -> OldDataRemoved:
        return old_data.clean(OldDataParams.model_validate(params), self.work)

    @property
    def jobs(self) -> set[str]:
        return {job.id for job in self.work.platform.jobs.list(JobFilter(), limit=1000).jobs}

    @property
    def files(self) -> set[str]:
        """Every file that is left, without the database."""
        found = [
            path for name in ("storage", "temp", "cache") for path in (self.root / name).rglob("*")
        ]
        return {str(path.relative_to(self.root)) for path in found if not path.is_dir()}


@pytest.fixture
def past(open_work: OpenWork, tmp_path: Path, database_url: str) -> Past:
    """Over each database."""
    return Past(work=open_work(DATABASE_URL=database_url), root=tmp_path)


def test_old_jobs_go_with_all_that_is_theirs_and_a_dry_run_says_so(past: Past) -> None:
    past.job(100, artifact=b"12345")
    past.job(95, JobState.FAILED, dead_lettered_at=ago(95))
    past.job(91, JobState.CANCELLED)
    young = past.job(89, artifact=b"young")
    before = (past.jobs, past.files)
    want = OldDataRemoved(
        dry_run=True,
        jobs=3,
        artifacts=Removed(count=1, bytes=5),
        notifications=0,
        uploads=Removed(),
        orphans=Removed(),
        temp_files=Removed(),
        audit_lines=0,
        bytes=5,
    )
    # The artifact of a job that is there in a dry run is no orphan.
    assert past.clean(dry_run=True) == want
    assert (past.jobs, past.files) == before
    assert past.clean() == want.model_copy(update={"dry_run": False})
    assert (past.jobs, past.files) == ({young}, {f"storage/jobs/{young}/1/a.bin"})
    assert list((past.root / "storage" / "jobs").iterdir()) == [
        past.root / "storage" / "jobs" / young
    ]
    assert past.clean().jobs == 0


def test_what_a_live_job_uses_stays_whatever_its_age(past: Past) -> None:
    upload = past.upload(200, b"upload")
    used = past.job(190, artifact=b"used")
    stays = {
        past.job(180, JobState.QUEUED, params={"upload_id": upload}),
        past.job(170, JobState.RUNNING, stage_input={"path": f"jobs/{used}/1/a.bin"}),
        used,
        parent := past.job(160),
        past.job(150, JobState.RUNNING, parent=parent),
        running := past.job(140, JobState.RUNNING),
        past.job(130, parent=running),
        past.job(120, JobState.FAILED, finalizer_due=True),
        past.job(110, JobState.FAILED, lease_until=NOW),
    }
    past.job(100)
    past.file(f"temp/{running}/part", b"1", days=30)
    past.put(f"jobs/{running}/1/not-in-a-row", b"1", days=30)
    files = past.files
    assert past.clean().jobs == 1
    assert (past.jobs, past.files) == (stays, files)
    assert past.work.stores.uploads.get(upload).size_bytes == 6


def test_files_that_nobody_owns_go_when_they_are_old(past: Past) -> None:
    done = past.job(20)
    used = past.upload(30, b"used")
    past.job(20, params={"upload_id": used})
    past.upload(30, b"never used")
    past.upload(3, b"just sent")
    past.put(f"jobs/{done}/1/superseded", b"123", days=20)
    past.put(f"jobs/{done}/2/a moment ago", b"1", days=0)
    past.put(f"jobs/{id_of(99)}/1/of a job that is gone", b"1234", days=20)
    past.put(f"uploads/{id_of(99)}", b"12", days=20)
    past.put("plain/task-1/old", b"1", days=91)
    past.put("plain/task-2/young", b"1", days=20)
    past.put("mine/by hand", b"1", days=999)
    past.file(f"temp/{done}/part", b"1234567", days=20)
    past.file("temp/uploads/half.part", b"12345", days=20)
    past.file("temp/uploads/now.part", b"1", days=0)
    past.file("temp/task-3/now", b"1", days=0)
    found = past.clean()
    assert found.uploads == Removed(count=1, bytes=10)
    assert found.orphans == Removed(count=4, bytes=3 + 4 + 2 + 1)
    assert found.temp_files == Removed(count=2, bytes=12)
    assert {path.split("/", 2)[-1] for path in past.files if path.startswith("storage")} >= {
        f"{done}/2/a moment ago",
        "task-2/young",
        "by hand",
        used,
    }
    assert {path for path in past.files if path.startswith("temp")} == {
        "temp/uploads/now.part",
        "temp/task-3/now",
    }
    assert past.clean().bytes == 0


def test_old_notifications_go_unless_a_job_is_sending_them(past: Past) -> None:
    sending = past.job(100, JobState.RUNNING)
    row = {"user_id": "u", "type": "info", "title": "t", "message": "m", "data": {}}
    found = [("old", 91.0, None), ("sending", 95.0, sending), ("young", 89.0, None)]
    values = [
        {**row, "id": name, "key": name, "job_id": job_id, "created_at": ago(days)}
        for name, days, job_id in found
    ]
    with past.work.platform.database.write() as connection:
        connection.execute(insert(schema.notifications), values)
    assert [past.clean(dry_run=dry).notifications for dry in (True, False, False)] == [1, 1, 0]


def test_what_a_follow_up_names_stays(past: Past) -> None:
    upload = past.upload(30, b"upload")
    follow_up = {"kind": "document", "params": {"upload_id": upload}}
    past.job(20, JobState.QUEUED, on_success=follow_up)
    assert past.clean().uploads == Removed()


def test_the_oldest_artifacts_go_until_the_rest_is_small_enough(past: Past) -> None:
    past.job(5, artifact=bytes(40))
    without = past.job(4)
    past.job(3, artifact=bytes(40))
    left = past.job(2, artifact=bytes(40))
    want = past.clean(max_bytes=50, dry_run=True)
    found = past.clean(max_bytes=50)
    assert (found.jobs, found.artifacts) == (2, Removed(count=2, bytes=80))
    assert (want.jobs, want.artifacts) == (found.jobs, found.artifacts)
    assert past.jobs == {without, left}


def test_a_job_that_comes_meanwhile_keeps_what_it_names(past: Past) -> None:
    upload = past.upload(30, b"upload")
    old = past.job(100, artifact=b"1")
    past.job(0, JobState.QUEUED, params={"upload_id": upload, "file_path": f"jobs/{old}/1/a.bin"})
    store = past.work.stores.retention
    seen_at = datetime.now(UTC)  # the one that came is not older than this by much
    assert store.remove_uploads([upload], seen_at=seen_at) == []
    assert store.remove_jobs([old], seen_at=seen_at).job_ids == ()


def entry(days: float, size_bytes: int = 10) -> FolderEntry:
    return FolderEntry(path=Path(f"/c/{days}"), size_bytes=size_bytes, used_at=ago(days))


@pytest.mark.parametrize(
    ("used_days_ago", "max_bytes", "want"),
    [
        pytest.param([40, 31, 29, 1], 100, [40, 31], id="what is too old"),
        pytest.param([40, 5, 3, 1], 20, [40, 5], id="then the longest unused, for the size"),
        pytest.param([5, 0.1, 0.05], 0, [5], id="never what may be in use"),
        pytest.param([40, 0.1], 0, [40], id="and nothing that is younger"),
        pytest.param([], 0, [], id="nothing of nothing"),
    ],
)
def test_entries_go_by_age_then_by_size(
    used_days_ago: list[float], max_bytes: int, want: list[float]
) -> None:
    found = caches.outdated(
        [entry(days) for days in used_days_ago],
        before=ago(30),
        in_use_since=ago(0.5),
        max_bytes=max_bytes,
    )
    assert [one.path.name for one in found] == [str(days) for days in want]


@pytest.mark.parametrize("name", ["youtube", "pdf"])
def test_a_cache_keeps_what_a_running_job_may_use(
    open_work: OpenWork, tmp_path: Path, name: str
) -> None:
    past = Past(work=open_work(), root=tmp_path)
    past.file(f"cache/{name}/old/frame.png", b"1234", days=40)
    past.file(f"cache/{name}/used.json", b"12", days=4)
    past.file("cache/other/old.json", b"1", days=99)
    running = past.job(5, JobState.RUNNING, started_at=ago(5))
    params = CacheParams(max_bytes=0)
    found = caches.clean(name, params, past.work)
    assert found == CacheRemoved(
        dry_run=False, entries=Removed(count=1, bytes=4), kept=Removed(count=1, bytes=2)
    )
    with past.work.platform.database.write() as connection:
        jobs = schema.jobs
        connection.execute(update(jobs).where(jobs.c.id == running).values(state="succeeded"))
    again = caches.clean(name, params.model_copy(update={"dry_run": True}), past.work)
    assert (again.entries, len(past.files)) == (Removed(count=1, bytes=2), 2)
    assert caches.clean(name, params, past.work).entries == Removed(count=1, bytes=2)
    assert past.files == {"cache/other/old.json"}


def test_old_lines_of_the_audit_log_go_by_the_setting_and_by_no_parameter(
    open_work: OpenWork, database_url: str
) -> None:
    work = open_work(DATABASE_URL=database_url, CELERIAC_AUDIT_DAYS="30")
    with closing(Database(database_url)) as database:
        for days in range(0, 500, 5):
            work.stores.audit.add(Act(action="job.submit", subject=str(days)), Outcome.DONE)
            with database.write() as connection:
                aged = update(schema.audit_log).where(schema.audit_log.c.subject == str(days))
                connection.execute(aged.values(at=ago(days)))
    assert old_data.clean(OldDataParams(days=1, dry_run=True), work).audit_lines == 0
    assert old_data.clean(OldDataParams(days=1), work).audit_lines == 94
    left, _ = work.stores.audit.read(AuditFilter(), limit=100)
    assert sorted(int(line.subject) for line in left) == [0, 5, 10, 15, 20, 25]
