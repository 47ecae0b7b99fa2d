"""Celeriac, the Kubernetes-native worker platform for Celery.

One package holds every role. Imports point one way (`pyproject.toml`, import-linter):
composition (`main`, `celery_app`) -> `cli` -> `api`, `operator`, `local` -> `pipelines` ->
`jobs` -> `control` -> `storage`, `worker`, `broker`, `scaling`, `fetch`, `documents` -> `settings`,
`queues` -> `errors`.
"""
