"""What a client wishes to happen when its job ends, checked before the job is accepted."""

from fnmatch import fnmatchcase

from pydantic import ValidationError

from app.errors import InvalidInput, NotFound
from app.jobs.model import params, placeholders
from app.jobs.model.job import FollowUp, JobRequest
from app.jobs.platform import Platform


def check(request: JobRequest, platform: Platform) -> None:
    """Raises InvalidInput and NotFound for a wish that could never be fulfilled here."""
    if request.webhook_url is not None and not platform.settings.notify.webhook_secrets:
        raise InvalidInput("no webhook is sent unsigned: this server has no NOTIFY_WEBHOOK_SECRETS")
    for follow_up in (request.on_success, request.on_failure):
        if follow_up is not None:
            _check_follow_up(follow_up, platform)


def _check_follow_up(follow_up: FollowUp, platform: Platform) -> None:
    if follow_up.task is not None:
        check_task(follow_up.task, platform)
        return
    known = platform.registry.public
    pipeline = known.get(follow_up.kind or "")
    if pipeline is None:
        raise NotFound(
            f"no pipeline of kind {follow_up.kind!r}; there are: {', '.join(sorted(known))}"
        )
    if placeholders.has_any(follow_up.params):
        return  # they show what they are when the job has ended
    try:
        pipeline.params.model_validate(follow_up.params)
    except ValidationError as error:
        wrong = params.describe(error)
        raise InvalidInput(
            f"the parameters of the {follow_up.kind!r} that follows do not fit: {wrong}"
        ) from error


def check_task(task: str, platform: Platform) -> None:
    """Raises InvalidInput for a task that jobs may not name as what follows them."""
    allowed = platform.settings.notify.callback_tasks
    if not any(fnmatchcase(task, pattern) for pattern in allowed):
        raise InvalidInput(f"no job may be followed by {task!r}: see CELERIAC_CALLBACK_TASKS")
