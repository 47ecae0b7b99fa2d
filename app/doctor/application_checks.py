"""Checks of an application's queues and workers."""

import difflib
from collections import Counter, defaultdict
from collections.abc import Iterator

from app.doctor.checks import CheckRegistry
from app.doctor.figure_texts import byte_count, counted, duration, listed
from app.doctor.snapshot import Part, Snapshot, WaitingQueue, WorkerFacts

registry = CheckRegistry()

LARGE_BYTES = 1024 * 1024
SIMILAR = 0.85
PICKLE = {"pickle", "application/x-python-serialize"}


@registry.error(
    "queue-misspelt",
    Part.WORKERS,
    Part.QUEUES,
    why="No worker will ever run these tasks.",
    remedy="Use one name in task_routes and in the workers' --queues; names are case-sensitive",
)
def queue_misspelt(snapshot: Snapshot) -> Iterator[str]:
    for queue in _unconsumed(snapshot):
        meant = _meant(queue.name, snapshot)
        if meant is not None:
            waiting = counted(queue.ready, "message")
            yield f"{queue.name!r} has {waiting} and no consumer; workers consume {meant!r}"


@registry.error(
    "queue-without-consumer",
    Part.WORKERS,
    Part.QUEUES,
    why="The messages wait until a worker consumes this queue.",
    remedy="Start a worker with --queues NAME, or purge it: celery purge --queues NAME",
)
def queue_without_consumer(snapshot: Snapshot) -> Iterator[str]:
    for queue in _unconsumed(snapshot):
        if _meant(queue.name, snapshot) is None:
            yield f"{queue.name!r} has {counted(queue.ready, 'message')} and no consumer"


@registry.error(
    "priority-step-unread",
    Part.WORKERS,
    Part.QUEUES,
    why="A worker reads only the lists of its own priority_steps.",
    remedy="Set the same priority_steps in broker_transport_options of publishers and workers",
)
def priority_step_unread(snapshot: Snapshot) -> Iterator[str]:
    for queue in snapshot.queues:
        read = {step for one in _consumers(queue, snapshot) for step in _steps(one)}
        unread = sorted(queue.by_step.keys() - read)
        if read and unread:
            yield f"{queue.name!r} has messages in step {unread[0]}; workers read {sorted(read)}"


@registry.error(
    "task-not-registered",
    Part.WORKERS,
    Part.QUEUES,
    why="A worker discards a message whose task it does not know.",
    remedy="Import the task's module in these workers (imports, include), or fix task_routes",
)
def task_not_registered(snapshot: Snapshot) -> Iterator[str]:
    for queue in snapshot.queues:
        workers = list(_consumers(queue, snapshot))
        known = {task for one in workers for task in one.tasks}
        unknown = [one for one in queue.next_tasks - known if not one.startswith("celery.")]
        if workers and unknown:
            yield f"{listed(unknown)} waits in {queue.name!r}, and no worker there knows it"


@registry.warning(
    "message-too-large",
    Part.QUEUES,
    why="Redis copies a large message several times and serves no one else meanwhile.",
    remedy="Store the data elsewhere and pass its key to the task",
)
def message_too_large(snapshot: Snapshot) -> Iterator[str]:
    for queue in snapshot.queues:
        if queue.largest_bytes >= LARGE_BYTES:
            yield f"a message in {queue.name!r} has {byte_count(queue.largest_bytes)}"


@registry.error(
    "node-name-twice",
    Part.WORKERS,
    why="Remote control and monitoring mix up workers of one name.",
    remedy="Give each worker a name of its own: celery worker --hostname NAME@%h",
)
def node_name_twice(snapshot: Snapshot) -> Iterator[str]:
    for node, count in Counter(one.node for one in snapshot.workers).items():
        if count > 1:
            yield f"{count} workers have the name {node}"


@registry.warning(
    "registered-tasks-differ",
    Part.WORKERS,
    why="Whether a task runs depends on the worker that fetches it; others discard it.",
    remedy="Finish the rollout: restart the older workers",
)
def registered_tasks_differ(snapshot: Snapshot) -> Iterator[str]:
    by_queue: dict[str, list[WorkerFacts]] = defaultdict(list)
    for one in snapshot.workers:
        for name in one.queues:
            by_queue[name].append(one)
    for name, workers in sorted(by_queue.items()):
        sets = [frozenset(one.tasks) for one in workers]
        odd = frozenset.union(*sets) - frozenset.intersection(*sets)
        if odd:
            yield f"of the workers of {name!r} only some know {listed(odd)}"


