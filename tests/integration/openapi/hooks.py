"""What schemathesis has to know of the API that no OpenAPI document can say.

Loaded by schemathesis in a process of its own.
"""

import re
from typing import Any

import schemathesis

LONGEST_WAIT_S = 0.2
"""No worker runs, so a queued job stays queued: `wait` would take as long as it says."""

REFUSED_BY_MEANING = (
    r"no job may be followed by",  # which tasks may follow a job is a setting of the server
    r"the parameters of the '[a-z-]+' that follows do not fit",  # they may contain placeholders
    r"what follows the job",
    r"the period ends before it begins|a period has at most 366 days",  # two dates compared
    r"day (is|of) |month must be|year must be",  # 2026-02-31
    r"#/chatbot_id: Field required",  # the form or the query has it
    r"chatbot_id differs between the query and the form",
    r"URL should have at most 2000 characters",  # the canonical form may be longer
    r"the idempotency key was used",
)
"""Refusals (422) of requests that fit the schema, which JSON schema has no words for."""

_REFUSED = re.compile("|".join(REFUSED_BY_MEANING), re.IGNORECASE)


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Wait for a moment only, where the document allows to wait for a minute."""
    query = case.query or {}
    try:
        wait_s = float(query["wait"])
    except (KeyError, TypeError, ValueError):
        return
    if LONGEST_WAIT_S < wait_s <= 60:
        case.query["wait"] = LONGEST_WAIT_S


def _is_unknown_task(failure: Any, response: Any) -> bool:
    """A task that nobody knows is pending, as in Celery. So a waiting job of another owner looks
    like one that does not exist, and also like the owner's own."""
    is_task = "/task" in getattr(failure, "operation", "")
    is_pending = '"status":"PENDING"' in response.text
    return type(failure).__name__ == "ObjectLevelAuthorizationViolation" and is_task and is_pending


@schemathesis.hook
def filter_failure(_context: Any, failure: Any, _case: Any, response: Any) -> bool:
    """Whether this is a failure of the API."""
    if _is_unknown_task(failure, response):
        return False
    is_refusal = type(failure).__name__ == "RejectedPositiveData" and response.status_code == 422
    return not (is_refusal and _REFUSED.search(response.text))
