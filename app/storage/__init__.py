"""Persistence: the database engine and its tables, objects (artifacts and uploads), sources and
their chunks, notifications, pages, and the archive of videos.

Adapters only: each uses one outside system, returns frozen dataclasses, raises our own errors, and
decides nothing. May import `settings`, `queues`, `errors`.
"""
