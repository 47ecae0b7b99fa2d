"""How a role tells what it does: log lines, and a server for metrics. May import `errors` only."""
