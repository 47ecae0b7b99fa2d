"""Who may act by a Lease: decided by what this process has seen, not by another's clock."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app.operator.leadership import lease
from app.operator.leadership.lease import LeaseStep, ObservedLease

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
THEIRS = ObservedLease(
    holder="a", version="7", renewed="t0", duration_s=15, transitions=2, since_s=100.0
)


def document(
    holder: str | None = "a", *, renewed: str = "t0", version: str = "7"
) -> dict[str, Any]:
    return {
        "metadata": {"resourceVersion": version},
        "spec": {
            "holderIdentity": holder,
            "renewTime": renewed,
            "leaseDurationSeconds": 15,
            "leaseTransitions": 2,
        },
    }


@pytest.mark.parametrize(
    ("found", "now_s", "want"),
    [
        pytest.param(None, 100.0, LeaseStep.CREATE, id="there is none"),
        pytest.param(replace(THEIRS, holder="me"), 900.0, LeaseStep.RENEW, id="ours, however old"),
        pytest.param(replace(THEIRS, holder=""), 100.0, LeaseStep.TAKE, id="given back"),
        pytest.param(THEIRS, 115.0, LeaseStep.WAIT, id="not over yet"),
        pytest.param(THEIRS, 115.1, LeaseStep.TAKE, id="not renewed for its whole duration"),
    ],
)
def test_what_to_do_about_a_lease(
    found: ObservedLease | None, now_s: float, want: LeaseStep
) -> None:
    assert lease.step(found, me="me", now_s=now_s) is want


@pytest.mark.parametrize(
    ("after", "want_s"),
    [
        pytest.param(document(), 100.0, id="unchanged"),
        pytest.param(document(version="8"), 100.0, id="another field has changed"),
        pytest.param(document(renewed="1970-01-01"), 200.0, id="renewed by a clock of long ago"),
        pytest.param(document("b"), 200.0, id="another holder"),
    ],
)
def test_a_lease_ages_by_our_own_observation(after: dict[str, Any], want_s: float) -> None:
    assert lease.observed(THEIRS, after, now_s=200.0).since_s == want_s


def test_an_empty_lease_is_held_by_nobody() -> None:
    found = lease.observed(None, {"metadata": {"resourceVersion": "1"}}, now_s=5.0)

    assert (found.holder, found.since_s, lease.step(found, me="me", now_s=5.0)) == (
        "",
        5.0,
        LeaseStep.TAKE,
    )


def test_a_write_fails_where_the_lease_has_changed_since_it_was_read() -> None:
    for patch in (lease.renewal(THEIRS, me="me", now=NOW), lease.release(THEIRS, now=NOW)):
        assert patch["metadata"] == {"resourceVersion": "7"}


def test_taking_counts_a_transition_and_renewing_does_not() -> None:
    taken = lease.renewal(THEIRS, me="me", now=NOW)["spec"]
    renewed = lease.renewal(replace(THEIRS, holder="me"), me="me", now=NOW)["spec"]

    assert (taken["leaseTransitions"], taken["acquireTime"]) == (3, "2026-03-01T12:00:00.000000Z")
    assert (renewed["leaseTransitions"], "acquireTime" in renewed) == (2, False)


def test_a_holder_stops_before_another_may_begin() -> None:
    assert lease.RENEW_DEADLINE_S + lease.RETRY_S < lease.DURATION_S
