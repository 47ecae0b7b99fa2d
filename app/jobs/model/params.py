"""Parameters of a job that do not fit the schema of its kind."""

from pydantic import ValidationError


def describe(error: ValidationError, *, root: str = "params") -> str:
    """What is wrong with each value, in one line and without the values: they may be secret."""
    return "; ".join(
        f"{'.'.join(map(str, found['loc'])) or root}: {found['msg']}"
        for found in error.errors(include_url=False, include_input=False)
    )
