"""Why a job waits, in one sentence."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from app.console import words
from app.console.console_model import ConsoleJobDetail, ConsolePool, ConsoleQueue, Overview

UNFINISHED = ("queued", "running")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A queued job, with the queue and the pool that it waits for."""

    detail: ConsoleJobDetail
    queue: ConsoleQueue | None
    pool: ConsolePool | None
    now: datetime


Rule = Callable[[Wait], str | None]


def why(detail: ConsoleJobDetail, seen: Overview) -> str | None:
    """The first reason that holds; None for a job that does not wait."""
    if detail.job.state != "queued":
        return None
    queue = next((one for one in seen.queues if one.name == detail.queue), None)
    served_by = None if queue is None else queue.pool
    pool = next((one for one in seen.pools if one.name == served_by), None)
    wait = Wait(detail=detail, queue=queue, pool=pool, now=seen.at)
    if seen.problem is not None:
        return f"The broker gives no answer: {seen.problem}"
    return next((reason for rule in RULES if (reason := rule(wait)) is not None), None)


def _starts_later(wait: Wait) -> str | None:
    job = wait.detail.job
    if job.not_before is None or job.not_before <= wait.now:
        return None
    when = words.ago(job.not_before, wait.now)
    if job.error_type is None:
        return f"It starts {when}."
    return f"Attempt {job.attempt} failed with {job.error_type}; the next one starts {when}."


def _has_children(wait: Wait) -> str | None:
    children = wait.detail.children or {}
    left = sum(children.get(state, 0) for state in UNFINISHED)
    return f"It waits for {words.plural(left, 'child job')} to end." if left else None


def _has_no_queue(wait: Wait) -> str | None:
    if wait.queue is not None:
        return None
    return f"No worker is known for its queue {wait.detail.queue}." if wait.detail.queue else None


def _has_no_pool(wait: Wait) -> str | None:
    if wait.queue is None or wait.pool is not None:
        return None
    return f"No pool that is known here serves its queue {wait.queue.name}."


def _pool_has_a_problem(wait: Wait) -> str | None:
    if wait.pool is None:
        return None
    name = wait.pool.name
    if wait.pool.state == "Paused":
        return f"Pool {name}, which serves its queue, is paused."
    ready = next((one for one in wait.pool.conditions if one.type == "Ready"), None)
    if ready is not None and ready.status != "True":
        return f"Pool {name} has a problem: {ready.message}"
    return None


def _pool_is_full(wait: Wait) -> str | None:
    pool, queue = wait.pool, wait.queue
    if pool is None or queue is None or pool.maximum is None or pool.desired is None:
        return None
    if pool.desired < pool.maximum or not queue.ready:
        return None
    ahead = f"{words.plural(queue.ready, 'message')} ready in queue {queue.name}"
    maximum = words.plural(pool.maximum, "replica")
    return f"{ahead}, and pool {pool.name} is at its maximum of {maximum}."


def _pool_starts(wait: Wait) -> str | None:
    if wait.pool is None or wait.pool.ready:
        return None
    return f"Pool {wait.pool.name} starts its first replica."


def _waits_for_slot(wait: Wait) -> str | None:
    if wait.queue is None or wait.pool is None:
        return None
    ahead = words.plural(wait.queue.ready, "message")
    running = words.plural(wait.pool.active or 0, "task")
    return f"{ahead} ready in queue {wait.queue.name}; pool {wait.pool.name} runs {running} now."


RULES: tuple[Rule, ...] = (
    _starts_later,
    _has_children,
    _has_no_queue,
    _has_no_pool,
    _pool_has_a_problem,
    _pool_is_full,
    _pool_starts,
    _waits_for_slot,
)
"""In the order of precedence."""
