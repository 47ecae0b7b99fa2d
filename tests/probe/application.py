"""A Celery application that knows the test pipeline alone: `celery -A tests.probe.application`."""

from app import celery_app
from app.jobs.model.pipeline import Registry
from app.settings import Settings
from tests import probe

app = celery_app.create(Settings(), Registry([probe.PIPELINE]))
