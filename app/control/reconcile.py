"""One turn of one pool: read the target, judge, carry out, report."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from app.broker.model import NodeConsumers, NodeName
from app.control.apply import Carrying
from app.control.decide import contact, refusals
from app.control.decide import debounce as settling
from app.control.decide import evaluation as judging
from app.control.decide.evaluation import Findings, Judged
from app.control.decide.pool_memory import PoolMemory
from app.control.decide.refusals import ScaleAttempt, ScaleRefusal
from app.control.observe import consumer_polls as rounds
from app.control.observe import consumption, drains, slots
from app.control.observe.broker_view import (
    NOTHING_VIEWED,
    BrokerView,
)
from app.control.pool import policies, problems
from app.control.pool.problems import PoolProblem
from app.control.pool.spec import Mode
from app.control.pool.status import PoolEvent, PoolStatus
from app.control.pool.worker_pool import UnreadablePool, WorkerPool
from app.control.ports import Replicas, Reports, Scaling, Target
from app.control.report import audit
from app.control.report import pool_events as reporting
from app.control.report import status_builder as statuses
from app.control.report.pool_events import Told
from app.control.report.status_builder import Course
from app.errors import BrokerUnreachable, CeleriacError
from app.queues import QueueName
from app.scaling.drain import Plan

logger = logging.getLogger(__name__)


class Turns:
    """Takes turns of pools; nothing of one pool is known when it is another's turn."""

    def __init__(self, *, replicas: Replicas, reports: Reports, clock: Callable[[], float]) -> None:
        self._replicas = replicas
        self._reports = reports
        self._clock = clock

    async def take(self, pool: WorkerPool, view: BrokerView, memory: PoolMemory) -> PoolMemory:
        """Bring a pool closer to what it should be; returns what to remember of it."""
        try:
            target = await self._replicas.read(pool)
        except PoolProblem as problem:
            return await self.refuse(pool, problem, memory, view=view)
        memory = await self._with_slots(pool, target, view, memory)
        memory = await self._with_consumption(pool, target, view, memory)
        judged = judging.judge(pool, target, view, memory=memory, now_s=self._clock())
        if view.broker is not None and contact.needs_survey(judged.findings.found):
            view.broker.survey()
        judged = _settled(judged, target, now_s=self._clock())
        attempt = ScaleAttempt(
            generation=pool.generation, was=target.replicas, replicas=judged.plan.replicas
        )
        is_held = refusals.holds(memory.refusal, attempt, now_s=self._clock())
        if is_held:
            judged = replace(judged, plan=replace(judged.plan, replicas=attempt.was, victims=()))
        carrying = self._carrying(pool, target, judged, view)
        found, failed = await self._carried_out(carrying, judged)
        is_open = is_held or judged.memory.settling is not None
        refusal = self._refusal(memory, attempt, failed, is_open=is_open)
        told = refusals.told(refusal, now_s=self._clock()), target.pods_problem
        found = found.also(*(problem.finding for problem in told if problem is not None))
        memory = replace(
            judged.memory,
            notes=carrying.notes,
            consumption=carrying.consumption,
            refusal=refusal,
        )
        memory = self._with_drains(pool, memory, target)
        if carrying.scaling is not None:
            memory = replace(memory, last_scale_at_s=self._clock())
            target = replace(target, replicas=carrying.scaling.now)
        course = Course(target=target, gathered=judged.gathered, findings=found)
        return await self._report(
            pool, memory, course, scaling=carrying.scaling, marked=judged.plan.mark
        )

    def _with_drains(self, pool: WorkerPool, memory: PoolMemory, target: Target) -> PoolMemory:
        """Log the drains that have ended since the last reconcile; remember the others."""
        ended = drains.ended(memory.draining, target, now_s=self._clock())
        audit.log_drains(pool.key, ended)
        return replace(memory, draining=drains.current(target), drains_ended=ended)

    def _refusal(
        self,
        memory: PoolMemory,
        attempt: ScaleAttempt,
        failed: PoolProblem | None,
        *,
        is_open: bool,
    ) -> ScaleRefusal | None:
        if failed is None:
            return memory.refusal if is_open else None
        return refusals.refusal(memory.refusal, attempt, failed, now_s=self._clock())

    async def refuse(
        self,
        pool: WorkerPool | UnreadablePool,
        problem: PoolProblem,
        memory: PoolMemory,
        *,
        view: BrokerView = NOTHING_VIEWED,
    ) -> PoolMemory:
        """Report why a pool is not worked on, and what else is wrong with it."""
        found = Findings(found=(problem.finding,)).also(view.problem)
        if isinstance(pool, WorkerPool):
            written = policies.findings(pool, now_s=self._clock())
            found = replace(found.also(*written), mode=pool.spec.mode)
        return await self._report(pool, memory, Course(findings=found))

    async def let_go(self, pool: WorkerPool, view: BrokerView, memory: PoolMemory) -> None:
        """Wake all replicas that drain; nothing is reported.

        Raises:
            PoolProblem: the target cannot be read or marked.
            BrokerUnreachable: nobody can be woken.
        """
        left_alone = replace(pool, spec=pool.spec.model_copy(update={"mode": Mode.OFF}))
        target = await self._replicas.read(pool)
        judged = judging.judge(left_alone, target, view, memory=memory, now_s=self._clock())
        await self._carrying(pool, target, judged, view).run(judged.plan)

    def _carrying(
        self, pool: WorkerPool, target: Target, judged: Judged, view: BrokerView
    ) -> Carrying:
        return Carrying(
            pool,
            target,
            view.hearing,
            notes=judged.memory.notes,
            consumption=judged.memory.consumption,
            replicas=self._replicas,
            workers=view.broker.workers if view.broker is not None else None,
            clock=self._clock,
        )

    async def _carried_out(
        self, carrying: Carrying, judged: Judged
    ) -> tuple[Findings, PoolProblem | None]:
        try:
            await carrying.run(judged.plan, restore=judged.restore)
        except PoolProblem as problem:
            return judged.findings, problem
        except BrokerUnreachable as exc:
            return judged.findings.also(problems.of_broker(exc)), None
        return judged.findings, None

    async def _with_slots(
        self, pool: WorkerPool, target: Target, view: BrokerView, memory: PoolMemory
    ) -> PoolMemory:
        """Learn how many tasks a replica runs at once, where the spec does not say so."""
        if pool.spec.concurrency is not None:
            return memory
        memory = await self._with_answers(target, view, memory)
        found = slots.believed(
            memory.slots_per_replica, target.instances, view.hearing, now_s=self._clock()
        )
        return replace(memory, slots_per_replica=found)

    async def _with_answers(
        self, target: Target, view: BrokerView, memory: PoolMemory
    ) -> PoolMemory:
        now_s, known = self._clock(), memory.slots_per_replica
        silent = view.reading.troubles if view.reading is not None else {}
        nodes = slots.nodes_to_ask(target.instances, view.hearing, silent=silent, now_s=now_s)
        if view.broker is None or not nodes:
            return memory
        if not slots.is_due(known, memory.slots_asked_at_s, now_s=now_s):
            return memory
        memory = replace(memory, slots_asked_at_s=now_s)
        try:
            workers = await view.broker.workers.consumers(nodes)
        except BrokerUnreachable:
            return memory
        found = slots.of_workers(workers.values())
        memory = replace(memory, is_slotless=bool(workers) and found is None)
        return replace(memory, slots_per_replica=found) if found is not None else memory

    async def _with_consumption(
        self, pool: WorkerPool, target: Target, view: BrokerView, memory: PoolMemory
    ) -> PoolMemory:
        """Ask a few workers what they consume, where it is time to."""
        if pool.spec.mode is Mode.OFF or view.broker is None or view.reading is None:
            return memory
        now_s = self._clock()
        queues = [QueueName(name) for name in pool.spec.queues]
        workers = consumption.awake_workers(target.instances, view.hearing, now_s=now_s)
        has_waiting = any(view.reading.queues[name].ready > 0 for name in queues)
        asked = rounds.next_round(workers, memory.consumption, has_waiting=has_waiting, now_s=now_s)
        answers: Mapping[NodeName, NodeConsumers] = {}
        with suppress(BrokerUnreachable):  # as if they had not answered
            answers = await view.broker.workers.consumers(asked.nodes) if asked.nodes else {}
        known = consumption.with_answers(
            memory.consumption,
            workers,
            asked.nodes,
            answers,
            spec_queues=queues,
            now_s=self._clock(),
        )
        if asked.is_routine:
            known = replace(known, routine_at_s=now_s)
        return replace(memory, consumption=known)

    async def _report(
        self,
        pool: WorkerPool | UnreadablePool,
        memory: PoolMemory,
        course: Course,
        *,
        scaling: Scaling | None = None,
        marked: Sequence[str] = (),
    ) -> PoolMemory:
        now_s = self._clock()
        status = statuses.build_status(pool, course, memory, now_s=now_s)
        happened = reporting.events(
            before=Told(
                conditions=memory.status.conditions if memory.status is not None else (),
                findings=memory.findings,
            ),
            after=Told(conditions=status.conditions, findings=course.findings.found),
            scaling=scaling,
            marked=marked,
            explanation=status.explanation,
            now_s=now_s,
        )
        chosen, told = reporting.worth_telling(happened, memory.told)
        memory = replace(memory, status=status, told=told, findings=course.findings.found)
        audit.log_scaling(pool.key, scaling, why=status.explanation)
        audit.log_events(pool.key, chosen)
        try:
            return await self._write(pool, memory, status, chosen, now_s=now_s)
        except CeleriacError:
            logger.warning("status not written", extra={"pool": str(pool.key)}, exc_info=True)
            return memory

    async def _write(
        self,
        pool: WorkerPool | UnreadablePool,
        memory: PoolMemory,
        status: PoolStatus,
        events: Sequence[PoolEvent],
        *,
        now_s: float,
    ) -> PoolMemory:
        if reporting.needs_write(memory.written, status, age_s=now_s - memory.written_at_s):
            await self._reports.write_status(pool, status)
            memory = replace(memory, written=status, written_at_s=now_s)
        for event in events:
            await self._reports.write_event(pool, event)
        return memory


def _settled(judged: Judged, target: Target, *, now_s: float) -> Judged:
    """The same, with its plan held back while a burst still comes in to a pool at zero."""
    held = settling.settling(
        judged.memory.settling,
        replicas=target.replicas,
        planned=judged.plan.replicas,
        ready=judged.gathered.reading.ready,
        now_s=now_s,
    )
    memory = replace(judged.memory, settling=held)
    if held is None:
        return replace(judged, memory=memory)
    return replace(judged, memory=memory, plan=Plan(replicas=target.replicas))
