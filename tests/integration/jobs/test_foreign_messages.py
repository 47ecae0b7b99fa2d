"""Plain tasks that somebody else calls: whose they are, and what they may touch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from app.jobs.model.job import JobState
from app.jobs.model.pipeline import HANDED_KEY
from app.jobs.publish import refusals
from app.jobs.publish.refusals import MessageRefusal
from app.jobs.run import workspace
from app.pipelines import registry as pipelines
from tests.integration import running_platform
from tests.integration.jobs.conftest import PROBE, PROBES
from tests.integration.running_platform import RunningPlatform
from tests.waiting import eventually

KEYS, REFUSE = "CELERIAC_MESSAGE_KEYS", "CELERIAC_REFUSE_PLAIN_TASKS"
KEY = "a-key-of-this-test-" + "0" * 16
CONVERTED = {
    **{"title": "t", "artist": None, "duration_seconds": 1.0, "size_bytes": 1, "tags": {}},
    **{"bitrate_kbps": 192, "artifact": "t.mp3", "sha256": "0" * 64, "has_cover": False},
    "source_url": "http://site.example/a",
}


@pytest.fixture(scope="module")
def media(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[RunningPlatform]:
    """The media pipeline, with a message key and a worker of its clean-up queue."""
    with running_platform.standing(
        tmp_path_factory.mktemp("media"), sqlite_template, settings={KEYS: KEY}
    ) as found:
        found.worker(["cleanup"])
        yield found


def stranger(running: RunningPlatform) -> Celery:
    """An application with the broker's address and nothing else."""
    url = running.platform.settings.broker.broker_url.get_secret_value()
    return Celery("stranger", broker=url, backend=url)


def clean_up(running: RunningPlatform, given: object, *, task_id: str | None = None) -> None:
    """Have a stranger call the last stage of `media`."""
    sent = stranger(running).send_task(
        "cleanup_temp_files", (given,), queue="cleanup", task_id=task_id
    )
    assert sent.get(timeout=90)["artifact"] == "t.mp3"


def folders(running: RunningPlatform) -> dict[str, Path]:
    """Folders in TEMP_DIR that are not those of the stranger's task."""
    names = {"a job's": "0199d7c0-8f2b-7c31-9a54-1c2d3e4f5a6b", "uploads": "uploads"}
    names |= {"a plain task's": "plain-another", "a sibling": "../sibling"}
    found = {what: (running.temp_dir / name).resolve() for what, name in names.items()}
    for folder in found.values():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "file").touch()
    return found


TARGETS = ("0199d7c0-8f2b-7c31-9a54-1c2d3e4f5a6b", "uploads", "plain-another", "../sibling", "..")


@pytest.mark.parametrize("key", [*TARGETS, "another", "/etc", ".", ""])
@pytest.mark.parametrize("signature", ["", ":", f"{'A' * 43}:"])
def test_a_plain_task_removes_no_folder_that_its_message_names(
    media: RunningPlatform, key: str, signature: str
) -> None:
    kept = folders(media)

    clean_up(media, {**CONVERTED, HANDED_KEY: f"{signature}{key}"})

    assert [name for name, folder in kept.items() if not (folder / "file").exists()] == []


@pytest.mark.parametrize("task_id", TARGETS)
def test_a_plain_task_removes_no_folder_that_its_id_names(
    media: RunningPlatform, task_id: str
) -> None:
    kept = folders(media)

    clean_up(media, CONVERTED, task_id=task_id)

    assert [name for name, folder in kept.items() if not (folder / "file").exists()] == []


def test_a_stage_takes_the_workspace_that_one_of_ours_has_signed(media: RunningPlatform) -> None:
    own = workspace.plain_folder(media.temp_dir, "first-of-the-chain")
    handed = workspace.handed_key("first-of-the-chain", media.platform.signer)

    clean_up(media, {**CONVERTED, HANDED_KEY: handed})

    assert not own.exists()


def test_every_stage_ignores_a_workspace_from_outside(media: RunningPlatform) -> None:
    """Whatever its name: there is one place that reads the key."""
    celery = media.platform.celery
    celery.loader.import_default_modules()
    for stage in pipelines.discover(()).stages:
        task = celery.tasks[stage.task]
        for foreign in ("uploads", ":uploads", f"{'A' * 43}:uploads", 7, None, ["uploads"]):
            assert task._handed_key(({HANDED_KEY: foreign},)) is None


def refused(running: RunningPlatform) -> int:
    found: Any = running.platform.redis.hget(  # sync or async
        refusals.COUNTS_KEY, MessageRefusal.PLAIN.value
    )
    return int(found or 0)


def test_a_worker_refuses_plain_tasks_of_strangers_where_it_is_told_to(
    environment: dict[str, str], tmp_path: Path
) -> None:
    settings = {**environment, KEYS: KEY, REFUSE: "true"}
    given = {"name": "probe", "plan": {}, "trail": []}
    with running_platform.opened(settings, tmp_path, registry=PROBES, app=PROBE) as running:
        running.worker()
        celery = running.platform.celery
        stranger(running).send_task("probe_second", (given,), queue="download")
        eventually(lambda: refused(running) == 1, why="it is refused")

        # Ours: one call, a chain whose later tasks the worker calls, a retry, and a job.
        chain = celery.signature("probe_first") | celery.signature("probe_second")
        plan = {"second": ["retryable", "ok"]}
        sent = [
            celery.send_task("probe_second", (given,)),
            chain.apply_async(),
            celery.send_task("probe_second", ({**given, "plan": plan},)),
        ]
        assert [each.get(timeout=90)["trail"][-1] for each in sent] == ["second:ok"] * 3
        assert running.ended(running.submit("probe")).state is JobState.SUCCEEDED
        assert refused(running) == 1


def test_a_signed_message_with_other_arguments_is_refused(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Somebody takes a message from the broker and changes what it calls."""
    settings = {**environment, KEYS: KEY, REFUSE: "true"}
    with running_platform.opened(settings, tmp_path, registry=PROBES, app=PROBE) as running:
        celery, redis = running.platform.celery, running.platform.redis
        celery.send_task("probe_second", ({"name": "probe", "plan": {}, "trail": []},))
        queues: Any = redis.keys("download*")  # sync or async
        (queue,) = queues
        message: Any = redis.rpop(queue)
        redis.lpush(queue, message.replace(b"probe_second", b"probe_last"))
        running.worker()

        eventually(lambda: refused(running) == 1, why="it is refused")
