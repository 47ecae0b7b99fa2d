"""A real Chromium, Debian's, driven by Playwright."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    expect,
    sync_playwright,
)

from tests.tools import debian

PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)

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


@dataclass
class Watched:
    """A page, and what went wrong in it."""

    page: Page
    problems: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        self.page.goto(path, wait_until="load")


def watch(context: BrowserContext) -> Watched:
    """A new page, with all that its script and its content security policy complain of."""
    context.set_default_timeout(PATIENCE_MS)
    found = Watched(page=context.new_page())

    def note(message: ConsoleMessage) -> None:
        # The browser itself reports pages that are not there, or wrong.
        if message.type in ("error", "warning") and "status of 40" not in message.text:
            found.problems.append(message.text)

    def fail(error: Error) -> None:
        found.problems.append(str(error))

    found.page.on("console", note)
    found.page.on("pageerror", fail)
    return found
