"""Decisions of `celeriac doctor` without a broker."""
