"""A job as others see it."""

import json

from app.api.views import JobView
from app.jobs.store import public
from tests.unit.jobs import build


def test_callbacks_and_the_api_show_the_same_fields() -> None:
    assert set(public.job_view(build.job())) == set(JobView.model_fields)


def test_a_job_is_json() -> None:
    view = public.job_view(build.job(params={"a": [1, None]}, labels={"b": "c"}))

    assert json.loads(json.dumps(view)) == view
