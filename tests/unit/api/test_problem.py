import inspect
from http import HTTPStatus

import pytest

from app import errors
from app.api import problem
from app.errors import CeleriacError, NotFound, RateLimited, RetryableError

OUR_ERRORS = [
    found
    for _, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, CeleriacError)
]


def test_every_error_of_ours_has_a_status() -> None:
    assert set(OUR_ERRORS) <= set(problem.BY_ERROR)


def test_an_error_from_elsewhere_is_told_by_its_nearest_ancestor() -> None:
    class JobNotFound(NotFound):
        pass

    assert problem.of_error(JobNotFound("no job 7")) == problem.Problem(
        type="urn:celeriac:problem:not-found", title="Not found", status=404, detail="no job 7"
    )


def test_a_fault_of_ours_tells_the_client_nothing() -> None:
    found = problem.of_error(
        errors.ProcessFailed(command="ffmpeg -i /secret", exit_code=1, output_end="boom")
    )
    assert found == problem.internal()


@pytest.mark.parametrize(
    ("error", "want"),
    [
        pytest.param(RateLimited("slow down", retry_after_s=2.1), 3, id="rounded up"),
        pytest.param(RateLimited("slow down", retry_after_s=0.0), 0, id="zero is a value"),
        pytest.param(RateLimited("slow down"), problem.RETRY_AFTER_S, id="not said how long"),
        pytest.param(RetryableError("down"), problem.RETRY_AFTER_S, id="temporary"),
        pytest.param(NotFound("gone"), None, id="permanent"),
    ],
)
def test_retry_after_is_for_temporary_errors(error: CeleriacError, want: int | None) -> None:
    assert problem.retry_after_s(error) == want


@pytest.mark.parametrize(
    ("loc", "location", "pointer"),
    [
        pytest.param(("body", "params", "url"), "body", "#/params/url", id="in the body"),
        pytest.param(("body", 2, "kind"), "body", "#/2/kind", id="in a list"),
        pytest.param(("query", "limit"), "query", "#/limit", id="in the query"),
        pytest.param(("body", "a/b~c"), "body", "#/a~1b~0c", id="escaped"),
        pytest.param(("body",), "body", "#", id="the whole body"),
    ],
)
def test_validation_points_at_the_value(
    loc: tuple[str | int, ...], location: str, pointer: str
) -> None:
    found = problem.of_validation(
        [{"loc": loc, "type": "missing", "msg": "Field required", "input": "secret"}]
    )
    want = problem.FieldError(
        location=location, pointer=pointer, code="missing", detail="Field required"
    )
    assert found.errors == (want,)
    assert found.status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "secret" not in found.model_dump_json()


def test_broken_json_is_a_bad_request() -> None:
    found = problem.of_validation(
        [
            {
                "loc": ("body", 4),
                "type": "json_invalid",
                "msg": "JSON decode error",
                "ctx": {"error": "Expecting value"},
            }
        ]
    )
    assert (found.status, found.type) == (400, "urn:celeriac:problem:malformed-json")
    assert found.detail == "Expecting value"


def test_the_wire_form_leaves_out_what_says_nothing() -> None:
    answer = problem.response(problem.of_status(405), request_id="r1")
    assert answer.media_type == "application/problem+json"
    assert bytes(answer.body) == (
        b'{"type":"about:blank","title":"Method Not Allowed","status":405,'
        b'"detail":"Method Not Allowed","request_id":"r1"}'
    )
