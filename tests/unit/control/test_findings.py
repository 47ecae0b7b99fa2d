"""Why workers are not heard or do not answer, and the way out, in the words of the condition."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from app.broker.model import BrokerReading, ControlTrouble, Elsewhere, Heartbeat, NodeName
from app.control.decide import findings
from app.control.observe import broker_view
from app.control.pool.problems import ProblemReason
from app.control.pool.references import BrokerSpec
from app.control.ports import Instance, InstanceName

NOW_S = 1_000.0
POD = Instance(name=InstanceName("pod-1"), host="pod-1", is_ready=True)
NODE = NodeName("celery@pod-1")
HEARD = Heartbeat(node=NODE, active=0, processed=0, seen_at_s=NOW_S - 1)
READING = BrokerReading(read_at_s=NOW_S, queues={}, listening_since_s=0.0)


def found(reading: BrokerReading, *silent: str) -> Mapping[ProblemReason, str]:
    told = findings.of_contact(
        BrokerSpec(),
        reading,
        broker_view.sort_heartbeats(reading),
        [POD],
        silent=silent,
        now_s=NOW_S,
    )
    return {one.reason: one.message for one in told}


@pytest.mark.parametrize(
    ("reading", "want"),
    [
        pytest.param(READING, "workers must send heartbeats", id="nothing is known"),
        pytest.param(
            replace(READING, elsewhere=Elsewhere(events={NODE: 'eventExchange: "shop.events"'})),
            "their workers send heartbeats elsewhere: in spec.broker, set "
            'eventExchange: "shop.events"',
            id="by another exchange",
        ),
        pytest.param(
            replace(READING, elsewhere=Elsewhere(events={NodeName("w@b"): 'keyPrefix: "b:"'})),
            'other workers of this broker send heartbeats elsewhere (keyPrefix: "b:")',
            id="others by another key prefix",
        ),
        pytest.param(
            replace(READING, unreadable_events="a body of the type 'x'"),
            "set the application's event_serializer to json, msgpack, yaml or pickle",
            id="in a serializer that is not known",
        ),
    ],
)
def test_an_unheard_replica_is_told_with_its_cause(reading: BrokerReading, want: str) -> None:
    message = found(reading, "pod-1")[ProblemReason.WORKERS_UNHEARD]

    assert message.startswith("no heartbeat on celeryev from pod-1, so they are never removed: ")
    assert want in message


@pytest.mark.parametrize(
    ("trouble", "elsewhere", "reason", "want"),
    [
        pytest.param(
            ControlTrouble(unreadable="a body of the type 'x'"),
            Elsewhere(),
            ProblemReason.REPLIES_UNREADABLE,
            "the remote control replies of celery@pod-1 cannot be decoded (a body of the type 'x')",
            id="answers that cannot be read",
        ),
        pytest.param(
            ControlTrouble(),
            Elsewhere(),
            ProblemReason.REPLIES_MISSING,
            "accept_content has none of json, pickle, msgpack and yaml",
            id="no answer",
        ),
        pytest.param(
            ControlTrouble(),
            Elsewhere(control={NODE: 'controlExchange: "shop"'}),
            ProblemReason.REPLIES_MISSING,
            "no remote control reply from celery@pod-1 on celery.pidbox, so their replicas are "
            "drained by their heartbeats alone, after drain.timeoutSeconds: they expect requests "
            'elsewhere: in spec.broker, set controlExchange: "shop"',
            id="another control exchange",
        ),
    ],
)
def test_a_worker_that_cannot_be_talked_to_is_told_with_its_cause(
    trouble: ControlTrouble, elsewhere: Elsewhere, reason: ProblemReason, want: str
) -> None:
    reading = replace(
        READING, heartbeats={NODE: HEARD}, troubles={NODE: trouble}, elsewhere=elsewhere
    )

    told = found(reading)

    assert list(told) == [reason]
    assert want in told[reason]


def test_workers_of_other_pools_are_not_told_of() -> None:
    other = NodeName("celery@pod-2")
    reading = replace(
        READING,
        heartbeats={other: replace(HEARD, node=other)},
        troubles={other: ControlTrouble()},
    )

    assert found(reading) == {}
