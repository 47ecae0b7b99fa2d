"""The command line: a module per command group.

The client commands speak to the HTTP API and import nothing of the platform, so that they start
fast; the commands that run a role import what they run when they run it.
"""

from app.cli.application import main

__all__ = ["main"]
