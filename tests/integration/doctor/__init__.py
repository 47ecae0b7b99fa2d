"""`celeriac doctor` on real brokers and workers."""
