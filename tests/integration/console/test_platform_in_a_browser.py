"""The console of the platform in a real Chromium: signing in, acting, every page in both themes."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Dialog, expect

from tests.integration import serving
from tests.integration.processes import ROOT
from tests.integration.serving import Server
from tests.tools import chromium

ADMIN_KEY = "an-admin-key-of-this-test-0123456789"
ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
SCREENS = ROOT / "artifacts" / "screens"
WIDTHS = (360, 1024, 1920)
PAGES = ("/", "/queues", "/pools", "/jobs", "/failures", "/settings/keys", "/settings/audit")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.running() as found:
        yield found


@pytest.fixture
def server(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("CELERIAC_GUARD_LOOPBACK", "true")
    monkeypatch.setenv("CELERIAC_ADMIN_KEY", ADMIN_KEY)
    monkeypatch.setenv("CELERY_TASK_ALWAYS_EAGER", "true")
    with serving.serve(serving.platform_from_environment()) as found:
        yield found


@pytest.fixture
def failed(server: Server) -> str:
    """A job that has failed: nothing listens at its address."""
    body = {"params": {"url": "http://127.0.0.1:9/talk"}, "max_attempts": 1}
    answer = server.http.post("/api/v1/jobs/media", json=body, headers=ADMIN)
    job_id: str = answer.json()["id"]
    return job_id


def test_one_signs_in_acts_and_signs_out(browser: Browser, server: Server, failed: str) -> None:
    context = browser.new_context(base_url=server.url)
    watched = chromium.watch(context)
    page, questions = watched.page, []

    def accept(dialog: Dialog) -> None:
        questions.append(dialog.message)
        dialog.accept()

    page.on("dialog", accept)
    watched.go("/jobs?state=failed")
    page.get_by_label("API key").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("API key").fill(ADMIN_KEY)
    page.keyboard.press("Enter")
    expect(page.locator(f"#job-{failed}")).to_be_visible()
    page.locator(f"#job-{failed} input").check()
    page.get_by_role("button", name="Retry selected").click()
    expect(page.locator(".told")).to_have_text("1 job of 1 retried.")
    assert questions == ["Retry 1 job?"]
    page.get_by_label("Theme").select_option("dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    watched.go("/jobs")
    expect(page.get_by_label("API key")).to_be_visible()
    assert watched.problems == []
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_of_the_platform_fits_and_is_accessible(
    browser: Browser, server: Server, failed: str, theme: str
) -> None:
    SCREENS.mkdir(parents=True, exist_ok=True)
    found = {}
    for width in WIDTHS:
        context = browser.new_context(
            base_url=server.url,
            color_scheme="dark" if theme == "dark" else "light",
            viewport={"width": width, "height": 900},
        )
        watched = chromium.watch(context)
        page = watched.page
        watched.go("/")
        found["/sign-in", width] = _faults(watched)
        page.get_by_label("API key").fill(ADMIN_KEY)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
        for path in (*PAGES, f"/jobs/{failed}"):
            watched.go(path)
            name = path.strip("/").replace("/", "-")[:20] or "overview"
            page.screenshot(path=SCREENS / f"platform-{name}-{width}-{theme}.png", full_page=True)
            found[path, width] = _faults(watched)
        assert watched.problems == []
        context.close()
    assert {where: what for where, what in found.items() if what != (0, [])} == {}


def _faults(watched: chromium.Watched) -> tuple[int, list[tuple[str, list[str]]]]:
    """By how much the page is too wide, and the rules of axe that it breaks."""
    too_wide: int = watched.page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    violations = Axe().run(watched.page).response["violations"]
    broken = [(one["id"], [node["html"] for node in one["nodes"]][:2]) for one in violations]
    return too_wide, broken
