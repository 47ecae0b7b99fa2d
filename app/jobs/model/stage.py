"""`@stage`: make a plain function of parameters and work one stage of a pipeline."""

import dis
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast, get_type_hints

from pydantic import BaseModel, ValidationError

from app.errors import InvalidInput
from app.jobs.model import params
from app.jobs.model.job import Job, JobId
from app.jobs.model.pipeline import HANDED_KEY, Args, FunctionStage, Kwargs, RegistryError
from app.jobs.model.work import Work
from app.queues import Queue, QueueName
from app.storage import nesting

Made = TypeVar("Made")
Model = TypeVar("Model", bound=BaseModel)


def stage(
    task: str,
    *,
    queue: str | Queue,
    progress: tuple[float, float] = (0.0, 100.0),
    after_children: bool = False,
    workspace: bool = True,
    positional: Sequence[str] | None = None,
    ignored: Sequence[str] = (),
) -> Callable[[Callable[[Model, Work], Made]], FunctionStage[Model, Made]]:
    """Make `def f(params: Params, work: Work) -> Result` a Celery task. `queue` is the name of a
    declared queue, or a queue that the pipeline brings.

    The platform parses the parameters and dumps a result that is a model. Workers that run threads
    import at start what the function's body imports. Set `workspace=False` if the stage does not
    use `work.directory`.

    Celery clients may pass parameters by position, in the order of the model. `positional` is
    another order, for older callers; None in it means "not given". `ignored` names arguments of
    older callers that have no effect.
    """

    def decorate(function: Callable[[Model, Work], Made]) -> FunctionStage[Model, Made]:
        model = _params_model(function, task)
        reader = ArgumentReader(model=model, positional=positional, ignored=ignored)
        own = queue if isinstance(queue, Queue) else None
        return FunctionStage(
            task=task,
            queue=own.name if own is not None else QueueName(str(queue)),
            own_queue=own,
            progress=progress,
            after_children=after_children,
            imports=imported_by(function),
            has_workspace=workspace,
            function=function,
            parse=lambda args, kwargs, work: reader.read(args, kwargs),
        )

    return decorate


def finalizer(
    task: str, *, queue: str
) -> Callable[[Callable[[Job, Work], None]], FunctionStage[Job, None]]:
    """Make `def f(job: Job, work: Work) -> None` a finalizer, which runs when a job has failed or
    was cancelled. The platform then removes the workspace."""

    def decorate(function: Callable[[Job, Work], None]) -> FunctionStage[Job, None]:
        return FunctionStage(
            task=task,
            queue=QueueName(queue),
            imports=imported_by(function),
            has_workspace=True,
            function=function,
            parse=_job_of,
        )

    return decorate


def discarding(task: str, *, queue: str) -> FunctionStage[str, None]:
    """A finalizer that only removes the workspace."""
    return FunctionStage(
        task=task,
        queue=QueueName(queue),
        has_workspace=True,
        function=lambda job_id, work: None,
        parse=lambda args, kwargs, work: _job_id(args, kwargs),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentReader(Generic[Model]):
    """Parses the arguments of a task."""

    model: type[Model]
    positional: Sequence[str] | None = None
    ignored: Sequence[str] = ()

    def read(self, args: Args, kwargs: Kwargs) -> Model:
        """The parameters, from one object (the result of the previous stage) or from arguments by
        position and name. Raises InvalidInput."""
        if len(args) == 1 and not kwargs and not self._is_by_position(args[0]):
            return parsed(self.model, self._without_key(args[0]))
        names = self.positional if self.positional is not None else tuple(self.model.model_fields)
        if len(args) > len(names):
            raise InvalidInput(f"{len(args)} arguments are given by position, of {len(names)}")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        counted = {name: value for name, value in given.items() if self._counts(name, value)}
        return parsed(self.model, counted)

    def _is_by_position(self, argument: Any) -> bool:
        return self.positional is not None or not isinstance(argument, Mapping)

    def _counts(self, name: str, value: object) -> bool:
        is_left_out = value is None and name in (self.positional or ())
        return not is_left_out and name not in self.ignored

    def _without_key(self, given: Any) -> Any:
        if HANDED_KEY in self.model.model_fields:
            return given
        return {name: value for name, value in given.items() if name != HANDED_KEY}


def parsed(model: type[Model], values: object) -> Model:
    """Parse the arguments. Raises InvalidInput, which names each problem."""
    if nesting.is_too_deep(values):
        raise InvalidInput(f"the arguments do not fit: a value {nesting.TOO_DEEP}")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = params.describe(error, root="arguments")
        raise InvalidInput(f"the arguments do not fit: {problems}") from error


def imported_by(function: Callable[..., object]) -> tuple[str, ...]:
    """What the body of a function imports: modules, or members of modules.

    >>> def load():
    ...     import json.decoder
    ...     from app.jobs import model
    >>> imported_by(load)
    ('json.decoder', 'app.jobs.model')
    """
    code = [each for each in dis.get_instructions(function) if each.opname != "EXTENDED_ARG"]
    package = function.__globals__.get("__package__")
    found = (
        name
        for level, names, imported in zip(code, code[1:], code[2:], strict=False)
        if imported.opname == "IMPORT_NAME"
        for name in _names("." * level.argval + imported.argval, names.argval, package)
    )
    return tuple(dict.fromkeys(found))


def _names(module: str, names: Sequence[str] | None, package: str | None) -> Iterator[str]:
    absolute = importlib.util.resolve_name(module, package)
    yield from (f"{absolute}.{name}" for name in names) if names else (absolute,)


def _params_model(function: Callable[[Model, Work], Made], task: str) -> type[Model]:
    """The type of the first argument. Raises RegistryError when it is not a pydantic model."""
    hints: dict[str, Any] = get_type_hints(function)
    model = next((hint for name, hint in hints.items() if name != "return"), None)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise RegistryError(
            f"the function of the stage {task!r} takes (params: Params, work: Work), where Params "
            f"is a pydantic model; its first argument is declared as {model!r}"
        )
    return cast("type[Model]", model)


def _job_of(args: Args, kwargs: Kwargs, work: Work) -> Job:
    return work.jobs.get(JobId(_job_id(args, kwargs)))


def _job_id(args: Args, kwargs: Kwargs) -> str:
    """A finalizer is called with the id of the job. Raises InvalidInput."""
    found = args[0] if args else kwargs.get("job_id")
    if not isinstance(found, str):
        raise InvalidInput("a finalizer takes the id of a job")
    return found
