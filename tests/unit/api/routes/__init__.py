"""The parts of routes that need no server."""
