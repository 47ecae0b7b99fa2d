"""How the platform tells what it does: logs. It imports nothing of the platform."""
