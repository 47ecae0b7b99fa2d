"""Ports for the servers of tests. Several test runs share one machine."""

import socket


def free_port() -> int:
    """A port of 127.0.0.1 that the system has just chosen, so that two runs do not get the same."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
