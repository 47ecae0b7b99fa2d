"""Which of our errors one of MongoDB's driver is: one table for all that we ask of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from bson.errors import BSONError, InvalidDocument
from pymongo import errors

from app.errors import CeleriacError, Conflict, InvalidInput, StorageUnavailable

UNAUTHORIZED = frozenset({13, 18})
"""Not allowed, and a wrong password: somebody may mend it meanwhile, as for any other store."""

_TABLE: tuple[tuple[type[Exception], type[CeleriacError], str], ...] = (
    (errors.DuplicateKeyError, Conflict, "MongoDB holds this already"),
    (errors.DocumentTooLarge, InvalidInput, "a chunk is too large for MongoDB"),
    (InvalidDocument, InvalidInput, "MongoDB refuses a value"),
    (BSONError, InvalidInput, "MongoDB refuses a value"),
    (errors.ConnectionFailure, StorageUnavailable, "MongoDB did not answer"),
    (errors.WTimeoutError, StorageUnavailable, "MongoDB did not answer"),
    (errors.ExecutionTimeout, StorageUnavailable, "MongoDB did not answer"),
    (errors.ConfigurationError, InvalidInput, "MONGODB_URL cannot be used"),
    (errors.InvalidURI, InvalidInput, "MONGODB_URL cannot be read"),
    (errors.PyMongoError, StorageUnavailable, "MongoDB refused"),
)
"""Foreign error, ours, and the words for it. The first row that fits wins."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours. Messages hold no document."""
    try:
        yield
    except (errors.PyMongoError, BSONError) as error:
        ours = translate(error)
        raise ours from error


def translate(error: Exception) -> CeleriacError:
    """Our error for one of the driver's."""
    if isinstance(error, errors.OperationFailure) and error.code in UNAUTHORIZED:
        return StorageUnavailable("MongoDB refuses our name and password, or what we ask for")
    _, ours, words = next(row for row in _TABLE if isinstance(error, row[0]))
    if isinstance(error, errors.OperationFailure | InvalidDocument | errors.InvalidURI):
        return ours(words)  # its own words may hold values
    return ours(f"{words}: {str(error).split(', Timeout:')[0]}")
