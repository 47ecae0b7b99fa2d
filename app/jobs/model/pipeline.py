"""What a pipeline is: a kind of job, its parameters, and the stages that do the work."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from app.access.principal import AccessScope
from app.errors import CeleriacError, NotFound
from app.jobs.model.job import Job
from app.jobs.model.work import Work
from app.queues import QUEUES, Queue, QueueName

Given = TypeVar("Given")
Made = TypeVar("Made")

Args = Sequence[Any]  # JSON values, as a message has them
Kwargs = Mapping[str, Any]

HANDED_KEY = "work"
"""Key in a stage's result that passes `Work.key`, and so the workspace, to the next stage."""


class RegistryError(CeleriacError):
    """The pipelines are invalid: a module has none, two share a kind, a task or a queue name, or
    a stage is on an unknown queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """An ordinary Celery task of a pipeline. `app.jobs.model.stage.stage` makes one of a function;
    declare a `Stage` for a task that you register with Celery yourself."""

    task: str
    """The task's name, as any Celery client calls it."""
    queue: QueueName
    own_queue: Queue | None = None
    """The queue itself, when the pipeline brings it."""
    progress: tuple[float, float] = (0.0, 100.0)
    """Share of the job's progress in percent, to which the stage's 0-100 % is mapped."""
    after_children: bool = False
    """Start when every job that the earlier stages submitted has ended (`Work.submit_children`).
    No worker is held meanwhile."""
    imports: tuple[str, ...] = ()
    """What the task imports when it runs. Workers that run threads import it at start: of two
    threads that import a library, one may see it half initialized."""
    has_workspace: bool = False
    """Whether the platform removes `Work.directory` when the job has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionStage(Stage, Generic[Given, Made]):
    """A stage whose task the platform registers with Celery: it parses the arguments, calls the
    function, dumps what it returns, and removes the workspace."""

    function: Callable[[Given, Work], Made]
    parse: Callable[[Args, Kwargs, Work], Given]
    """Convert the arguments of a call to those of the function. Raises InvalidInput."""

    def __call__(self, given: Given, work: Work) -> Made:
        return self.function(given, work)

    def s(self, *args: Any, **kwargs: Any) -> Any:  # Celery's
        """Celery's signature of the task, which is called without a job."""
        from celery import (
            signature,  # not at the top: the command line lists pipelines without Celery
        )

        return signature(self.task, args=args, kwargs=kwargs, queue=self.queue)

    def delay(self, *args: Any, **kwargs: Any) -> Any:  # Celery's
        """Publish the task without a job."""
        return self.s(*args, **kwargs).apply_async()


DISCARD_FILES: FunctionStage[None, None] = FunctionStage(
    task="discard_temp_files",
    queue=QueueName("cleanup"),
    has_workspace=True,
    function=lambda _given, _work: None,
    parse=lambda _args, _kwargs, _work: None,
)
"""The finalizer of every pipeline whose stages have a workspace and that names no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When jobs of a pipeline start by schedule. Settings can change it
    (`maintenance.job_schedules`)."""

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
    tasks_module: str | None = None
    """A module whose import registers tasks with Celery, when they are no functions of `@stage`:
    workers import it, the API does not need to."""
    finalizer: Stage | None = None
    """Called with the job's id when a job has failed or was cancelled. A pipeline whose stages have
    a workspace has one by default, which removes it."""
    max_attempts: int | None = None
    """Runs of each stage when the client names no number; None is the server's default."""
    scope: AccessScope = AccessScope.SUBMIT
    """What an API key must allow to submit such jobs."""
    recipients: tuple[str, ...] = ()
    """Parameters that name an address to which a job sends something."""
    is_internal: bool = False
    """Whether only the platform itself submits such jobs."""

    schedules: tuple[Schedule, ...] = ()

    def __post_init__(self) -> None:
        if self.finalizer is None and any(stage.has_workspace for stage in self.stages):
            object.__setattr__(self, "finalizer", DISCARD_FILES)

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

    def arguments_of(self, job: Job) -> tuple[Args, Kwargs]:
        """How the job's present stage is called: the first one with the parameters, each further
        one with what the stage before returned, as in a Celery chain."""
        if self.position(job.stage) == 0:
            return (), job.params
        return (job.stage_input,), {}

    def stage_after(self, task: str) -> Stage | None:
        following = self.stages[self.position(task) + 1 :]
        return following[0] if following else None


