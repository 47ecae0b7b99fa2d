"""Somebody's Celery application behind Sentinels, which ask for a password and speak TLS."""

import os

from tests.integration.foreign_app import app

URL = os.environ.get("CELERY_BROKER_URL", "")

app.conf.update(
    broker_transport_options={
        "master_name": "main",
        "sentinel_kwargs": {
            "password": os.environ.get("CELERIAC_SENTINEL_PASSWORD"),
            "ssl": True,
            "ssl_ca_certs": URL.partition("ssl_ca_certs=")[2].partition(";")[0],
        },
    },
    broker_connection_retry_on_startup=True,
)
