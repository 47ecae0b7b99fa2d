"""ASGI middleware, in the order in which a request passes it. Holds no routes and calls no jobs."""
