"""The command line: a module per command group.

Client commands use the HTTP API and import nothing of the platform, so that they start fast;
commands that run a role import it when they run.
"""

from app.cli.application import main

__all__ = ["main"]
