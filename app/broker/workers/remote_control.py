"""Commands and queries to named workers (`celery.worker.control`)."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from uuid import uuid4

from app.broker.connections.connection import Connection
from app.broker.messages import bodies
from app.broker.model import ConsumedQueue, NodeAnswer, NodeConsumers, NodeName
from app.broker.queues.depth import DepthReader
from app.broker.redis_keys import Keys
from app.broker.workers import reply
from app.broker.workers.content_negotiation import ContentNegotiation
from app.broker.workers.pidbox import ANSWER_LIMIT_S, Pidbox, Request
from app.queues import QueueName

_POLL_S = 0.05

_QUEUES = "active_queues"
_SAFE = {"safe": True}
"""Leaves out the arguments of running tasks, which may have any size, except a text that their
publisher has shortened. `reserved` has no such option."""


class RemoteControl:
    """Remote control of the workers of one application."""

    def __init__(
        self,
        connection: Connection,
        layout: Keys,
        *,
        clock: Callable[[], float],
        negotiation: ContentNegotiation | None = None,
        answer_limit_s: float = ANSWER_LIMIT_S,
    ) -> None:
        self._clock = clock
        self._answer_limit_s = answer_limit_s
        self._private_depth = DepthReader(connection, layout)
        self._pidbox = Pidbox(
            connection,
            layout,
            negotiation if negotiation is not None else ContentNegotiation(),
            clock=clock,
            answer_limit_s=answer_limit_s,
        )

    async def consumers(self, nodes: Collection[NodeName]) -> Mapping[NodeName, NodeConsumers]:
        """The queues that these nodes consume now. A node that does not answer is left out.

        Raises:
            BrokerUnreachable: no node could be asked.
        """
        queues, stats = Request(method=_QUEUES), Request(method="stats")
        replies = await self._pidbox.call([queues], nodes)
        # Celery cannot write its statistics as YAML, since they contain a Counter: it would log a
        # traceback instead of an answer.
        asked = [node for node in replies if self._pidbox.replied_in(node) != bodies.YAML]
        statistics = await self._pidbox.call([stats], asked)
        now_s = self._clock()
        return {
            node: NodeConsumers(
                node=node,
                seen_at_s=now_s,
                queues=reply.parse_queues(node, found),
                began_at_s=reply.began_at_s(
                    statistics.get(node, {}).get(stats.ticket), now_s=now_s
                ),
                slots=reply.slots(statistics.get(node, {}).get(stats.ticket)),
                processes=reply.processes(statistics.get(node, {}).get(stats.ticket)),
            )
            for node, given in replies.items()
            if isinstance(found := given.get(queues.ticket), list)
        }

    async def stop_consuming(
        self, queues: Mapping[NodeName, Collection[QueueName]]
    ) -> frozenset[NodeName]:
        """Cancel these consumers of each node; returns the nodes that no longer consume them.

        A message that a worker was about to fetch returns to its queue. Tasks that it already holds
        still run.

        A worker answers "ok" before it acts: it executes commands in a later iteration of its event
        loop, in any order (Celery's `call_soon`, kombu's hub). A resume right after the "ok" could
        be executed before the stop, so the queues that it consumes are checked.

        Raises:
            BrokerUnreachable: some nodes may have received it.
        """
        commands = {
            node: [Request(method="cancel_consumer", arguments={"queue": name}) for name in names]
            for node, names in queues.items()
        }
        confirmed = await self._tell(commands)
        return await self._wait_until_consuming(
            confirmed, lambda node, consumed: reply.names(consumed).isdisjoint(queues[node])
        )

    async def resume_consuming(
        self, queues: Mapping[NodeName, Collection[ConsumedQueue]]
    ) -> frozenset[NodeName]:
        """Add these consumers to each node; returns the nodes that consume them now.

        A worker creates a queue that it does not know, and would discard the messages of tasks
        that it does not know. So a node only gets queues that it has consumed before.

        Raises:
            BrokerUnreachable: some nodes may have received it.
        """
        commands = {
            node: [
                Request(method="add_consumer", arguments=reply.declaration(queue))
                for queue in wanted
            ]
            for node, wanted in queues.items()
        }
        confirmed = await self._tell(commands)
        return await self._wait_until_consuming(
            confirmed,
            lambda node, consumed: reply.names(consumed).issuperset(
                each.name for each in queues[node]
            ),
        )

    async def ask(self, nodes: Collection[NodeName]) -> Mapping[NodeName, NodeAnswer]:
        """The tasks and queues of these nodes now. A node that does not answer is left out.

        Raises:
            BrokerUnreachable: no node could be asked.
        """
        running, consumed = Request(method="active", arguments=_SAFE), Request(method=_QUEUES)
        replies = await self._pidbox.call([running, consumed], nodes)
        idle = [node for node, given in replies.items() if given.get(running.ticket) == []]
        reserved, running_after = Request(method="reserved"), replace(running, ticket=str(uuid4()))
        # In this order, a task that starts meanwhile is in one of the two.
        later = await self._pidbox.call([reserved, running_after], idle)
        answers = {
            node: reply.answer(
                node,
                active=later.get(node, {}).get(running_after.ticket)
                if node in idle
                else given.get(running.ticket),
                reserved=later.get(node, {}).get(reserved.ticket) if node in idle else [],
                consumed=given.get(consumed.ticket),
                now_s=self._clock(),
            )
            for node, given in replies.items()
        }
        complete = [answer for answer in answers.values() if answer is not None]
        return {one.node: one for one in await self._with_private_messages(complete)}

    async def revoke(
        self, nodes: Collection[NodeName], task_ids: Sequence[str]
    ) -> frozenset[NodeName]:
        """Revoke these tasks at these nodes; returns the nodes that have confirmed.

        Raises:
            BrokerUnreachable: some nodes may have received it.
        """
        request = Request(method="revoke", arguments={"task_id": list(task_ids)})
        return await self._tell({node: [request] for node in nodes})

    async def _with_private_messages(self, answers: Sequence[NodeAnswer]) -> Sequence[NodeAnswer]:
        """The answers with the messages in private queues. Broadcasts are in no queue."""
        names = sorted({name for one in answers for name in one.private_queues})
        if not names:
            return answers
        depths = await self._private_depth.read(names, now_s=self._clock(), horizon_s=0.0)
        return [
            replace(
                one,
                private_messages=sum(reply.held(depths[name]) for name in one.private_queues),
            )
            for one in answers
        ]

    async def _wait_until_consuming(
        self,
        nodes: frozenset[NodeName],
        accept: Callable[[NodeName, frozenset[ConsumedQueue]], bool],
    ) -> frozenset[NodeName]:
        """Wait until the nodes consume what is accepted; returns those that do in time."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._answer_limit_s
        request = Request(method=_QUEUES)
        seen: frozenset[NodeName] = frozenset()
        while seen != nodes and loop.time() < deadline_s:
            replies = await self._pidbox.call([request], nodes - seen)
            if not replies:
                # No node was asked: silent ones are not asked each time.
                await asyncio.sleep(_POLL_S)
            seen |= {
                node
                for node, given in replies.items()
                if isinstance(found := given.get(request.ticket), list)
                and accept(node, reply.parse_queues(node, found))
            }
        return seen

    async def _tell(self, commands: Mapping[NodeName, Sequence[Request]]) -> frozenset[NodeName]:
        """Send each node its commands; returns the nodes that have confirmed all of theirs.

        Nodes with the same commands share a broadcast: the workers of a pool are usually alike.
        """
        alike: dict[str, list[NodeName]] = defaultdict(list)
        for node, requests in commands.items():
            alike[json.dumps([request.arguments for request in requests])].append(node)
        confirmed: set[NodeName] = set()
        for nodes in alike.values():
            requests = commands[nodes[0]]
            replies = await self._pidbox.call(requests, nodes)
            confirmed |= {
                node
                for node, given in replies.items()
                if all("ok" in (given.get(request.ticket) or {}) for request in requests)
            }
        return frozenset(confirmed)
