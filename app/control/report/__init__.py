"""Reports: conditions, status, events, log lines and metrics from an evaluation."""