class Registry(Mapping[str, Pipeline]):
    """Every pipeline of this process by its kind."""

    def __init__(self, pipelines: Sequence[Pipeline]) -> None:
        self._by_kind: dict[str, Pipeline] = {}
        for pipeline in pipelines:
            if pipeline.kind in self._by_kind:
                raise RegistryError(f"two pipelines are of the kind {pipeline.kind!r}")
            self._by_kind[pipeline.kind] = pipeline
        self._queues: dict[str, Queue] = {queue.name: queue for queue in QUEUES}
        self._functions: dict[str, FunctionStage[Any, Any]] = {}
        for stage in self.stages:
            self._add_stage(stage)
        for pipeline in pipelines:
            self._check_queues(pipeline)

    def __getitem__(self, kind: str) -> Pipeline:
        return self._by_kind[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_kind)

    def __len__(self) -> int:
        return len(self._by_kind)

    @property
    def public(self) -> "Registry":
        """The pipelines that clients may ask for."""
        return Registry([pipeline for pipeline in self.values() if not pipeline.is_internal])

    @property
    def tasks_modules(self) -> tuple[str, ...]:
        """The modules that a worker imports (Celery's `imports`)."""
        named = (pipeline.tasks_module for pipeline in self.values())
        return tuple(dict.fromkeys(name for name in named if name is not None))

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages and the finalizers of every pipeline."""
        return tuple(stage for pipeline in self.values() for stage in pipeline.all_stages)

    @property
    def functions(self) -> tuple[FunctionStage[Any, Any], ...]:
        """The stages and finalizers whose tasks the platform registers."""
        return tuple(self._functions.values())

    @property
    def queues(self) -> Mapping[str, Queue]:
        """The declared queues and those that pipelines bring, by name."""
        return self._queues

    @property
    def task_routes(self) -> dict[str, dict[str, str]]:
        """The queue of every stage, as Celery's `task_routes`."""
        return {stage.task: {"queue": stage.queue} for stage in self.stages}

    def is_last(self, task: str) -> bool:
        """Whether no stage follows this one, in any pipeline."""
        return not any(
            stage.task == task for pipeline in self.values() for stage in pipeline.stages[:-1]
        )

    def imports_of(self, queues: Collection[str]) -> tuple[str, ...]:
        """What the stages on these queues import when they run."""
        found = (name for one in self.stages if one.queue in queues for name in one.imports)
        return tuple(dict.fromkeys(found))

    def _add_stage(self, stage: Stage) -> None:
        queue = stage.own_queue
        if queue is not None and self._queues.setdefault(queue.name, queue) != queue:
            raise RegistryError(f"two different queues are named {queue.name!r}")
        if isinstance(stage, FunctionStage):
            known = self._functions.setdefault(stage.task, stage)
            if known != stage:
                raise RegistryError(f"two different stages are named {stage.task!r}")

    def _check_queues(self, pipeline: Pipeline) -> None:
        """A job whose stage is on a queue without workers would stay queued for ever."""
        for stage in pipeline.all_stages:
            if stage.queue not in self._queues:
                raise RegistryError(
                    f"the stage {stage.task!r} of the pipeline {pipeline.kind!r} is on the queue "
                    f"{stage.queue!r}, which is not declared; there are: "
                    f"{', '.join(self._queues)}. A pipeline brings a queue of its own by "
                    "`queue=Queue(...)`"
                )
