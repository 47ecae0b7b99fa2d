"""What liveness and readiness mean."""

from dataclasses import dataclass

import pytest

from app.control.ports import Tick
from app.operator import probes
from app.operator.probes import Liveness, OperatorNeeds, Readiness

WELL = OperatorNeeds(is_listed=True)


@pytest.mark.parametrize(
    ("work", "want"),
    [
        pytest.param(WELL, (), id="all is well"),
        pytest.param(OperatorNeeds(is_listed=True, silent_for_s=59.0), (), id="a short outage"),
        pytest.param(
            OperatorNeeds(is_listed=True, silent_for_s=61.0),
            ("the API server has not answered for more than a minute",),
            id="a long outage",
        ),
        pytest.param(
            OperatorNeeds(is_listed=False),
            ("pools, workloads and pods are not listed yet",),
            id="it has just started",
        ),
        pytest.param(
            OperatorNeeds(is_listed=False, denied=("no pods", "no leases", "no pods")),
            ("no pods", "no leases"),
            id="a Role lacks rules: each is named once",
        ),
    ],
)
def test_what_keeps_the_operator_from_its_work(work: OperatorNeeds, want: tuple[str, ...]) -> None:
    assert probes.problems_of(work) == want


def test_a_change_of_readiness_is_logged_once_with_its_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    seen = [
        OperatorNeeds(is_listed=False),
        WELL,
        OperatorNeeds(is_listed=True, denied=("no pods",)),
        WELL,
    ]
    gauge: list[float] = []
    now = iter([each for each in seen for _ in range(3)])
    readiness = Readiness(lambda: next(now), on_change=gauge.append)

    found = [readiness.check() for _ in range(12)]

    assert [bool(each) for each in found] == [True] * 3 + [False] * 3 + [True] * 3 + [False] * 3
    assert gauge == [False, True, False, True]
    logged = [(record.levelname, record.message) for record in caplog.records]
    assert logged == [
        ("INFO", "operator is ready"),
        ("ERROR", "operator is not ready"),
        ("INFO", "operator is ready"),
    ]


@dataclass(kw_only=True)
class Ticks:
    ended_at_s: float | None = None

    @property
    def last_tick(self) -> Tick | None:
        if self.ended_at_s is None:
            return None
        return Tick(
            ended_at_s=self.ended_at_s,
            duration_s=0.1,
            pools=1,
            reconciled=1,
            failed=(),
            unreachable=(),
        )

    def tick_quantile_s(self, quantile: float) -> float:
        return quantile


@pytest.mark.parametrize(
    ("ended_at_s", "leads_from_s", "now_s", "want"),
    [
        pytest.param(None, 0.0, 599.0, True, id="before the first tick"),
        pytest.param(None, 0.0, 601.0, False, id="no first tick"),
        pytest.param(500.0, 0.0, 559.0, True, id="turned a moment ago"),
        pytest.param(500.0, 0.0, 561.0, False, id="stands still"),
        pytest.param(100.0, 900.0, 950.0, True, id="a tick of an earlier term, leading again"),
        pytest.param(100.0, 9000.0, 8000.0, True, id="stands by"),
    ],
)
def test_a_leader_is_alive_while_its_loop_turns(
    ended_at_s: float | None, leads_from_s: float, now_s: float, *, want: bool
) -> None:
    clock = iter([0.0, min(leads_from_s, now_s), now_s])
    moments: list[float] = []

    def tick() -> float:
        moments.append(next(clock))
        return moments[-1]

    liveness = Liveness(
        Ticks(ended_at_s=ended_at_s), is_leading=lambda: moments[-1] > leads_from_s, clock=tick
    )
    liveness.check()

    assert (liveness.check() == "") is want
