"""The pipelines, one folder each, found by the registry. A new pipeline is a new folder.

A folder has an `__init__.py` that exports `PIPELINE`, and a `tasks.py` with its Celery tasks. Heavy
libraries are imported inside the functions that need them. The modules beside the folders are
shared by several pipelines.
"""
