"""The pipelines: a folder each, found by the registry. Adding one adds a folder, nothing else.

A folder holds `__init__.py` that exports `PIPELINE`, and `tasks.py` with its Celery tasks. Heavy
libraries are imported inside the functions that need them. The modules beside the folders are what
several pipelines share.
"""
