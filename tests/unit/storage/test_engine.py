"""Errors and URLs of the database."""

import inspect
import traceback
from pathlib import Path

import pytest
from sqlalchemy import Connection, exc

from app.errors import CeleriacError, Conflict, InvalidInput, StorageUnavailable
from app.storage import engine

OURS = "a mistake in our own code"

DATABASE_ERRORS = [
    kind for _, kind in inspect.getmembers(exc, inspect.isclass) if issubclass(kind, exc.DBAPIError)
]


@pytest.mark.parametrize("kind", DATABASE_ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_of_a_driver_is_translated_or_a_mistake_of_ours(
    kind: type[exc.DBAPIError],
) -> None:
    error = kind("SELECT secret", {"value": "secret"}, Exception("reason\nDETAIL: secret"))

    found = engine.translate(error)

    if kind in (exc.ProgrammingError, exc.NotSupportedError):
        assert found is error
    else:
        assert isinstance(found, CeleriacError)
        assert "reason" in str(found)
        assert "secret" not in str(found)


@pytest.mark.parametrize(
    ("error", "want"),
    [
        (exc.IntegrityError("", {}, Exception("x")), Conflict),
        (exc.DataError("", {}, Exception("x")), InvalidInput),
        (exc.OperationalError("", {}, Exception("x")), StorageUnavailable),
        (exc.InterfaceError("", {}, Exception("x")), StorageUnavailable),
        (exc.TimeoutError(), StorageUnavailable),
        (exc.StatementError("", "", {}, InvalidInput("x")), InvalidInput),
    ],
)
def test_errors_become_what_the_caller_can_act_on(
    error: exc.SQLAlchemyError, want: type[CeleriacError]
) -> None:
    assert type(engine.translate(error)) is want


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///file.db", "sqlite"),
        ("postgresql://u:p@host/db", "postgresql+psycopg"),
        ("postgres://host/db", "postgresql+psycopg"),
        ("postgresql+psycopg://host/db", "postgresql+psycopg"),
    ],
)
def test_a_url_gets_its_driver(url: str, driver: str) -> None:
    assert engine.parse_url(url).drivername == driver


@pytest.mark.parametrize("url", ["mysql://host/db", "", "no url", "mongodb://host"])
def test_a_url_of_another_database_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        engine.parse_url(url)


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, object(), b"bytes"])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        engine.dump_json({"value": value})


def test_json_of_equal_objects_is_equal_when_sorted() -> None:
    assert engine.dump_json({"b": 1, "a": 2}, sort_keys=True) == '{"a":2,"b":1}'


def synchronous(connection: Connection) -> int:
    return int(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())


def test_a_promise_is_on_the_disk_before_anyone_hears_of_it(tmp_path: Path) -> None:
    """1 is NORMAL: no sync at a commit; 2 is FULL. One pooled connection serves all."""
    database = engine.Database(f"sqlite:///{tmp_path}/jobs.db", pool_size=1)
    found = []
    for is_promise in (False, True, True, False):
        with database.write(is_promise=is_promise) as connection:
            found.append(synchronous(connection))
    database.close()
    assert found == [1, 2, 2, 1]


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        pytest.param("postgresql://u:s3cr3t@h:port/d", "cannot be read", id="no port"),
        pytest.param("postgresql://u:s3cr3t", "cannot be read", id="no host"),
        pytest.param("s3cr3t", "cannot be read", id="no URL"),
        pytest.param("postgresql://u:x@s3cr3t@h/d", "as %40", id="an at sign in the password"),
        pytest.param("sqlite://u:s3cr3t@h/d", "three slashes", id="a host of SQLite"),
    ],
)
def test_a_wrong_url_is_refused_without_a_part_of_it(url: str, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint) as caught:
        engine.parse_url(url)
    assert "s3cr3t" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None
