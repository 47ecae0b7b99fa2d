"""What a pipeline is: a kind of job, its parameters, and the stages that do the work."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel

from app.errors import CeleriacError, NotFound
from app.queues import BY_NAME, QueueName


class RegistryError(CeleriacError):
    """A module that should hold a pipeline does not, two pipelines share a kind, or a stage is on a
    queue that no worker serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """An ordinary Celery task of a pipeline, on a declared queue."""

    task: str
    """The task's name, as any Celery client calls it."""
    queue: QueueName
    progress: tuple[float, float] = (0.0, 100.0)
    """The stage's share of the job's progress, in percent; its own 0-100 % is mapped into it."""
    after_children: bool = False
    """Begins when every job that the stages before have submitted is over (`Work.submit_children`).
    No worker is held meanwhile."""
    imports: tuple[str, ...] = ()
    """Modules that the task imports when it runs. A worker whose tasks run in threads imports them
    at its start: two threads that import one library at once may see it half made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a pipeline begins by itself. Settings can change it (`maintenance.job_schedules`)."""

    name: str
    cron: str
    """Minute, hour, day, month, weekday."""
    timezone: str = "UTC"
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A kind of job: parameters that a client may send, and the stages that do the work.

    The first stage is called with the parameters as keyword arguments, each further one with what
    the stage before returned, exactly as in a Celery `chain`. The last one's return value is the
    job's result.
    """

    kind: str
    summary: str
    params: type[BaseModel]
    stages: tuple[Stage, ...]
    tasks_module: str
    """The module whose import registers the tasks: workers import it, the API does not need to."""
    finalizer: Stage | None = None
    """Called as a plain task with the job's id when a job failed or was cancelled."""
    max_attempts: int | None = None
    """Runs of each stage where the client does not say; None is the server's own number."""
    is_internal: bool = False
    """Whether only the platform itself submits such jobs."""

    schedules: tuple[Schedule, ...] = ()

    @property
    def all_stages(self) -> tuple[Stage, ...]:
        """The stages in their order, and the finalizer."""
        return self.stages if self.finalizer is None else (*self.stages, self.finalizer)

    def stage(self, task: str) -> Stage:
        return self.stages[self.position(task)]

    def position(self, task: str) -> int:
        """Index of the stage. NotFound when it is not a stage of this pipeline."""
        for index, stage in enumerate(self.stages):
            if stage.task == task:
                return index
        raise NotFound(f"pipeline {self.kind!r} has no stage {task!r}")

    def share_before(self, task: str) -> tuple[float, float]:
        """The percents between the end of the stage before and the beginning of this one."""
        index = self.position(task)
        before = self.stages[index - 1].progress[1] if index else 0.0
        return before, max(before, self.stages[index].progress[0])

    def stage_after(self, task: str) -> Stage | None:
        following = self.stages[self.position(task) + 1 :]
        return following[0] if following else None


class Registry(Mapping[str, Pipeline]):
    """Every pipeline of this process by its kind."""

    def __init__(self, pipelines: Sequence[Pipeline]) -> None:
        self._by_kind: dict[str, Pipeline] = {}
        for pipeline in pipelines:
            if pipeline.kind in self._by_kind:
                raise RegistryError(f"two pipelines call themselves {pipeline.kind!r}")
            _check_queues(pipeline)
            self._by_kind[pipeline.kind] = pipeline

    def __getitem__(self, kind: str) -> Pipeline:
        return self._by_kind[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_kind)

    def __len__(self) -> int:
        return len(self._by_kind)

    @property
    def public(self) -> "Registry":
        """Those that clients may ask for."""
        return Registry([pipeline for pipeline in self.values() if not pipeline.is_internal])

    @property
    def tasks_modules(self) -> tuple[str, ...]:
        """The modules that a worker imports (Celery's `imports`)."""
        return tuple(dict.fromkeys(pipeline.tasks_module for pipeline in self.values()))

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages and the finalizers of every pipeline."""
        return tuple(stage for pipeline in self.values() for stage in pipeline.all_stages)

    @property
    def task_routes(self) -> dict[str, dict[str, str]]:
        """The queue of every stage, as Celery's `task_routes`."""
        return {stage.task: {"queue": stage.queue} for stage in self.stages}

    def imports_of(self, queues: Collection[str]) -> tuple[str, ...]:
        """The modules that the stages on these queues import when they run."""
        found = (name for one in self.stages if one.queue in queues for name in one.imports)
        return tuple(dict.fromkeys(found))


def _check_queues(pipeline: Pipeline) -> None:
    """A job whose stage is on another queue would stay queued for ever."""
    for stage in pipeline.all_stages:
        if stage.queue not in BY_NAME:
            raise RegistryError(
                f"the stage {stage.task!r} of the pipeline {pipeline.kind!r} is on the queue "
                f"{stage.queue!r}, which is not declared; there are: {', '.join(BY_NAME)}"
            )
