"""What every test gets: an environment in which the developer's own settings do not show."""

import os
import signal

import hypothesis
import pytest

OURS = (
    *("CELERIAC_", "CELERY_", "DATABASE_", "REDIS_", "STORAGE_", "TEMP_DIR", "MONGODB_", "OTEL_"),
    *("NOTIFY_", "SMTP_", "CACHE_DIR"),
)


hypothesis.settings.register_profile(
    "any machine",
    deadline=None,
    # How fast examples are made says how busy the machine is.
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("any machine")


def pytest_configure() -> None:
    """Take Ctrl-C, here and in every child. A script's `make test &` has both ignored, and what is
    ignored stays so in children: those that a test interrupts would never end."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            is_interrupt = number is signal.SIGINT
            signal.signal(number, signal.default_int_handler if is_interrupt else signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings come from the test alone."""
    for name in list(os.environ):
        if name.startswith(OURS):
            monkeypatch.delenv(name)
