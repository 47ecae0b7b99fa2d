"""A real Chromium, Debian's, driven by Playwright."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.tools import debian

QUIET = (
    *("--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)
"""It asks for nothing from other servers by itself."""


@contextmanager
def running() -> Iterator[Browser]:
    """A headless browser. Raises ProgramMissing."""
    program = debian.program("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(program),
            args=list(QUIET),
            chromium_sandbox=False,  # root, as whom containers run tests, may not have it
            downloads_path=folder,
        )
        try:
            yield browser
        finally:
            browser.close()
