"""Notifications, callbacks and reports in real workers, which are killed at the worst moment."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from app.jobs.model.job import FollowUp, Job, JobId, JobRequest, JobState
from app.jobs.platform import Platform
from app.jobs.service import Jobs
from app.jobs.store.job_store import JobFilter
from app.pipelines.notification.schema import Sent
from app.pipelines.report.schema import Report
from app.storage.notification_store import NotificationFilter
from tests.integration import serving
from tests.integration.jobs import acts
from tests.integration.processes import Process, StartWorker
from tests.sites import mailbox as mailboxes
from tests.sites import receiver as receivers
from tests.sites.mailbox import Mailbox
from tests.sites.receiver import Receiver
from tests.waiting import eventually

TOLD = {"user_id": "ada", "title": "Ready", "message": "It is."}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A platform, the servers that it tells, and how to start its workers."""

    platform: Platform
    jobs: Jobs
    receiver: Receiver
    mailbox: Mailbox
    settings: dict[str, str]
    start_worker: StartWorker

    def worker(self) -> Process:
        return self.start_worker(["notifications", "default"], concurrency=4, env=self.settings)

    def ended(self, job_id: JobId) -> Job:
        """The job, once it is over; leases are judged meanwhile as beat does."""
        reconciler = self.platform.reconciler()

        def is_over() -> bool:
            reconciler.tick()
            return self.jobs.get(job_id).state.is_final

        eventually(is_over, why=f"end of {job_id}")
        return self.jobs.get(job_id)


@pytest.fixture
def site(start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with receivers.receive() as receiver, mailboxes.serve() as mailbox:
        settings = {
            "NOTIFY_WEBHOOK_SECRETS": receivers.SECRET,
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(mailbox.port),
            "SMTP_SECURITY": "none",
            "SMTP_TIMEOUT_S": "60",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        platform = serving.platform_from_environment()
        yield Site(
            platform=platform,
            jobs=platform.jobs,
            receiver=receiver,
            mailbox=mailbox,
            settings=settings,
            start_worker=start_worker,
        )
        platform.close()
        platform.celery.close()


def test_a_worker_that_is_killed_while_it_tells_loses_and_repeats_nothing(site: Site) -> None:
    doomed = site.worker()
    receiver, mailbox = site.receiver, site.mailbox
    mailbox.is_holding = True
    both = {**TOLD, "webhook_url": receiver.url + "/done", "email": "ada@example.org"}
    alone = {**TOLD, "webhook_url": receiver.url + "/silent"}
    on_success = FollowUp(
        kind="notification", params={**TOLD, "title": "{{result.deliveries.1.state}} it"}
    )
    first, second = site.jobs.submit_many(
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
    site.worker()
    one, other = site.ended(first.id), site.ended(second.id)
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
    eventually(lambda: len(site.jobs.list(wanted).jobs) == 3, why="what follows is submitted")
    found = acts.listed(site.platform, wanted)
    [follower] = [job for job in found if job.pipeline == "notification"]
    site.ended(follower.id)
    assert follower.params["title"] == "delivered it"
    stored = site.platform.stores.notifications.list(
        NotificationFilter(user_id="ada")
    ).notifications
    assert {found.job_id for found in stored} == {first.id, second.id, follower.id}
    assert len(stored) == 3


def test_the_tasks_are_called_as_their_users_call_them(site: Site) -> None:
    site.worker()
    celery = site.platform.celery

    def call(name: str, *args: object) -> object:
        return celery.send_task(name, args=args, queue=celery.conf.task_routes[name]["queue"]).get(
            timeout=60
        )

    sent = Sent.model_validate(call("send_notification", "ada", "Ready", "It is.", "info"))
    report = Report.model_validate(call("generate_analytics_report", None, "7d"))

    [stored] = site.platform.stores.notifications.list(NotificationFilter()).notifications
    assert (stored.id, stored.title) == (sent.notification_id, "Ready")
    assert report.notifications is not None
    assert report.notifications.by_type == {"info": 1}
