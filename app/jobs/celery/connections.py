"""How our Celery application is connected to its broker and to the results of plain tasks."""

from typing import Any
from urllib.parse import quote

from app.broker.connections import address, broker_url, connection, redis_clients
from app.broker.connections.address import Address, Sentinels
from app.errors import InvalidInput
from app.queues import PRIORITIES
from app.settings import BrokerSettings

Conf = dict[str, Any]  # settings of several types

CONNECT_S = 5.0
ANSWER_S = 30.0


def settings_of(broker: BrokerSettings) -> Conf:
    """Celery's settings. Raises InvalidInput for a broker that jobs can not live on."""
    target = address.address_of(broker)
    redis_clients.refuse_several(target)
    sockets = {
        "visibility_timeout": broker.visibility_timeout_s,
        "health_check_interval": 25,
        "socket_timeout": ANSWER_S,
        "socket_connect_timeout": CONNECT_S,
        "socket_keepalive": True,
        **_sentinel_options(target),
    }
    return {
        **_urls(broker, target),
        "broker_transport_options": {
            **sockets,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            # A list for each priority, and all lists in the order of priorities: both it takes.
            "priority_steps": list(PRIORITIES),
            "queue_order_strategy": "priority",
        },
        "result_backend_transport_options": sockets,
        "broker_connection_timeout": CONNECT_S,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # a worker outlives any outage of its broker
        "redis_socket_timeout": ANSWER_S,
        "redis_socket_connect_timeout": CONNECT_S,
        "redis_socket_keepalive": True,
        # The reconciler publishes jobs that were not published: clients need not wait.
        "task_publish_retry_policy": {
            "max_retries": 1,
            "interval_start": 0.0,
            "interval_step": 0.1,
            "interval_max": 0.2,
        },
    }


def _urls(broker: BrokerSettings, target: Address) -> Conf:
    url = broker.broker_url.get_secret_value()
    conf: Conf = {"broker_url": url}
    if isinstance(target.place, Sentinels):
        url = _sentinel_url(target, target.place)
        # CELERY_BROKER_URL, which Celery reads by itself, would win over `broker_url`.
        conf = {name: url for name in ("broker_url", "broker_read_url", "broker_write_url")}
        if target.tls is not None:
            conf["broker_use_ssl"] = _tls_options(target)
    results = broker.result_backend_url
    if results is not None:
        if not broker_url.is_readable(results.get_secret_value()):
            raise InvalidInput(
                "CELERY_RESULT_BACKEND cannot be read: percent-encode its user and password"
            )
        return {**conf, "result_backend": results.get_secret_value()}
    if target.tls is None:
        return {**conf, "result_backend": url}
    # Celery's result backend reads the TLS options of a URL unlike kombu, and refuses some.
    return {
        **conf,
        "result_backend": url.partition("?")[0],
        "redis_backend_use_ssl": _tls_options(target),
    }


def _tls_options(target: Address) -> Conf:
    options = connection.tls_options(target.tls)
    return {name: value for name, value in options.items() if name != "ssl" and value is not None}


def _sentinel_options(target: Address) -> Conf:
    """Transport options of kombu's, which Celery's result backend knows too."""
    match target.place:
        case Sentinels() as sentinels:
            return {
                "master_name": sentinels.master_name,
                "sentinel_kwargs": {
                    **connection.sentinel_options(sentinels),
                    "socket_timeout": CONNECT_S,
                    "socket_connect_timeout": CONNECT_S,
                },
            }
        case _:
            return {}


def _sentinel_url(target: Address, sentinels: Sentinels) -> str:
    """With user, password and database in each part: kombu moves from one to the next when it does
    not connect, and forgets the last one's."""
    entry = ":".join(quote(text or "", safe="") for text in (target.username, target.password))
    at = f"{entry}@" if entry != ":" else ""
    return ";".join(f"sentinel://{at}{endpoint}/{target.db}" for endpoint in sentinels.endpoints)
