"""Where things are kept: the database engine and its tables, objects (artifacts and uploads),
sources and their chunks, and what else outlives a job: notifications, pages, the archive of videos.

Adapters only: they speak to one outside system, return frozen dataclasses and our own errors, and
decide nothing. May import `settings`, `queues`, `errors`.
"""
