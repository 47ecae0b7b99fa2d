"""One run of one stage in a worker: claim, lease, progress, outcome."""
