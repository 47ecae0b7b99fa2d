"""The parts of jobs put together in memory, in virtual time: no server, no thread."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from app.jobs.content_stores import Stores
from app.jobs.maintenance.reconciler import Intervals, Reconciler
from app.jobs.model import ticket
from app.jobs.model.job import Job, JobId, JobRequest, Progress
from app.jobs.model.pipeline import Registry
from app.jobs.model.retry import Policy
from app.jobs.model.signing import MessageSigner
from app.jobs.model.time_limits import TimeLimits
from app.jobs.publish.dispatcher import Dispatcher
from app.jobs.publish.job_lifecycle import Lifecycle
from app.jobs.publish.senders import TaskCall
from app.jobs.run.lease_renewal import LeaseRenewer
from app.jobs.run.stage_run import RunParts, StageOutcome, WorkOn
from app.jobs.run.stage_runner import StageRunner
from app.jobs.run.stage_work import StageParts
from app.jobs.service import Jobs
from app.pipelines.callback.tasks import PIPELINE as CALLBACK
from app.settings import Settings
from tests import probe
from tests.clocks import ManualClock
from tests.unit.jobs import build, memory
from tests.unit.jobs.memory import MemoryDueJobs, MemoryJobs, MemoryLeases

LEASE_S = 30.0
REGISTRY = Registry([probe.PIPELINE, CALLBACK])


@dataclass
class RecordedEvents:
    """What followers were told, as text."""

    told: list[str] = field(default_factory=list)
    shown: dict[JobId, Progress] = field(default_factory=dict)
    is_there: bool = True

    def states(self, jobs: Sequence[Job]) -> None:
        self.told += [f"{job.state} {job.stage}" for job in jobs if job.pipeline == "probe"]

    def progress(self, job: Job, progress: Progress) -> None:
        self.told.append(f"{progress.progress:g} % {progress.message}")
        self.shown[job.id] = progress

    def latest(self, job_ids: Sequence[JobId]) -> dict[JobId, Progress]:
        return {job_id: self.shown[job_id] for job_id in job_ids if job_id in self.shown}

    def is_answered(self) -> bool:
        return self.is_there


class NoSlots:
    """No queue is shared."""

    def tick(self) -> None: ...


@dataclass
class RecordedSender:
    """What the broker was given: task ids, as the broker would hold them."""

    sent: list[str] = field(default_factory=list)
    finalizers: list[str] = field(default_factory=list)

    def send(self, calls: Sequence[TaskCall]) -> None:
        for call in calls:
            found = self.finalizers if call.task == "probe_finalizer" else self.sent
            found.append(call.options["task_id"])


class VirtualPlatform:
    """Clients, one worker and one reconciler around the same rows."""

    def __init__(self, *, policy: Policy | None = None) -> None:
        self.clock = ManualClock(build.NOW)
        self.rows = MemoryJobs()
        self.due_jobs = MemoryDueJobs(self.rows)
        self.leases = MemoryLeases(self.rows)
        self.events = RecordedEvents()
        self.broker = RecordedSender()
        self.dispatcher = Dispatcher(
            self.broker,
            REGISTRY,
            signer=MessageSigner(),
            unpublished=self.due_jobs,
            is_broker_silent=lambda: False,
        )
        self.policy = policy or Policy(base_s=60, max_s=3600, max_deliveries=3)
        self.lifecycle = Lifecycle(
            machine=self.rows,
            events=self.events,
            dispatcher=self.dispatcher,
            find_jobs=self.rows.find_many,
            registry=REGISTRY,
            clock=self.clock,
        )
        self.renewer = LeaseRenewer(
            self.leases, lease_s=LEASE_S, clock=self.clock, has_thread=False
        )
        self.runner = StageRunner(self._parts(), renewer=self.renewer, find_job=self.rows.find)

    def submit(self, request: JobRequest | None = None, *, is_published: bool = True) -> Job:
        """A job whose message the broker has."""
        asked = request or JobRequest(pipeline="probe", params={})
        job_id = build.job_id(len(self.rows.rows) + 1)
        new = memory.new_job(asked, job_id=job_id, is_published=is_published)
        job = self.rows.add(new, now=self.clock.now())
        if is_published:
            self.dispatcher.dispatch([job])
        return job

    def run(self, job: Job, work_on: WorkOn) -> StageOutcome:
        """Deliver the message of the job's present stage to a worker."""
        own = ticket.stage_ticket(self.now(job))
        return self.runner.run_stage(own, work_on, worker="w@here")

    def now(self, job: Job) -> Job:
        """The job as it stands."""
        return self.rows.job(job.id)

    def reconciler(self) -> Reconciler:
        return Reconciler(
            due_jobs=self.due_jobs,
            children=self.due_jobs,
            lifecycle=self.lifecycle,
            dispatcher=self.dispatcher,
            events=self.events,
            find_held=lambda queues, since_s: frozenset(self.broker.sent),
            running_slots=NoSlots(),
            registry=REGISTRY,
            policy=self.policy,
            intervals=Intervals(tick_s=1.0, lease_s=LEASE_S, publish_grace_s=10.0),
            clock=self.clock,
        )

    def _parts(self) -> RunParts:
        unused: Any = None  # stages of these tests use neither stores nor Redis
        return RunParts(
            lifecycle=self.lifecycle,
            leases=self.leases,
            renewal=self.renewer,
            tell_progress=self.events.progress,
            registry=REGISTRY,
            policy=self.policy,
            limits=lambda stage: TimeLimits(soft_s=100.0, hard_s=120.0),
            lease_s=LEASE_S,
            rng=lambda: 0.0,
            clock=self.clock,
            stage=StageParts(
                settings=Settings(),
                stores=cast("Stores", unused),
                jobs=cast("Jobs", unused),
                redis=unused,
                threads=lambda: 1,
                clock=self.clock,
            ),
        )