@registry.error(
    "visibility-timeouts-differ",
    Part.WORKERS,
    why="Each worker redelivers the messages of all, so the shortest timeout counts.",
    remedy="Set one visibility_timeout in broker_transport_options of all workers",
)
def visibility_timeouts_differ(snapshot: Snapshot) -> Iterator[str]:
    found = sorted({one.visibility_timeout_s for one in snapshot.workers})
    if len(found) > 1:
        yield f"visibility_timeout is {duration(found[0])} to {duration(found[-1])}"


@registry.error(
    "visibility-timeout-too-short",
    Part.WORKERS,
    why="A task with acks_late that runs longer is delivered again and runs twice.",
    remedy="Set broker_transport_options['visibility_timeout'] above task_time_limit",
)
def visibility_timeout_too_short(snapshot: Snapshot) -> Iterator[str]:
    for one in snapshot.workers:
        limit = one.conf.get("task_time_limit")
        if limit and one.conf.get("task_acks_late") and one.visibility_timeout_s < limit:
            timeout = duration(one.visibility_timeout_s)
            yield f"{one.node}: visibility_timeout {timeout}, task_time_limit {duration(limit)}"


@registry.warning(
    "acks-early",
    Part.WORKERS,
    why="A task is lost when its worker or pod dies while it runs.",
    remedy="Set task_acks_late=True, if the tasks may run twice",
)
def acks_early(snapshot: Snapshot) -> Iterator[str]:
    tasks = {task for one in snapshot.workers for task in one.tasks}
    early = {
        task
        for one in snapshot.workers
        for task, options in one.tasks.items()
        if "acks_late=True" not in options
    }
    if early:
        yield f"{len(early)} of {counted(len(tasks), 'task')}: {listed(early)}"


@registry.warning(
    "pickle-accepted",
    Part.WORKERS,
    why="Whoever can write to the broker can run any code in the workers.",
    remedy="Set accept_content=['json'] and task_serializer='json'",
)
def pickle_accepted(snapshot: Snapshot) -> Iterator[str]:
    nodes = [one.node for one in snapshot.workers if PICKLE & set(one.conf["accept_content"])]
    if nodes:
        yield f"accept_content has pickle on {listed(nodes)}"


@registry.error(
    "worker-does-not-reconnect",
    Part.WORKERS,
    why="The worker ends when Redis restarts or the network fails.",
    remedy="Set broker_connection_retry=True",
)
def worker_does_not_reconnect(snapshot: Snapshot) -> Iterator[str]:
    nodes = [
        one.node for one in snapshot.workers if one.conf.get("broker_connection_retry") is False
    ]
    if nodes:
        yield f"broker_connection_retry is False on {listed(nodes)}"


@registry.warning(
    "results-never-expire",
    Part.WORKERS,
    why="Results of all tasks stay in Redis until its memory is full.",
    remedy="Set result_expires, for example to 3600, or task_ignore_result=True",
)
def results_never_expire(snapshot: Snapshot) -> Iterator[str]:
    nodes = [
        one.node
        for one in snapshot.workers
        if str(one.conf.get("result_backend")).startswith(("redis", "sentinel"))
        and not one.conf.get("result_expires")
        and not one.conf.get("task_ignore_result")
    ]
    if nodes:
        yield f"results have no expiry on {listed(nodes)}"


@registry.warning(
    "tasks-run-eagerly",
    Part.WORKERS,
    why="Tasks that a task calls run inside it, and none of them is queued.",
    remedy="Set task_always_eager=False outside of tests",
)
def tasks_run_eagerly(snapshot: Snapshot) -> Iterator[str]:
    nodes = [one.node for one in snapshot.workers if one.conf.get("task_always_eager")]
    if nodes:
        yield f"task_always_eager is True on {listed(nodes)}"


def _unconsumed(snapshot: Snapshot) -> Iterator[WaitingQueue]:
    for queue in snapshot.queues:
        if not any(_consumers(queue, snapshot)):
            yield queue


def _consumers(queue: WaitingQueue, snapshot: Snapshot) -> Iterator[WorkerFacts]:
    return (one for one in snapshot.workers if queue.name in one.queues)


def _meant(name: str, snapshot: Snapshot) -> str | None:
    consumed = sorted({each for one in snapshot.workers for each in one.queues})
    lower = {each.lower(): each for each in consumed}
    found = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=SIMILAR)
    return lower[found[0]] if found else None


def _steps(worker: WorkerFacts) -> tuple[int, ...]:
    return tuple(worker.transport_options.get("priority_steps") or (0, 3, 6, 9))
