"""ASGI middleware: access rules and the life cycle of a request. Knows neither routes nor jobs."""
