"""A pipeline for tests: three stages that do what the job's parameters tell them to.

`plan` maps the name of a stage to a list of acts, one for each attempt; the last one stays.
Acts: `ok`, `sleep:<s>`, `spin:<s>` (checks all the time), `retryable`, `permanent`, `limited:<s>`,
`crash` (kill -9 of the process), `child:<s>` (a process with a grandchild), `exit`,
`deep:<n>` (returns so many levels).
"""

from pydantic import BaseModel

from app import queues
from app.jobs.model.pipeline import Pipeline, Stage


class ProbeParams(BaseModel):
    """What the stages do."""

    name: str = "probe"
    plan: dict[str, list[str]] = {}


PIPELINE = Pipeline(
    kind="probe",
    summary="does what its parameters say",
    params=ProbeParams,
    stages=(
        Stage(task="probe_first", queue=queues.BY_NAME["default"].name, progress=(10, 50)),
        Stage(task="probe_second", queue=queues.BY_NAME["download"].name, progress=(60, 90)),
        Stage(task="probe_last", queue=queues.BY_NAME["cleanup"].name, progress=(90, 100)),
    ),
    tasks_module="tests.probe.tasks",
    finalizer=Stage(task="probe_finalizer", queue=queues.BY_NAME["cleanup"].name),
)
