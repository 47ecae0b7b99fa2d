"""The console beside an application in a real Chromium: at three widths, in both themes, by the
rules of axe for accessibility, with the mouse and by keyboard alone.

Screenshots are kept in `artifacts/screens`, for people to look at.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
import redis
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Dialog, Page, expect

from tests.integration.foreign.beside import StartConsole, has
from tests.integration.processes import ROOT, Process
from tests.tools import chromium
from tests.tools.chromium import Watched, watch
from tests.waiting import eventually

Send = Callable[..., str]
StartWorker = Callable[..., Process]

SCREENS = ROOT / "artifacts" / "screens"
WIDTHS = (360, 1024, 1920)
THEMES = ("light", "dark")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.running() as found:
        yield found


@pytest.fixture
def watched(browser: Browser, started: httpx2.Client) -> Iterator[Watched]:
    context = browser.new_context(base_url=str(started.base_url))
    found = watch(context)
    yield found
    context.close()
    assert found.problems == []


@pytest.fixture
def started(
    console: StartConsole, worker: StartWorker, send: Send, tmp_path: Path
) -> httpx2.Client:
    """A console with a worker, failures of three kinds, a chain and messages without a worker."""
    worker("one", "celery")
    http, _ = console()
    eventually(has(http, "/workers/one@shop", "/queues/celery"), within_s=60, why="it answers")
    for number in range(8):
        send("orders.charge", number)
        send("orders.charge", number, queue="orphan", priority=number % 2 * 3)
    send("images.resize", 640, 0)
    eventually(has(http, "/tasks?state=failed", "Retry 5"), within_s=60, why="tasks have failed")
    eventually(has(http, "/queues", ">orphan<"), within_s=60, why="the other queue is seen")
    return http


def paths(http: httpx2.Client) -> dict[str, str]:
    """Every page, by a name for its screenshot."""
    listed = http.get("/tasks?state=failed").text
    failed = re.findall(r'data-href="(/tasks/[0-9a-f-]+)"', listed)
    return {
        "overview": "/",
        "queues": "/queues",
        "queue": "/queues/orphan",
        "workers": "/workers",
        "worker": "/workers/one@shop",
        "tasks": "/tasks",
        "failed": "/tasks?state=failed&q=task%3Aorders.%2A",
        "task": failed[0],
        "failures": "/failures",
        "activity": "/activity",
        "missing": "/tasks/nix",
        "wrong": "/tasks?q=colour%3Ared",
    }


@pytest.mark.parametrize("theme", THEMES)
def test_every_page_fits_and_is_accessible(
    browser: Browser, started: httpx2.Client, theme: str
) -> None:
    started.post("/queues/orphan", data={"action": "resume"})  # a line for the activity
    axe, found = Axe(), {}
    for width in WIDTHS:
        context = browser.new_context(
            base_url=str(started.base_url),
            color_scheme="dark" if theme == "dark" else "light",
            viewport={"width": width, "height": 900},
        )
        watched = watch(context)
        for name, path in paths(started).items():
            watched.go(path)
            _keep(watched.page, f"{name}-{width}-{theme}")
            too_wide = watched.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            violations = axe.run(watched.page).response["violations"]
            found[name, width] = (
                too_wide,
                [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in violations],
            )
        assert watched.problems == []
        context.close()
    assert {where: what for where, what in found.items() if what != (0, [])} == {}


def _keep(page: Page, name: str) -> None:
    SCREENS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENS / f"{name}.png", full_page=True)


def test_by_keyboard_alone(watched: Watched) -> None:
    page = watched.page
    watched.go("/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    for key, heading in (("q", "Queues"), ("w", "Workers"), ("f", "Failures"), ("t", "Tasks")):
        page.keyboard.press("g")
        page.keyboard.press(key)
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    page.keyboard.press("/")
    page.keyboard.type("task:images.resize")
    page.keyboard.press("Enter")
    expect(page.locator("#task-table tbody tr")).to_have_count(1)
    page.wait_for_load_state("load")
    page.keyboard.press("j")
    expect(page.locator("#task-table tr[aria-selected=true]")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("#task-error")).to_contain_text("ZeroDivisionError")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()


def test_an_action_asks_with_its_number_and_is_done_only_when_it_is_confirmed(
    watched: Watched, redis_client: redis.Redis
) -> None:
    page, questions = watched.page, []
    answers = iter((False, True))

    def answer(dialog: Dialog) -> None:
        questions.append(dialog.message)
        if next(answers):
            dialog.accept()
        else:
            dialog.dismiss()

    page.on("dialog", answer)
    watched.go("/queues/orphan")
    page.get_by_role("button", name="Purge").click()
    assert redis_client.llen("orphan") + redis_client.llen("orphan\x06\x163") == 8
    page.get_by_role("button", name="Purge").click()
    expect(page.locator(".told")).to_have_text("8 messages of queue orphan deleted.")
    assert questions == ["Delete 8 messages of queue orphan? They cannot be got back."] * 2
    assert redis_client.llen("orphan") + redis_client.llen("orphan\x06\x163") == 0


def test_a_page_lives_and_waits_while_it_is_read(watched: Watched, send: Send) -> None:
    page = watched.page
    watched.go("/tasks")
    page.mouse.move(5, 5)
    new = send("orders.charge", 100)
    expect(page.locator(f"#task-{new}")).to_be_visible()
    page.evaluate("document.getSelection().selectAllChildren(document.querySelector('h1'))")
    expect(page.locator("#live")).to_contain_text("Updates wait while text is selected")
    another = send("orders.charge", 102)
    eventually(
        lambda: another in httpx2.get(f"{page.url}").text, within_s=60, why="the server shows it"
    )
    assert page.locator(f"#task-{another}").count() == 0
    page.evaluate("document.getSelection().removeAllRanges()")
    expect(page.locator(f"#task-{another}")).to_be_visible()


def test_the_theme_stays_and_is_there_before_any_script(watched: Watched) -> None:
    page = watched.page
    watched.go("/workers")
    page.get_by_label("Theme").select_option("dark")
    page.wait_for_load_state()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(21, 24, 27)"
