"""Ports of this machine."""

import errno
import socket

from app.errors import CeleriacError


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    try:
        _bind(host, port)
    except OSError:
        return False
    return True


def free_port(host: str, *, preferred: int | None = None) -> int:
    """The preferred port if it is free, else one that the system chooses."""
    if preferred is not None and is_free(host, preferred):
        return preferred
    return _bind(host, 0)


def claim(host: str, port: int) -> int:
    """The port itself, or one that the system chooses for 0.

    Raises:
        CeleriacError: somebody listens there, or nobody may; the message says what to do.
    """
    try:
        return _bind(host, port)
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            way_out = "stop what listens there, or choose another one with --port"
            raise CeleriacError(f"port {port} on {host} is taken: {way_out}") from exc
        raise CeleriacError(f"cannot listen on {host}:{port}: {exc.strerror or exc}") from exc


def _bind(host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host, port))
        bound: int = server.getsockname()[1]
        return bound
