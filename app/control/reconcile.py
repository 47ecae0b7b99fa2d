"""Reconciles one pool: reads its target, evaluates it, applies the plan, reports the status."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from app.control.apply import PlanExecutor
from app.control.decide import evaluation as evaluations
from app.control.decide import findings, pool_memory
from app.control.decide.evaluation import Evaluation
from app.control.decide.pool_memory import PoolMemory, ScaleAttempt, ScaleRefusal
from app.control.observe import observation, worker_queries
from app.control.observe.broker_view import NO_VIEW, BrokerView
from app.control.pool import policies, problems
from app.control.pool.problems import PoolProblem
from app.control.pool.spec import Mode
from app.control.pool.status import PoolEvent, PoolStatus
from app.control.pool.worker_pool import UnreadablePool, WorkerPool
from app.control.ports import Replicas, Reporter, ScaleTarget, Scaling
from app.control.report import pool_events, status_builder
from app.control.report.pool_events import ReportedState
from app.errors import BrokerUnreachable, CeleriacError
from app.scaling.drain_plan import ScalePlan

logger = logging.getLogger(__name__)


class PoolReconciler:
    """Reconciles pools one by one. It keeps no state of its own between two of them."""

    def __init__(
        self, *, replicas: Replicas, reporter: Reporter, clock: Callable[[], float]
    ) -> None:
        self._replicas = replicas
        self._reporter = reporter
        self._clock = clock

    async def reconcile(self, pool: WorkerPool, view: BrokerView, memory: PoolMemory) -> PoolMemory:
        """Bring a pool closer to what it should be; returns what to remember of it."""
        try:
            target = await self._replicas.read(pool)
        except PoolProblem as problem:
            return await self.report_problem(pool, problem, memory, view=view)
        evaluation = await self._evaluate(pool, target, view, memory)
        if view.broker is not None and findings.needs_survey(evaluation.findings):
            view.broker.survey()
        plan = evaluation.plan or ScalePlan(replicas=target.replicas)
        attempt = ScaleAttempt(
            generation=pool.generation, was=target.replicas, replicas=plan.replicas
        )
        is_repeat = pool_memory.is_repeat(memory.refusal, attempt, now_s=self._clock())
        if is_repeat:
            plan = replace(plan, replicas=attempt.was, victims=())
        executor = self._executor(pool, target, evaluation, view)
        failed: PoolProblem | None = None
        try:
            await executor.apply(plan, restore=evaluation.restore)
        except PoolProblem as problem:
            failed = problem
        except BrokerUnreachable as exc:
            evaluation = evaluation.with_findings(problems.of_broker(exc))
        refusal = memory.refusal if is_repeat or evaluation.memory.debounce is not None else None
        if failed is not None:
            refusal = pool_memory.with_failure(memory.refusal, attempt, failed, now_s=self._clock())
        evaluation = self._applied(pool, target, evaluation, executor, refusal)
        return await self._report(pool, evaluation, scaling=executor.scaling, marked=plan.mark)

    async def report_problem(
        self,
        pool: WorkerPool | UnreadablePool,
        problem: PoolProblem,
        memory: PoolMemory,
        *,
        view: BrokerView = NO_VIEW,
    ) -> PoolMemory:
        """Report why a pool cannot be scaled, and what else is wrong with it."""
        evaluation = Evaluation(memory=memory).with_findings(problem.finding, view.problem)
        if isinstance(pool, WorkerPool):
            written = policies.findings(pool, now_s=self._clock())
            evaluation = replace(evaluation.with_findings(*written), mode=pool.spec.mode)
        return await self._report(pool, evaluation)

    async def release(self, pool: WorkerPool, view: BrokerView, memory: PoolMemory) -> None:
        """Let all draining replicas consume again. Reports nothing.

        Raises:
            PoolProblem: the target cannot be read or marked.
            BrokerUnreachable: the workers cannot be reached.
        """
        unmanaged = replace(pool, spec=pool.spec.model_copy(update={"mode": Mode.OFF}))
        target = await self._replicas.read(pool)
        evaluation = evaluations.evaluate(
            unmanaged, target, view, memory=memory, now_s=self._clock()
        )
        if evaluation.plan is not None:
            await self._executor(pool, target, evaluation, view).apply(evaluation.plan)

    async def _evaluate(
        self, pool: WorkerPool, target: ScaleTarget, view: BrokerView, memory: PoolMemory
    ) -> Evaluation:
        slots = await worker_queries.with_slots(memory.slots, pool, target, view, clock=self._clock)
        consumers = await worker_queries.with_consumers(
            memory.consumption, pool, target, view, clock=self._clock
        )
        memory = replace(memory, slots=slots, consumption=consumers)
        evaluation = evaluations.evaluate(pool, target, view, memory=memory, now_s=self._clock())
        return evaluations.debounced(evaluation, target, now_s=self._clock())

    def _executor(
        self, pool: WorkerPool, target: ScaleTarget, evaluation: Evaluation, view: BrokerView
    ) -> PlanExecutor:
        return PlanExecutor(
            pool,
            target,
            view.heartbeats,
            drain_states=evaluation.memory.drain_states,
            consumption=evaluation.memory.consumption,
            replicas=self._replicas,
            workers=view.broker.workers if view.broker is not None else None,
            clock=self._clock,
        )

    def _applied(
        self,
        pool: WorkerPool,
        target: ScaleTarget,
        evaluation: Evaluation,
        executor: PlanExecutor,
        refusal: ScaleRefusal | None,
    ) -> Evaluation:
        """The evaluation with what its plan has changed. Logs the drains that have ended."""
        now_s = self._clock()
        ended = observation.ended_drains(evaluation.memory.draining, target, now_s=now_s)
        pool_events.log_drains(pool.key, ended)
        reported = pool_memory.problem_to_report(refusal, now_s=now_s), target.pods_problem
        memory = replace(
            evaluation.memory,
            drain_states=executor.drain_states,
            consumption=executor.consumption,
            refusal=refusal,
            draining=observation.current_drains(target),
            drains_ended=ended,
        )
        if executor.scaling is not None:
            memory = replace(memory, last_scale_at_s=now_s)
            target = replace(target, replicas=executor.scaling.now)
        return replace(evaluation, target=target, memory=memory).with_findings(
            *(problem.finding for problem in reported if problem is not None)
        )

    async def _report(
        self,
        pool: WorkerPool | UnreadablePool,
        evaluation: Evaluation,
        *,
        scaling: Scaling | None = None,
        marked: Sequence[str] = (),
    ) -> PoolMemory:
        now_s, memory = self._clock(), evaluation.memory
        status = status_builder.build_status(pool, evaluation, now_s=now_s)
        happened = pool_events.events(
            before=ReportedState(
                conditions=memory.status.conditions if memory.status is not None else (),
                findings=memory.findings,
            ),
            after=ReportedState(conditions=status.conditions, findings=evaluation.findings),
            scaling=scaling,
            marked=marked,
            explanation=status.explanation,
            now_s=now_s,
        )
        chosen, sent = pool_events.without_repeats(happened, memory.sent_events)
        memory = replace(memory, status=status, sent_events=sent, findings=evaluation.findings)
        pool_events.log_scaling(pool.key, scaling, why=status.explanation)
        pool_events.log_events(pool.key, chosen)
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
        if status_builder.needs_write(memory.written, status, age_s=now_s - memory.written_at_s):
            await self._reporter.write_status(pool, status)
            memory = replace(memory, written=status, written_at_s=now_s)
        for event in events:
            await self._reporter.write_event(pool, event)
        return memory
