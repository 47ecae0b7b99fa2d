"""Notifications, callbacks and reports in real workers, which are killed at the worst moment."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.jobs.model.job import FollowUp, JobRequest, JobState
from app.jobs.store.job_store import JobFilter
from app.pipelines.notification.schema import Sent
from app.pipelines.report.schema import Report
from app.storage.notification_store import NotificationFilter
from tests.integration import running_platform
from tests.integration.jobs import acts
from tests.integration.running_platform import RunningPlatform
from tests.sites import mailbox as mailboxes
from tests.sites import receiver as receivers
from tests.sites.mailbox import Mailbox
from tests.sites.receiver import Receiver
from tests.waiting import eventually

QUEUES = ("notifications", "default")

TOLD = {"user_id": "ada", "title": "Ready", "message": "It is."}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receivers.receive() as found:
        yield found


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mailboxes.serve() as found:
        yield found


@pytest.fixture
def running(
    environment: dict[str, str], mailbox: Mailbox, tmp_path: Path
) -> Iterator[RunningPlatform]:
    settings = {
        "NOTIFY_WEBHOOK_SECRETS": receivers.SECRET,
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(mailbox.port),
        "SMTP_SECURITY": "none",
        "SMTP_TIMEOUT_S": "60",
    }
    with running_platform.opened({**environment, **settings}, tmp_path) as found:
        found.beat()
        yield found


def test_a_worker_that_is_killed_while_it_tells_loses_and_repeats_nothing(
    running: RunningPlatform, receiver: Receiver, mailbox: Mailbox
) -> None:
    doomed = running.worker(QUEUES, concurrency=4)
    mailbox.is_holding = True
    both = {**TOLD, "webhook_url": receiver.url + "/done", "email": "ada@example.org"}
    alone = {**TOLD, "webhook_url": receiver.url + "/silent"}
    on_success = FollowUp(
        kind="notification", params={**TOLD, "title": "{{result.deliveries.1.state}} it"}
    )
    first, second = running.jobs.submit_many(
        [
            JobRequest(
                pipeline="notification",
                params=both,
                webhook_url=receiver.url + "/jobs",
                on_success=on_success,
            ),
            JobRequest(pipeline="notification", params=alone),
        ]
    )
    # One channel is done and the other hangs; the other job's webhook has no answer yet.
    eventually(lambda: mailbox.held and receiver.at("/silent"), why="both are being told")

    doomed.kill()
    mailbox.is_holding = False
    receiver.ended.set()
    running.worker(QUEUES, concurrency=4)
    one, other = running.ended(first.id), running.ended(second.id)
    eventually(lambda: receiver.at("/jobs"), why="the end of the first is told")

    sent = Sent.model_validate(one.result)
    hooks = receiver.at("/silent")
    assert (one.state, other.state) == (JobState.SUCCEEDED, JobState.SUCCEEDED)
    assert (len(receiver.at("/done")), len(mailbox.letters)) == (1, 1)
    assert [one.attempts for one in sent.deliveries] == [1, 1]
    assert (len(hooks), len({hook.id for hook in hooks})) == (2, 1)
    assert all(hook.verified_by == {receivers.SECRET} for hook in receiver.hooks)
    [told] = receiver.at("/jobs")
    assert (told.body["type"], told.body["data"]["result"]) == ("job.succeeded", one.result)
    wanted = JobFilter(labels={"callback-of": first.id})
    eventually(lambda: len(running.jobs.list(wanted).jobs) == 3, why="what follows is submitted")
    found = acts.listed(running.platform, wanted)
    [follower] = [job for job in found if job.pipeline == "notification"]
    running.ended(follower.id)
    assert follower.params["title"] == "delivered it"
    stored = running.platform.stores.notifications.list(
        NotificationFilter(user_id="ada")
    ).notifications
    assert {found.job_id for found in stored} == {first.id, second.id, follower.id}
    assert len(stored) == 3


def test_the_tasks_are_called_as_their_users_call_them(running: RunningPlatform) -> None:
    running.worker(QUEUES, concurrency=4)
    celery = running.platform.celery

    def call(name: str, *args: object) -> object:
        return celery.send_task(name, args=args, queue=celery.conf.task_routes[name]["queue"]).get(
            timeout=60
        )

    sent = Sent.model_validate(call("send_notification", "ada", "Ready", "It is.", "info"))
    report = Report.model_validate(call("generate_analytics_report", None, "7d"))

    [stored] = running.platform.stores.notifications.list(NotificationFilter()).notifications
    assert (stored.id, stored.title) == (sent.notification_id, "Ready")
    assert report.notifications is not None
    assert report.notifications.by_type == {"info": 1}
