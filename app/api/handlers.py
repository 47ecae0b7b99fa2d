"""Where exceptions become problem details: the one table of handlers of the application."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from app.api import context, problem
from app.errors import CeleriacError

CLIENT_CLOSED_REQUEST = 499
"""Nobody is there to read it; the access log shows that it was not our fault."""

Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]
"""Any: Starlette types the exception as the class that the handler is registered for."""


async def on_celeriac_error(request: Request, error: CeleriacError) -> Response:
    found = problem.of_error(error)
    if found.status == problem.INTERNAL.status:
        context.log_failure(request.scope, error)
    wait_s = problem.retry_after_s(error)
    headers = {} if wait_s is None else {"Retry-After": str(wait_s)}
    return _respond(request, found, headers)


async def on_invalid_request(request: Request, error: RequestValidationError) -> Response:
    return _respond(request, problem.of_validation(error.errors()))


async def on_http_exception(request: Request, error: HTTPException) -> Response:
    if isinstance(error.__cause__, RecursionError):  # FastAPI's parser of bodies
        return _respond(request, problem.too_deep())
    return _respond(request, problem.of_status(error.status_code, error.detail), error.headers)


async def on_client_gone(_request: Request, _error: ClientDisconnect) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


def _respond(request: Request, found: problem.Problem, headers: Any = None) -> Response:
    return problem.response(found, request_id=context.request_id(request.scope), headers=headers)


HANDLERS: dict[int | type[Exception], Handler] = {
    CeleriacError: on_celeriac_error,
    RequestValidationError: on_invalid_request,
    HTTPException: on_http_exception,
    ClientDisconnect: on_client_gone,
}
