"""An hour of an operator, compressed: burst, drain, outage, wrong password, pause, refused scale.

`make session` also writes what was seen to `docs/reference/operator-session.md`.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests import waiting
from tests.cluster import workloads
from tests.cluster.pools import admission, manifests
from tests.cluster.pools.conftest import PoolNamespace
from tests.cluster.pools.session import Session, page

PAGE = os.environ.get("CELERIAC_SESSION_PAGE")
INTRODUCTION = """\
# An operator's session

What `kubectl` and the operator's log show of an hour with a burst, a drain, an outage, a wrong
password, a pause and a refused scale. `make session` recorded it in a real cluster, compressed into
minutes; lines are folded at 120 columns. The cluster tests run the same steps and wait for the same
states. [WorkerPool](workerpool.md#kubectl-get-wp) explains the columns and the states.

Two pools of one application: `orders` has 0 to 4 replicas for two queues, `mail` 1 or 2 for one.
"""
LOG_FORMAT = "text"
READY_MESSAGE = "--output=jsonpath={.status.conditions[0].message}"
QUEUES = {"orders": ("orders", "invoices"), "mail": ("mail",)}
BOUNDS: dict[str, dict[str, Any]] = {
    "orders": {"maxReplicas": 4},
    "mail": {"minReplicas": 1, "maxReplicas": 2},
}


@pytest.mark.timeout(900, func_only=True)
def test_an_hour_of_an_operator(site: PoolNamespace) -> None:
    place = urlsplit(site.broker.host_url).netloc
    renamed = {site.kubectl.namespace: "shop", place: "redis:6379"}
    session = Session(kubectl=site.kubectl, renamed=renamed)
    deploy(site)
    quiet(session)
    burst(site, session)
    drain(site, session)
    outage(site, session)
    wrong_password(site, session)
    pause(site, session)
    fixed(site, session)
    refused(site, session)
    ending(site, session)
    if PAGE:
        Path(PAGE).write_text(page(INTRODUCTION, session.steps), encoding="utf-8")


def deploy(site: PoolNamespace) -> None:
    for name, queues in QUEUES.items():
        worker = workloads.build_worker(
            name,
            image=site.image,
            broker_url=site.broker.host_url,
            log_url=site.broker.host_url,
            queues=queues,
            replicas=0,
            arguments=("--without-gossip", "--without-mingle"),
        )
        pool = manifests.build_pool(name, queues=list(queues), **BOUNDS[name])
        site.kubectl.apply(worker, pool)


def quiet(session: Session) -> None:
    session.wait("orders", "Idle")
    session.kubectl.wait("wp/mail", "jsonpath={.status.readyReplicas}=1")
    session.kubectl.wait("wp/mail", "jsonpath={.status.activeTasks}=0")
    session.wait("mail", "AtMinimum")
    session.show("get", "wp")
    session.close(
        "Nothing to do",
        "The pool orders is at zero. The pool mail needs no replica either, and its "
        "minimum keeps one.",
    )


def burst(site: PoolNamespace, session: Session) -> None:
    # Enough that some are left where the last pod starts a minute after the first one.
    long, *_ = site.broker.send_work([75.0, *[6.0] * 24], queue="orders")
    assert long
    session.wait("orders", "AtMaximum")
    waiting.eventually(
        lambda: site.pool("orders")["status"].get("activeTasks") == 4, within_s=300, why="4 run"
    )
    session.show("get", "wp")
    words = ("pools", "explain", "orders", f"--namespace={site.kubectl.namespace}")
    session.record(f"celeriac {' '.join(words)}", site.celeriac(*words))
    session.close(
        "A burst",
        "Twenty-five messages arrive at once. The pool goes from 0 to its maximum in one "
        "write; it would need more.",
    )


def drain(site: PoolNamespace, session: Session) -> None:
    session.wait("orders", "Draining", within_s=300)
    session.kubectl.wait("wp/orders", "Draining")
    session.show("get", "wp")
    session.show("get", "pods", "--selector=celeriac.dev/draining")
    session.close(
        "A drain",
        "The burst is over. Replicas that are no longer needed take no new messages, finish "
        "their tasks and go: no task is interrupted.",
    )
    session.wait("orders", "Idle", within_s=300)
    session.kubectl.wait("wp/orders", "jsonpath={.status.replicas}=0", within_s=300)


def outage(site: PoolNamespace, session: Session) -> None:
    site.broker.go_away()
    session.wait("mail", "Blind")
    session.kubectl.wait("wp/mail", "condition=MetricsAvailable=false")
    session.show("get", "wp")
    session.show("get", "wp/mail", READY_MESSAGE)
    session.close(
        "An outage",
        "Redis is away. Nothing is known of the queues, so every size stays as it is; a "
        "pool with spec.fallback would be in the state Fallback after some attempts.",
    )


def wrong_password(site: PoolNamespace, session: Session) -> None:
    wrong = site.broker.host_url.replace("redis://", "redis://operator:wrong@")
    site.kubectl.apply(manifests.build_secret("broker", wrong))
    site.broker.come_back()
    # A Secret is read again every 30 s, and after 5 while the broker does not answer.
    site.await_condition(
        "mail", "MetricsAvailable", is_so="False", reason="BrokerRefused", within_s=60
    )
    told = session.show("get", "wp/mail", READY_MESSAGE)
    assert "WRONGPASS" in told
    session.close(
        "A wrong password",
        "Redis is back, and the Secret now holds a wrong password. That is not an outage: the "
        "message has the server's own reason.",
    )
    site.kubectl.apply(manifests.build_secret("broker", site.broker.host_url))
    session.wait("mail", "AtMinimum")
    session.wait("orders", "Idle")


def pause(site: PoolNamespace, session: Session) -> None:
    session.show("annotate", "wp/orders", "celeriac.dev/paussed=true")
    site.await_condition("orders", "Ready", is_so="True", reason="UnknownAnnotation")
    session.show("get", "wp/orders", READY_MESSAGE)
    session.show("annotate", "wp/orders", "celeriac.dev/paussed-", "celeriac.dev/paused=true")
    session.wait("orders", "Paused")
    site.broker.send_work([1.0] * 3, queue="invoices")
    session.kubectl.wait("wp/orders", "jsonpath={.status.backlog}=3")
    session.show("get", "wp")
    session.close(
        "A pause",
        "A misspelt annotation has no effect, and the pool says so. The right one keeps "
        "the size, whatever arrives.",
    )
    site.kubectl.run("annotate", "wp/orders", "celeriac.dev/paused-")


def fixed(site: PoolNamespace, session: Session) -> None:
    session.show("scale", "wp/mail", "--replicas=3")
    session.wait("mail", "Fixed")
    session.kubectl.wait("wp/mail", "jsonpath={.status.replicas}=3")
    session.show("get", "wp/mail")
    session.show("get", "wp/mail", READY_MESSAGE)
    session.close(
        "A size by hand",
        "kubectl scale fixes the size, also above the maximum. The pool does it and warns.",
    )
    site.kubectl.patch("wp/mail", {"spec": {"replicas": None}})
    session.wait("orders", "Idle", within_s=90)
    session.wait("mail", "AtMinimum", within_s=90)


def refused(site: PoolNamespace, session: Session) -> None:
    with admission.policy(site, "orders", at_most=2):
        site.broker.send_work([8.0] * 16, queue="orders")
        session.wait("orders", "Refused")
        session.kubectl.wait("wp/orders", "condition=AbleToScale=false")
        session.show("get", "wp")
        session.show("describe", "wp/orders")
        session.close(
            "A refused scale",
            "An admission policy allows two replicas, the queues need four. The pool shows the "
            "message of the API server, and retries with growing delays.",
        )
    session.kubectl.wait("wp/orders", "AbleToScale", within_s=90)


def ending(site: PoolNamespace, session: Session) -> None:
    session.kubectl.wait("wp/orders", "jsonpath={.status.replicas}=0", within_s=180)
    session.wait("orders", "Idle")
    session.show("get", "wp")
    columns = "POOL:.involvedObject.name,TYPE:.type,REASON:.reason,MESSAGE:.message"
    session.show(
        *("get", "events", "--field-selector=involvedObject.kind=WorkerPool"),
        *("--sort-by=.eventTime", f"--output=custom-columns={columns}"),
    )
    session.close(
        "What is left of it",
        "All work is done. The Events of both pools list what happened, in order.",
    )
    session.record("kubectl logs deployment/celeriac-operator", site.operator.log)
    session.close(
        "The operator's log", "One line for each change of size, drain, refusal and recovery."
    )
