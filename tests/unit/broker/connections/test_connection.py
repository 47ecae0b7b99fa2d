"""No error of redis' passes the connection; each becomes ours."""

import asyncio

import pytest
from kombu.exceptions import OperationalError
from redis import exceptions
from redis.asyncio.sentinel import MasterNotFoundError, SlaveNotFoundError

from app.broker.connections import connection
from app.broker.connections.address import parse_address
from app.broker.connections.connection import Connection
from app.errors import BrokerNotReady, BrokerRefused, BrokerUnreachable

NOT_FROM_A_SERVER = {"ChildDeadlockedError", "IncorrectPolicyType"}
"""Misuse of the library inside of this process."""

REDIS_ERRORS = [
    found
    for name, found in sorted(vars(exceptions).items())
    if isinstance(found, type)
    and issubclass(found, Exception)
    and found.__module__ == exceptions.__name__
    and name not in NOT_FROM_A_SERVER
]
OTHER_ERRORS = [
    OSError,
    ConnectionResetError,
    TimeoutError,
    MasterNotFoundError,
    SlaveNotFoundError,
]


def test_redis_has_errors_to_walk() -> None:
    assert {exceptions.ConnectionError, exceptions.NoPermissionError} < set(REDIS_ERRORS)


@pytest.mark.parametrize("error", REDIS_ERRORS + OTHER_ERRORS)
def test_no_error_of_redis_passes(error: type[Exception]) -> None:
    async def ask() -> None:
        async with Connection(parse_address("redis://:secret@127.0.0.1:1")).asking():
            raise error.__new__(error)

    with pytest.raises(BrokerUnreachable) as caught:
        asyncio.run(ask())
    assert "secret" not in str(caught.value)


def of_kombu(cause: Exception) -> Exception:
    """As kombu raises it."""
    error = OperationalError(str(cause))
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "want"),
    [
        pytest.param(exceptions.ConnectionError("x"), BrokerUnreachable, id="no connection"),
        pytest.param(exceptions.TimeoutError("x"), BrokerUnreachable, id="no answer"),
        pytest.param(exceptions.BusyLoadingError("x"), BrokerNotReady, id="it starts up"),
        pytest.param(exceptions.MasterDownError("x"), BrokerNotReady, id="its master is down"),
        pytest.param(
            exceptions.ConnectionError("max number of clients reached"),
            BrokerNotReady,
            id="no connection left",
        ),
        pytest.param(exceptions.OutOfMemoryError("x"), BrokerRefused, id="its memory is full"),
        pytest.param(exceptions.ReadOnlyError("x"), BrokerRefused, id="it is a replica"),
        pytest.param(
            of_kombu(exceptions.OutOfMemoryError("x")), BrokerRefused, id="wrapped by kombu"
        ),
        pytest.param(of_kombu(OSError("x")), BrokerUnreachable, id="silence wrapped by kombu"),
        pytest.param(OperationalError("x"), BrokerUnreachable, id="an error of kombu alone"),
        pytest.param(exceptions.AuthenticationError("x"), BrokerRefused, id="wrong password"),
        pytest.param(exceptions.NoPermissionError("x"), BrokerRefused, id="no permission"),
        pytest.param(exceptions.ResponseError("x"), BrokerRefused, id="a command that it rejects"),
        pytest.param(ConnectionRefusedError("x"), BrokerUnreachable, id="nobody listens"),
    ],
)
def test_silence_and_refusal_are_told_apart(
    error: Exception, want: type[BrokerUnreachable]
) -> None:
    assert type(connection.translated(error, host="h")) is want


def test_a_server_that_takes_too_long_is_unreachable() -> None:
    async def ask() -> None:
        address = parse_address("redis://127.0.0.1:1")
        async with Connection(address).asking(timeout_s=0.0):
            await asyncio.Event().wait()

    with pytest.raises(BrokerUnreachable, match=r"no answer from the broker at 127\.0\.0\.1:1"):
        asyncio.run(ask())


@pytest.mark.parametrize(
    ("error", "want"),
    [
        pytest.param(
            exceptions.ConnectionError(
                "Error 111 connecting to h:1. Connect call failed ('h', 1)."
            ),
            "no answer from the broker at h: Connection refused",
            id="in the words of the operating system",
        ),
        pytest.param(
            ConnectionResetError(104, "Connection reset by peer"),
            "no answer from the broker at h: Connection reset by peer",
            id="which may come without redis' own",
        ),
        pytest.param(
            exceptions.ConnectionError(
                "Error 1 connecting to h:1. [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify "
                "failed: self-signed certificate (_ssl.c:1002)."
            ),
            "no answer from the broker at h: certificate verify failed: self-signed certificate",
            id="of TLS, whose numbers are others",
        ),
        pytest.param(
            exceptions.ConnectionError("Error -2 connecting to h:1. Name or service not known."),
            "no answer from the broker at h: Error -2 connecting to h:1. Name or service not known",
            id="of the resolver",
        ),
        pytest.param(
            exceptions.AuthenticationError("invalid password.", status_code="WRONGPASS"),
            "refused by the broker at h: WRONGPASS invalid password",
            id="of the server",
        ),
        pytest.param(TimeoutError(), "no answer from the broker at h", id="without words"),
    ],
)
def test_the_reason_is_short(error: Exception, want: str) -> None:
    assert str(connection.translated(error, host="h")) == want
